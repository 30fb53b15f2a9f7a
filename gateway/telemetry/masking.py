"""Keeps keys out of texts that go to logs or clients."""

import re
from collections.abc import Iterable

MASK = "***"
_SHORTEST_SECRET = 6
_HINTS = ("sk-", "earer", "EARER")
_LOOKS_LIKE_A_KEY = re.compile(
    r"(?<![A-Za-z0-9])sk-[A-Za-z0-9*._-]{6,}"  # OpenAI's and most others'; some come back half hidden by asterisks
    r"|(?<=\bbearer )[^\s\"'\\,;]{6,}",
    re.IGNORECASE,
)


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` with `secrets` of at least six characters, and anything that looks like an API key, as `***`."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    return _LOOKS_LIKE_A_KEY.sub(MASK, text)


def may_need_mask(text: str, secrets: Iterable[str]) -> bool:
    """Return False where `mask` would change nothing: a cheap look, for lines that are written often."""
    return any(hint in text for hint in _HINTS) or any(secret in text for secret in secrets)
