"""KeyStore: the keys of the file in memory, found by what clients show."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from hmac import compare_digest
from math import inf
from pathlib import Path

import msgspec

from gateway.callers import Caller
from gateway.keys.entries import Key, KeyBook, Secret
from gateway.keys.file import read_keys

_NO_DIGEST = bytes(32)


class Grant(msgspec.Struct, frozen=True):
    """What one secret opens: until `end_s` (seconds since 1970), as that caller; its address is not known here."""

    digest: bytes
    end_s: float
    caller: Caller


type KeyTable = Mapping[bytes, Grant]


class Loaded(msgspec.Struct, frozen=True):
    """The keys of a file that was read, and what is to be said of it."""

    table: KeyTable
    names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class KeyStore:
    """The keys of `path`. `now_s` tells the time in seconds since 1970. Raises ConfigError where the file is wrong."""

    __slots__ = ("_loaded", "_now_s", "_path", "_table")

    def __init__(self, path: Path, *, now_s: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now_s = now_s
        self.replace(self.read())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._path)!r}, {len(self._loaded.names)} keys)"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be said of the file."""
        return self._loaded.warnings

    def find(self, digest: bytes) -> Caller | None:
        """Return who has the secret of this digest; None for nobody, and for what has expired.

        The time it takes is the same for every digest that is not there: a table finds by a hash of its own, with a
        seed that nobody knows, and the digest itself is compared once, in constant time, found or not.
        """
        return find_in(self._table, digest, self._now_s)

    def read(self) -> Loaded:
        """Read the file, and change nothing. Raises ConfigError with the place."""
        book, warnings = read_keys(self._path)
        return Loaded(table_of(book), tuple(key.name for key in book.keys), tuple(warnings))

    def replace(self, loaded: Loaded) -> None:
        """Go on with the keys that `read` returned."""
        self._loaded = loaded
        self._table = loaded.table

    def reload(self) -> Sequence[str]:
        """Read the file, go on with it, return the names. Raises ConfigError with the place, and the old keys stay."""
        self.replace(self.read())
        return self._loaded.names


def find_in(table: KeyTable, digest: bytes, now_s: Callable[[], float] = time.time) -> Caller | None:
    """Return the caller of a digest in a table, None where it is not there, or no longer."""
    grant = table.get(digest)
    if not compare_digest(_NO_DIGEST if grant is None else grant.digest, digest) or grant is None:
        return None
    return grant.caller if grant.end_s > now_s() else None


def granted(callers: Iterable[tuple[bytes, Caller]]) -> KeyTable:
    """Return a table of callers by the digests of their keys, which never expire. Of equal digests the first counts."""
    table: dict[bytes, Grant] = {}
    for digest, caller in callers:
        table.setdefault(digest, Grant(digest, inf, caller))
    return table


def table_of(book: KeyBook) -> KeyTable:
    """Return all secrets of the keys, by their digests."""
    grants = [_grant(key, secret) for key in book.keys for secret in key.secrets]
    return {grant.digest: grant for grant in grants}


def _grant(key: Key, secret: Secret) -> Grant:
    end = key.end_of(secret)
    caller = Caller(
        name=key.name,
        models=key.models,
        rpm=key.requests_per_minute,
        tpm=key.tokens_per_minute,
        concurrency=key.concurrency,
    )
    return Grant(bytes.fromhex(secret.sha256), inf if end is None else end.timestamp(), caller)
