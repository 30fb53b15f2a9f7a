"""The backends file: YAML (or JSON) in, a Fleet out; every error names the line and the place.

One table for each mapping of the file says which names it may hold, and how each is read.
"""

import os
import re
import ssl
import stat
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr
from yarl import URL

from gateway.backend_settings import (
    DELIVERIES,
    PROFILE_NAMES,
    BackendSettings,
    Clocks,
    Fleet,
    Limits,
    ModelRule,
    Timeouts,
    TlsSettings,
    names_a_credential,
)
from gateway.mapping_entries import name_form
from gateway.setting_sources import BACKENDS_SETTING
from gateway.setting_values import read_base_url, read_count, read_positive, read_seconds
from gateway.settings_text import ConfigError, Problem
from gateway.yaml_nodes import LARGEST_BYTES, Book, Entry, Place, PlaceError, parse

PASSTHROUGH = "passthrough"
"""What `api_key` says where the client's own key is sent on."""
OWN_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "content-encoding", "content-length", "content-type", "expect", "host"),
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""Headers that the connection or the request itself decides."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SECONDS = "a number of seconds above 0, without a unit"
_POSITIVE = "a whole number, 1 or more"
_COUNT = "a whole number, 0 or more"
_MODEL = "the name of a model"
_KEY = "a key, ${NAME}, {file: path} or passthrough"
_FILE = "a text file that the gateway may read"
_LARGEST_KEY_BYTES = 65536

type Readers = Mapping[str, Callable[[Place], Any]]


class Defaults(NamedTuple):
    """What a backend takes that does not say it itself."""

    timeouts: Timeouts = Timeouts()
    verify_tls: bool = True


def read_backends_file(
    path: Path, settings: Mapping[str, str], defaults: Defaults | None = None
) -> tuple[Fleet, list[str]]:
    """Return what the file configures, and warnings. `settings`: the values of `${NAME}`. Raises ConfigError."""
    text, open_to_others = _content(path)
    book = Book(_printable(str(path)), settings)
    fleet = _FileReader(path.parent, defaults or Defaults()).fleet(parse(text, book))
    if book.problems:
        raise ConfigError(book.problems)
    if not open_to_others or not book.literal_secrets:
        return fleet, []
    places = ", ".join(book.literal_secrets)
    return fleet, [
        f"{book.name} may be read by others and holds keys ({places}): "
        "write ${NAME} or {file: path} there, or take the right to read from others"
    ]


def _content(path: Path) -> tuple[str, bool]:
    """Return the text, and whether others than the owner may read the file."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise _no_file(f"there is no file {path}") from None
    except OSError as error:
        raise _no_file(f"{path} cannot be read ({error.strerror})") from None
    except ValueError:
        raise _no_file("is no path") from None
    if len(data) > LARGEST_BYTES:
        raise _no_file(f"{path} is larger than 1 MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(f"{_printable(str(path))} line {line}", "is not UTF-8", "UTF-8 text")]) from None
    return text, os.name == "posix" and bool(mode & (stat.S_IRGRP | stat.S_IROTH))


def _no_file(wrong: str) -> ConfigError:
    return ConfigError([Problem(BACKENDS_SETTING, wrong, "a YAML file with a list of backends")])


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _values(fields: Mapping[str, Place], readers: Readers) -> dict[str, Any]:
    """Return the values that could be read, by name; what is wrong with the others is noted."""
    values = {name: place.read(readers[name], None) for name, place in fields.items()}
    return {name: value for name, value in values.items() if value is not None}


def _seconds(place: Place) -> float:
    return place.as_value(read_seconds, _SECONDS)


def _positive(place: Place) -> int:
    return place.as_value(read_positive, _POSITIVE)


def _count(place: Place) -> int:
    return place.as_value(read_count, _COUNT)


def _base_url(place: Place) -> URL:
    right = "an address such as https://api.example.com/v1"
    try:
        return read_base_url(place.as_text(right), "api_key")
    except PlaceError:
        raise
    except ValueError as error:
        raise PlaceError(str(error), right) from None


def _model_name(place: Place) -> str:
    """Read the name of exactly one model."""
    name = place.as_text(_MODEL)
    if "*" in name:
        raise PlaceError('has a "*"', "the name of one model")
    return name


def _pattern(place: Place) -> str:
    return place.as_text("the name of a model, or a pattern with *")


def _patterns(place: Place) -> tuple[str, ...]:
    items = place.as_items()
    if not items:
        raise PlaceError("is empty", "names of models (without the entry: whatever the backend lists)")
    return _each(items, _pattern)


def _each(items: Iterable[Place], reader: Callable[[Place], str]) -> tuple[str, ...]:
    texts = [item.read(reader, "") for item in items]
    return tuple(text for text in texts if text)


def _rename(place: Place) -> dict[str, str]:
    entries = place.as_mapping()
    _note_twins(entries)
    for entry in entries:
        if "*" in entry.name:
            entry.note('has a "*" in its name', "the name of one model")
    return {entry.name: entry.value.read(_model_name, "") for entry in entries}


def _note_twins(entries: Iterable[Entry]) -> None:
    """Note names that clients cannot tell apart."""
    known: dict[str, Entry] = {}
    for entry in entries:
        first = known.setdefault(name_form(entry.name), entry)
        if first is not entry:
            entry.note(f"has the name of line {first.line}, as clients write it", "each name once, in any case")


def _profile(place: Place) -> str:
    right = f"one of {', '.join(PROFILE_NAMES)}"
    if (name := place.as_text(right).lower()) not in PROFILE_NAMES:
        raise PlaceError("is no profile", right)
    return name


def _limits(place: Place) -> Limits:
    readers = dict.fromkeys(("concurrency", "requests_per_minute", "embedding_batch"), _positive)
    return Limits(**_values(place.as_fields(readers), readers))


def _headers(place: Place) -> dict[str, SecretStr]:
    found: dict[str, SecretStr] = {}
    seen: set[str] = set()
    for entry in place.as_mapping():
        lower = entry.name.lower()
        if not _HEADER_NAME.fullmatch(entry.name):
            entry.note("is no name of a header", "letters, digits and dashes")
        elif lower in OWN_HEADERS:
            entry.note("is a header that the gateway decides", "any other header")
        elif lower in seen:
            entry.note("is a header that stands there already", "each header once, in any case")
        else:
            found[entry.name] = entry.value.read(_header, SecretStr(""))
            if names_a_credential(entry.name) and not entry.value.has_variable:
                place.book.literal_secrets.append(entry.value.path)
        seen.add(lower)
    return found


def _header(place: Place) -> SecretStr:
    return _header_text(place, "a text in ASCII on one line")


def _header_text(place: Place, right: str) -> SecretStr:
    """Read what a header can carry."""
    text = place.as_text(right)
    if not text.isascii():
        raise PlaceError("holds a character outside ASCII", right)
    return SecretStr(text.strip())


def _learned(place: Place) -> dict[str, tuple[str, ...]]:
    right = "the name of a parameter"
    return {
        entry.name: _each(entry.value.read(Place.as_items, []), lambda item: item.as_text(right))
        for entry in place.as_mapping()
    }


def _clocks(place: Place) -> Clocks:
    readers = dict.fromkeys(Clocks.model_fields, _seconds)
    return Clocks(**_values(place.as_fields(readers), readers))


def _delivery(place: Place) -> str:
    right = f"one of {', '.join(DELIVERIES)}"
    if (word := place.as_text(right).lower()) not in DELIVERIES:
        raise PlaceError("is no way to deliver", right)
    return word


class _FileReader:
    """Reads what depends on where the file lies, on the defaults and on earlier backends."""

    def __init__(self, folder: Path, defaults: Defaults) -> None:
        self._folder = folder
        self._defaults = defaults
        self._taken: dict[str, str] = {}
        self._readers: Readers = {
            "name": self._name,
            "base_url": _base_url,
            "api_key": self._api_key,
            "models": _patterns,
            "rename": _rename,
            "priority": _count,
            "weight": _positive,
            "profile": _profile,
            "timeouts": self._timeouts,
            "limits": _limits,
            "tls": self._tls,
            "headers": _headers,
            "learned": _learned,
        }

    def fleet(self, top: Place) -> Fleet:
        """Return what the whole file says; what is wrong is noted."""
        fields = top.read(lambda place: place.as_fields(("backends", "models")), None)
        if fields is None:
            return Fleet()
        if "backends" not in fields:
            top.note('has no "backends"', "backends: and a list of them")
            return Fleet()
        backends = fields["backends"].read(self._backends, ())
        rules = fields["models"].read(self._rules, {}) if "models" in fields else {}
        return Fleet(backends=backends, rules=rules)

    def _backends(self, place: Place) -> tuple[BackendSettings, ...]:
        items = place.as_items()
        if not items:
            raise PlaceError("is empty", "a list with one backend or more")
        found = [item.read(self._backend, None) for item in items]
        return tuple(backend for backend in found if backend is not None)

    def _backend(self, place: Place) -> BackendSettings | None:
        fields = place.as_fields(self._readers)
        values = _values(fields, self._readers)
        for name in ("name", "base_url"):
            if name not in fields:
                place.note(f'has no "{name}"', f"{name}: and its value")
        if "api_key" in fields and any(name.lower() == "authorization" for name in values.get("headers", ())):
            fields["headers"].note("has Authorization beside api_key", "one of the two")
        if not {"name", "base_url"} <= values.keys():
            return None
        api_key = values.pop("api_key", None)
        if api_key == PASSTHROUGH:
            values["pass_client_key"] = True
        elif api_key is not None:
            values["api_key"] = api_key
        unsaid = {"timeouts": self._defaults.timeouts, "tls": TlsSettings(verify=self._defaults.verify_tls)}
        return BackendSettings(**{**unsaid, **values})

    def _name(self, place: Place) -> str:
        right = 'a name of its own without "/" and without blanks around it'
        name = place.as_text(right)
        if "/" in name or name != name.strip():
            raise PlaceError('holds a "/"' if "/" in name else "has a blank around it", right)
        if (first := self._taken.setdefault(name.casefold(), place.path)) != place.path:
            raise PlaceError(f"is the same as {first}", right)
        return name

    def _api_key(self, place: Place) -> SecretStr | str:
        if not place.is_scalar:
            return self._key_of_a_file(place)
        key = _header_text(place, _KEY)
        if key.get_secret_value() == PASSTHROUGH:
            return PASSTHROUGH
        if not place.has_variable:
            place.book.literal_secrets.append(place.path)
        return key

    def _key_of_a_file(self, place: Place) -> SecretStr:
        fields = place.as_fields(("file",))
        if "file" not in fields:
            raise PlaceError("names no file", _KEY)
        path = self._path(fields["file"])
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST_KEY_BYTES)
            text = data.decode("ascii").removesuffix("\n").removesuffix("\r")
        except OSError as error:
            raise PlaceError(f"names a file that cannot be read ({error.strerror})", _FILE) from None
        except ValueError:
            raise PlaceError("names a file that holds no key", "a file with the key alone, in ASCII") from None
        if not text.strip() or not text.isprintable():
            raise PlaceError("names a file that holds no key", "a file with the key alone, on one line")
        return SecretStr(text)

    def _path(self, place: Place) -> Path:
        return self._folder / place.as_text("the path of a file")

    def _timeouts(self, place: Place) -> Timeouts:
        given = self._defaults.timeouts
        readers = dict.fromkeys(Timeouts.model_fields, _seconds)
        return given.model_copy(update=_values(place.as_fields(readers), readers))

    def _tls(self, place: Place) -> TlsSettings:
        readers: Readers = {"ca": self._path, "cert": self._path, "key": self._path, "verify": Place.as_flag}
        fields = place.as_fields(readers)
        values = _values(fields, readers)
        if "key" in fields and "cert" not in fields:
            fields["key"].note("stands without cert", "both, or cert alone where its file holds the key too")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if ca := values.get("ca"):
            _load(fields["ca"], lambda: context.load_verify_locations(ca), "certificates in PEM form")
        if cert := values.get("cert"):
            # A password would be asked for on the terminal; no key in use here has one.
            load = partial(context.load_cert_chain, cert, values.get("key"), lambda: "")
            _load(fields["cert"], load, "a certificate in PEM form, and its key without a password")
        return TlsSettings(**{"verify": self._defaults.verify_tls, **values})

    def _rules(self, place: Place) -> dict[str, ModelRule]:
        readers: Readers = {
            "fallbacks": self._fallbacks,
            "delivery": _delivery,
            "sticky": Place.as_flag,
            "timeouts": _clocks,
        }
        entries = place.as_mapping()
        _note_twins(entries)
        rules: dict[str, ModelRule] = {}
        for entry in entries:
            values = _values(entry.value.read(lambda value: value.as_fields(readers), {}), readers)
            rules[entry.name] = ModelRule(clocks=values.pop("timeouts", None), **values)
        return rules

    def _fallbacks(self, place: Place) -> tuple[str, ...]:
        return _each(place.as_items(), self._fallback)

    def _fallback(self, place: Place) -> str:
        name = place.as_text(_MODEL)
        backend, _, model = name.partition("/")
        if "*" in name and (model != "*" or backend.casefold() not in self._taken):
            raise PlaceError('has a "*" that is not all of a model after the name of a backend', "backend/*")
        return name


def _load(place: Place, load: Callable[[], None], right: str) -> None:
    """Try what the backend's connections will do later: a file that cannot be used stops the start."""
    try:
        load()
    except ssl.SSLError:
        place.note("names a file that cannot be used", right)
    except OSError as error:
        place.note(f"names a file that cannot be read ({error.strerror})", right)
    except ValueError:
        place.note("is no path", right)
