"""The secrets of this suite, and what its gateways were heard to say, which is searched for them at the end."""

import json
from collections import Counter
from dataclasses import dataclass, field

BACKEND_KEY = "backend-key-1b9d6bcd4bfd4b2d"
"""OPENAI_API_KEY. It does not look like a key, so that only knowing it can hide it."""
BACKEND_KEY_IN_USE = "sk-proj-4f90d13a42aa7f6c9d2b"
"""OPENAI_API_KEY in the usual form."""
GATEWAY_KEY = 'gateway-key-6fa459ea\\ee8a"3ca4'
"""One of API_KEYS, with characters that JSON escapes."""
FILE_KEY = "sk-file-key-9b2d0c7e41f34a0a8d1c"
"""A key of KEYS_FILE, where only its digest stands."""
CLIENT_KEY = "client-key-16fd2706-8baf-433b"
"""A client's own key, to be passed on."""
PASSWORD = "basic-password-886313e1-3b8a"
"""A client's own key, sent as the password of Basic."""
PROMPT = "the-prompt-of-somebody-7d444840"
"""What a client says: no key, but nothing for logs and metrics either."""

SECRETS = (BACKEND_KEY, BACKEND_KEY_IN_USE, GATEWAY_KEY, FILE_KEY, CLIENT_KEY, PASSWORD)
NOT_FOR_LOGS = (*SECRETS, PROMPT)


@dataclass(frozen=True)
class Leak:
    """A secret where it should not be: `source` tells what was said, `where` the test that made it say it."""

    secret: str
    source: str
    where: str
    text: str


@dataclass
class Evidence:
    """Everything heard, as `log`, `answer`, `metrics`, `repr` or `output` (stdout and stderr); each with its test."""

    heard: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, source: str, text: str | bytes, where: str = "") -> None:
        """Keep one text."""
        if text:
            self.heard.append((source, text.decode("utf-8", "replace") if isinstance(text, bytes) else text, where))

    def sources(self) -> Counter[str]:
        """Return how many texts came from each source."""
        return Counter(source for source, _, _ in self.heard)

    def leaks(self) -> list[Leak]:
        """Return every secret that was said, as it is or as JSON writes it."""
        return [
            Leak(secret, source, where, text[max(0, at - 80) : at + 40])
            for source, text, where in self.heard
            for secret in (NOT_FOR_LOGS if source in ("log", "metrics", "output") else SECRETS)
            for form in {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}
            if (at := text.find(form)) >= 0
        ]


EVIDENCE = Evidence()
"""What was heard in this run of the suite."""
