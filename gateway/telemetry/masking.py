"""Keeps keys out of texts that go to logs or clients."""

import re
from collections.abc import Iterable

from gateway.errors import ProxyException, UpstreamStatusError

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


def mask_error(error: ProxyException, secrets: Iterable[str]) -> None:
    """Mask every text that an error may show: a backend quotes what it was sent."""
    known = list(secrets)
    error.message = mask(error.message, known)
    error.args = (error.message,)  # what str() and repr() show
    error.param = mask(error.param, known) if error.param else None
    error.code = mask(error.code, known) if error.code else None
    if isinstance(error, UpstreamStatusError):
        error.error_type = mask(error.error_type, known) if error.error_type else None


def may_need_mask(text: str, secrets: Iterable[str]) -> bool:
    """Return False where `mask` would change nothing: a cheap look, for lines that are written often."""
    for hint in _HINTS:
        if hint in text:
            return True
    for secret in secrets:  # noqa: SIM110 - a generator costs more than the look itself
        if secret in text:
            return True
    return False
