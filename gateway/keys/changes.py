"""What can be done with keys: each function takes all of them as they are and returns them as they are to be."""

from datetime import datetime, timedelta

import msgspec

from gateway.keys.entries import MOST_SECRETS, Key, KeyBook, Secret, digest_of, earliest, in_words, new_secret, quoted

NOTHING = timedelta(0)


class KeyRefusedError(Exception):
    """What was asked for cannot be done with the keys there are; the message says why, and never holds a secret."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key may be used for: models (None: all), requests and tokens a minute, requests at once.

    A limit that is None is the one for everybody; 0 is none.
    """

    models: tuple[str, ...] | None = None
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None


def created(
    book: KeyBook, name: str, limits: Limits, *, now: datetime, term: timedelta | None = None
) -> tuple[KeyBook, str]:
    """Return the keys with a new one that works for `term` (None: for ever), and its secret.

    Raises KeyRefusedError where the name is taken.
    """
    if any(key.name.casefold() == name.casefold() for key in book.keys):
        raise KeyRefusedError(f"there is a key {quoted(name)} already: revoke it first, or rotate it")
    secret, kept = _secret(now)
    key = Key(
        name=name,
        created=now,
        secrets=(kept,),
        expires=None if term is None else now + term,
        models=limits.models,
        requests_per_minute=limits.rpm,
        tokens_per_minute=limits.tpm,
        concurrency=limits.concurrency,
    )
    return msgspec.structs.replace(book, keys=(*book.keys, key)), secret


def rotated(
    book: KeyBook, name: str, *, now: datetime, grace: timedelta, term: timedelta | None = None
) -> tuple[KeyBook, str]:
    """Return the keys with a new secret in the one of that name, and the secret. The old one works for `grace` more.

    `term`: how long the key works from now on; None leaves its end as it is. Without grace all older secrets end at
    once. Raises KeyRefusedError where there is no such key, where it has expired and gets no new term, and where the
    secret before the last one still works.
    """
    key = _named(book, name)
    old = key.live(now)
    if not old and term is None and key.expires is not None and key.expires <= now:
        raise KeyRefusedError(f"the key {quoted(name)} has expired: give it a new term with --expires")
    if grace > NOTHING and len(old) == MOST_SECRETS:
        end = key.end_of(old[0])
        until = f"until {in_words(end)}" if end is not None else "for ever"
        raise KeyRefusedError(
            f"the key {quoted(name)} has two secrets that work, the older one {until}: wait for that, "
            f"end it now with revoke {name} --old, or end both with --grace 0"
        )
    # The end of the key goes into that of the secret: a new term is for the new secret alone.
    ending = [
        msgspec.structs.replace(secret, expires=earliest(key.end_of(secret), now + grace))
        for secret in old
        if grace > NOTHING
    ]
    secret, kept = _secret(now)
    expires = key.expires if term is None else now + term
    return _with(book, msgspec.structs.replace(key, secrets=(*ending, kept), expires=expires)), secret


def revoked(book: KeyBook, name: str) -> KeyBook:
    """Return the keys without the one of that name. Raises KeyRefusedError where there is none."""
    gone = _named(book, name)
    return msgspec.structs.replace(book, keys=tuple(key for key in book.keys if key is not gone))


def without_old_secret(book: KeyBook, name: str) -> KeyBook:
    """Return the keys with only the newest secret in the one of that name. Raises KeyRefusedError where that is all."""
    key = _named(book, name)
    if len(key.secrets) == 1:
        raise KeyRefusedError(f"the key {quoted(name)} has no older secret")
    return _with(book, msgspec.structs.replace(key, secrets=key.secrets[-1:]))


def _named(book: KeyBook, name: str) -> Key:
    for key in book.keys:
        if key.name == name:
            return key
    raise KeyRefusedError(f"there is no key {quoted(name)}")


def _with(book: KeyBook, changed: Key) -> KeyBook:
    keys = tuple(changed if key.name == changed.name else key for key in book.keys)
    return msgspec.structs.replace(book, keys=keys)


def _secret(now: datetime) -> tuple[str, Secret]:
    """Return a new secret, and what is kept of it."""
    secret = new_secret()
    return secret, Secret(sha256=digest_of(secret).hex(), created=now)
