"""The command `key`: makes, shows, rotates and revokes the keys of a file."""

import argparse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from gateway.keys.changes import Limits, created, revoked, rotated, without_old_secret
from gateway.keys.entries import MODELS_RIGHT, NAME_RIGHT, Key, KeyBook, in_words, is_name, is_pattern, quoted
from gateway.keys.file import SETTING, locked, read_keys, write_keys
from gateway.settings_text import ConfigError, Problem

RELOAD = "A gateway that runs takes this up with SIGHUP or POST /admin/reload."
_HEAD = ("NAME", "CREATED", "EXPIRES", "MODELS", "RPM", "TPM", "CONCURRENCY", "STATE")


class Said(NamedTuple):
    """What the command has to say: `output` is what was asked for, a secret or a table; `notes` are about it."""

    output: Sequence[str] = ()
    notes: Sequence[str] = ()


def run_key_command(arguments: argparse.Namespace, settings: Mapping[str, str], *, now: datetime | None = None) -> Said:
    """Do what the arguments say to the file that they or KEYS_FILE name. `now` is for tests.

    Raises ConfigError where arguments, settings or the file are wrong, KeyRefusedError where it cannot be done.
    """
    path = _path(arguments.file, settings)
    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    try:
        if arguments.action == "list":
            book, warnings = read_keys(path)
            return Said(_table(book, moment), warnings)
        _check_name(arguments.name)
        # Nothing is made for a name that is wrong, not even the lock.
        with locked(path):
            return _change(arguments, path, moment)
    except ConfigError as error:
        raise _in_the_words_of(arguments, error) from None


def _change(arguments: argparse.Namespace, path: Path, now: datetime) -> Said:
    name, secret = str(arguments.name), None
    book = KeyBook() if arguments.action == "create" and not path.exists() else read_keys(path)[0]
    match arguments.action:
        case "create":
            limits = Limits(
                models=_models(arguments.models),
                rpm=arguments.rpm,
                tpm=arguments.tpm,
                concurrency=arguments.concurrency,
            )
            book, secret = created(book, name, limits, now=now, term=arguments.expires)
            done = f"made the key {quoted(name)}"
        case "rotate":
            book, secret = rotated(book, name, now=now, grace=arguments.grace, term=arguments.expires)
            done = f"made a new secret of the key {quoted(name)}; {_older(book, name, now)}"
        case _ if arguments.old:
            book, done = without_old_secret(book, name), f"ended the old secret of the key {quoted(name)}"
        case _:
            book, done = revoked(book, name), f"revoked the key {quoted(name)}"
    write_keys(path, book)
    once = " The secret is not shown again." if secret is not None else ""
    return Said([secret] if secret is not None else [], [f"{done}.{once} {RELOAD}"])


def _path(given: Path | None, settings: Mapping[str, str]) -> Path:
    if given is not None:
        return given
    text = settings.get(SETTING, "").strip()
    if not text or "\0" in text:
        wrong = "is no path" if text else "is not set"
        raise ConfigError([Problem(SETTING, wrong, "the path of the file of keys there, or in --file")])
    return Path(text)


def _check_name(name: str) -> None:
    # It is not quoted: a secret may have been written in its place.
    if not is_name(name):
        raise ConfigError([Problem("NAME", "is no name of a key", NAME_RIGHT)])


def _models(given: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the names of models of all --models, each once."""
    if given is None:
        return None
    names = [name.strip() for text in given for name in text.split(",")]
    if not all(is_pattern(name) for name in names):
        raise ConfigError(
            [Problem("--models", "holds an entry that is no name", f"{MODELS_RIGHT}, separated by commas")]
        )
    return tuple(dict.fromkeys(names))


def _in_the_words_of(arguments: argparse.Namespace, error: ConfigError) -> ConfigError:
    """Return the error under the name by which the user gave the file."""
    if arguments.file is None:
        return error
    return ConfigError(
        [problem._replace(name="--file") if problem.name == SETTING else problem for problem in error.problems]
    )


def _older(book: KeyBook, name: str, now: datetime) -> str:
    """Return what becomes of the secret before the newest."""
    key = next(key for key in book.keys if key.name == name)
    older = key.live(now)[:-1]
    end = key.end_of(older[0]) if older else None
    return "older ones work no more" if end is None else f"the one before it works until {in_words(end)}"


def _table(book: KeyBook, now: datetime) -> list[str]:
    """Return a line for each key below a head, in columns."""
    rows = [_HEAD, *(_row(key, now) for key in book.keys)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(key: Key, now: datetime) -> tuple[str, ...]:
    limits = (key.requests_per_minute, key.tokens_per_minute, key.concurrency)
    return (
        key.name,
        in_words(key.created),
        "never" if key.expires is None else in_words(key.expires),
        "all" if key.models is None else _printable(",".join(key.models)),
        *("-" if limit is None else str(limit) for limit in limits),
        _state(key, now),
    )


def _state(key: Key, now: datetime) -> str:
    live = key.live(now)
    if not live:
        return "expired"
    end = key.end_of(live[0]) if len(live) > 1 else None
    return "works" if end is None else f"works, its old secret until {in_words(end)}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
