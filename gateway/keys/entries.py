"""What the file of keys holds, and what is secret of it: nothing."""

import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_urlsafe
from typing import Annotated, Literal

import msgspec

PREFIX = "sk-"
SECRET_BYTES = 32
MOST_SECRETS = 2
"""The one in use, and the one before it for as long as clients are moved to the new one."""
RESERVED = "api-key-"
"""What the keys of API_KEYS are called, with their position behind it: no key of the file may pass for one of them."""
LONGEST_NAME = 64
NAME_RIGHT = (
    f"up to {LONGEST_NAME} letters, digits, dots, dashes and underscores, a letter or a digit first, "
    f'and neither "{PREFIX}" nor "{RESERVED}" at the beginning'
)

# What begins as a key does is masked in every log line, and may be a secret in the wrong place.
_NAME = rf"^(?!(?i:{PREFIX}|{RESERVED}))[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}\Z"
MODELS_RIGHT = "names of models of up to 200 characters, in which * stands for any text"
_PATTERN = r"^[^\x00-\x20\x7f-\xa0]([^\x00-\x1f\x7f-\x9f]{0,198}[^\x00-\x20\x7f-\xa0])?\Z"

type Moment = Annotated[datetime, msgspec.Meta(tz=True)]
type Count = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
type Pattern = Annotated[str, msgspec.Meta(pattern=_PATTERN)]


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One secret of a key, as a digest in hexadecimal digits; `expires` is where its own end comes before the key's."""

    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    created: Moment
    expires: Moment | None = None


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key: who it is for, until when, and how much it may be used. The last of its secrets is the newest.

    A limit that is None is the one for everybody; 0 is none.
    """

    name: Annotated[str, msgspec.Meta(pattern=_NAME)]
    created: Moment
    secrets: Annotated[tuple[Secret, ...], msgspec.Meta(min_length=1, max_length=MOST_SECRETS)]
    expires: Moment | None = None
    models: Annotated[tuple[Pattern, ...], msgspec.Meta(min_length=1)] | None = None
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    concurrency: Count | None = None

    def end_of(self, secret: Secret) -> datetime | None:
        """Return when one of its secrets stops to work, None for never."""
        return earliest(self.expires, secret.expires)

    def live(self, now: datetime) -> list[Secret]:
        """Return the secrets that work, oldest first."""
        return [secret for secret in self.secrets if (end := self.end_of(secret)) is None or end > now]


class KeyBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the file holds."""

    version: Literal[1] = 1
    keys: tuple[Key, ...] = ()


def earliest(*moments: datetime | None) -> datetime | None:
    """Return the first of the moments; None stands for never."""
    return min((moment for moment in moments if moment is not None), default=None)


def in_words(moment: datetime) -> str:
    """Return a moment as it stands in the file."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_name(text: str) -> bool:
    """Tell whether a key may be called so."""
    return re.match(_NAME, text) is not None


def is_pattern(text: str) -> bool:
    """Tell whether that can be the name of a model, or a pattern of names."""
    return re.match(_PATTERN, text) is not None and text.isprintable()


def new_secret() -> str:
    """Return a secret that nobody had before: 256 random bits in 43 characters behind `sk-`."""
    return PREFIX + token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> bytes:
    """Return the 32 bytes that are kept, or looked for, instead of a secret."""
    # Slow hashes make up for what people choose: a password has some 30 bits, and whoever steals the file tries them
    # all. Among 2**256 equally likely secrets there is nothing to try, however fast the hash is, so SHA-256 alone gives
    # nothing away. A slow one would take its time of every request, one with a wrong key too: a hundred of those a
    # second would stop the gateway. A salt is against tables of likely passwords, and with one no key could be found by
    # its digest.
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


def first_twin(book: KeyBook) -> tuple[int, str] | None:
    """Return the place and the field of the first key that cannot be told from one before it; None where all can."""
    names: set[str] = set()
    digests: set[str] = set()
    for number, key in enumerate(book.keys):
        if key.name.casefold() in names:
            return number, "name"
        names.add(key.name.casefold())
        for secret in key.secrets:
            if secret.sha256 in digests:
                return number, "secrets"
            digests.add(secret.sha256)
    return None


def quoted(text: str) -> str:
    """Return a name as messages write it."""
    return json.dumps(text)
