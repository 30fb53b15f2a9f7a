"""Files of keys as tests want them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from gateway.keys.changes import Limits, created
from gateway.keys.entries import Key, KeyBook, Secret, digest_of
from gateway.keys.file import locked, write_keys

NOW = datetime(2030, 1, 31, 12, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def book_of(*names: str) -> tuple[KeyBook, list[str]]:
    """Return a book with a key for each name, and their secrets."""
    book, secrets = KeyBook(), []
    for name in names:
        book, secret = created(book, name, Limits(), now=NOW)
        secrets.append(secret)
    return book, secrets


def key_of(secret: str, name: str = "known", **fields: object) -> Key:
    """Return a key whose secret the test chose; `fields` as in the file."""
    key = Key(name=name, created=NOW, secrets=(Secret(sha256=digest_of(secret).hex(), created=NOW),))
    return msgspec.structs.replace(key, **fields)


def written(path: Path, *keys: Key) -> Path:
    """Write a file with these keys."""
    with locked(path):
        write_keys(path, KeyBook(keys=keys))
    return path
