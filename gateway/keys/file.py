"""The file of keys: JSON, because a program rewrites it whole and no comment of a person would outlive that.

Read with the place of what is wrong, written so that readers see the old or the new one, by one writer at a time.
"""

import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from gateway.keys.entries import MODELS_RIGHT, NAME_RIGHT, KeyBook, first_twin, is_name, quoted
from gateway.settings_text import ConfigError, Problem

SETTING = "KEYS_FILE"
LARGEST_BYTES = 8 * 1024 * 1024
LOCK_PATIENCE_S = 10.0
"""How long one writer waits for another."""

_LOCK_PAUSE_S = 0.02
_FORM = "a file made by python -m gateway key create"
_TIME = "a time with its zone, such as 2030-01-31T00:00:00Z"
_NUMBER = "a whole number, 0 or more"
_FIELDS = "the fields that docs/authentication.md names, and no other"
_RIGHT: Mapping[str, str] = MappingProxyType(
    {
        "version": "1",
        "keys": "a list of keys",
        "name": NAME_RIGHT,
        "created": _TIME,
        "expires": _TIME,
        "models": MODELS_RIGHT,
        "requests_per_minute": _NUMBER,
        "tokens_per_minute": _NUMBER,
        "concurrency": _NUMBER,
        "secrets": "one secret, or two while one replaces the other",
        "sha256": "the SHA-256 digest of a secret in 64 small hexadecimal digits",
    }
)
_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_FIRST_NUMBER = re.compile(r"keys\[(\d+)\]")


def read_keys(path: Path) -> tuple[KeyBook, list[str]]:
    """Return the keys, and warnings. Raises ConfigError with the place; it never quotes what stands in the file."""
    data, mode = _content(path)
    name = _printable(path)
    try:
        document = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_without_doubles)
    except UnicodeDecodeError as error:
        raise _wrong(f"{name} line {_line(data, error.start)}", "is not UTF-8", "UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise _wrong(f"{name} line {error.lineno}", f"is not JSON ({error.msg}, column {error.colno})", _FORM) from None
    except RecursionError:
        raise _wrong(name, "is nested too deeply", _FORM) from None
    except _DoubleError as error:
        raise _wrong(name, str(error), "each field once") from None
    book = _book(name, document)
    return book, [*_open_to_others(name, mode), *_empty(name, book)]


def write_keys(path: Path, book: KeyBook) -> None:
    """Replace the file: for its owner alone, and on the disk when this returns. Raises ConfigError where it cannot be.

    Call it inside `locked`.
    """
    # A link stays one: what it leads to is replaced.
    target = Path(os.path.realpath(path))
    content = msgspec.json.format(msgspec.json.encode(book), indent=2) + b"\n"
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with open(handle, "wb") as file:
                _take_over(handle, target)
                file.write(content)
                file.flush()
                os.fsync(handle)
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _settle(target.parent)
    except OSError as error:
        raise _no_write(path, error) from None


@contextmanager
def locked(path: Path, patience_s: float = LOCK_PATIENCE_S) -> Iterator[None]:
    """Keep other writers away. Raises ConfigError where one stays for longer than `patience_s`.

    The lock is on a file beside the one of keys, which is another after each change. It goes with the process.
    """
    target = Path(os.path.realpath(path))
    try:
        handle = os.open(target.with_name(target.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _no_write(path, error) from None
    try:
        end = time.monotonic() + patience_s
        while not _lock(handle):
            if time.monotonic() >= end:
                raise _wrong(SETTING, f"{_printable(path)} is being changed by another command", "one at a time")
            time.sleep(_LOCK_PAUSE_S)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: that only one writes at a time is up to the administrator there
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_over(handle: int, target: Path) -> None:
    """Give a new file the owner of the one it replaces: root may change the file, and the service must still read it.

    A group that may read it may go on doing so; nobody else may.
    """
    with suppress(FileNotFoundError):
        old, new = target.stat(), os.fstat(handle)
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.fchown(handle, old.st_uid, old.st_gid)
        if os.name == "posix":
            os.fchmod(handle, stat.S_IRUSR | stat.S_IWUSR | (old.st_mode & stat.S_IRGRP))


def _settle(folder: Path) -> None:
    """Bring the new name of a file onto the disk; not every system has that for folders."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _content(path: Path) -> tuple[bytes, int]:
    """Return what stands in the file, and its mode."""
    name = _printable(path)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise _wrong(SETTING, f"there is no file {name}", _FORM) from None
    except OSError as error:
        raise _wrong(SETTING, f"{name} cannot be read ({error.strerror})", _FORM) from None
    except ValueError:
        raise _wrong(SETTING, "is no path", _FORM) from None
    if len(data) > LARGEST_BYTES:
        raise _wrong(SETTING, f"{name} is larger than 8 MiB", _FORM)
    return data, mode


def _book(name: str, document: Any) -> KeyBook:
    try:
        book = msgspec.convert(document, KeyBook)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise _refused(name, document, str(error)) from None
    if (twin := first_twin(book)) is not None:
        number, field = twin
        right = "a name of its own for each key, in any case" if field == "name" else "a secret of its own for each key"
        place = _place(document, f"keys[{number}].{field}")
        raise _wrong(name, f"{place} is that of another key", right)
    return book


def _refused(name: str, document: Any, message: str) -> ConfigError:
    """Return the error for what msgspec does not take; its words would quote values, its place is right."""
    parts = _MESSAGE.fullmatch(message)
    what, place = (parts["what"], parts["place"] or "") if parts else ("", "")
    if missing := _MISSING.fullmatch(what):
        place = f"{place}.{missing[1]}".removeprefix(".")
        wrong = "is missing"
    elif what.startswith("Object contains unknown field"):
        return _wrong(name, f"{_place(document, place)} has a field that is unknown", _FIELDS)
    else:
        wrong = "is wrong"
    field = place.rpartition(".")[2].partition("[")[0]
    return _wrong(name, f"{_place(document, place)} {wrong}", _RIGHT.get(field, _FORM))


def _place(document: Any, place: str) -> str:
    """Return a place with the name of the key it is in, where that can be one."""
    number = _FIRST_NUMBER.match(place)
    if number is None:
        return place or "the file"
    entry = document["keys"][int(number[1])]
    name = entry.get("name") if isinstance(entry, dict) else None
    return f"{place} (key {quoted(name)})" if isinstance(name, str) and is_name(name) else place


class _DoubleError(ValueError):
    """A field that stands twice in one object."""


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; of two fields of one name one would win silently."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise _DoubleError(f"has {quoted(double) if double in _RIGHT else 'a field'} twice in one place")
    return content


def _open_to_others(name: str, mode: int) -> Iterator[str]:
    """Yield a warning where others may read the file: no secret stands there, but who may do what does."""
    if os.name != "posix":
        return
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"{name} may be changed by others: whoever does makes keys as they like; chmod 600 it"
    elif mode & stat.S_IROTH:
        yield f"{name} may be read by everybody on this machine; chmod 600 it"


def _empty(name: str, book: KeyBook) -> Iterator[str]:
    if not book.keys:
        yield f"{name} holds no key"


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _printable(path: Path) -> str:
    return "".join(character if character.isprintable() else "?" for character in str(path))


def _wrong(name: str, wrong: str, right: str) -> ConfigError:
    return ConfigError([Problem(name, wrong, right)])


def _no_write(path: Path, error: OSError) -> ConfigError:
    return _wrong(
        SETTING,
        f"{_printable(path)} cannot be written ({error.strerror})",
        "a file in a folder that this user may change",
    )
