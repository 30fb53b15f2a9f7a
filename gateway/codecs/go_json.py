"""JSON as Ollama's server reads it: the first value of a body, key names in any case, broken text replaced.

The fast decoder takes the usual body. What it refuses goes to the standard library's, which knows how to stop after
the first value; whatever that refuses too is the client's error, in Go's words.
"""

import json
import re
from collections.abc import KeysView
from functools import cache
from typing import Any, NoReturn, get_args

import msgspec
from pydantic import BaseModel

from gateway.codecs.go_texts import number_error_text, syntax_error_text
from gateway.errors import RequestError

MAX_DEPTH = 256
"""Levels of nesting. No real body has twenty; what can be read must also be writable again further down the line."""

MAX_OBJECTS = 20_000
"""Messages, tools and tool calls of one body: it could hold millions of empty ones, at a microsecond or two each."""

_CONTAINERS = frozenset((dict, list))
_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(r"[ \t\n\r]*")
_SURROGATES = re.compile(
    r"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?P<low>\\u[dD][c-fC-F][0-9a-fA-F]{2})?|[c-fC-F][0-9a-fA-F]{2})"
)


def decode_first_value(body: bytes, *, empty: str, charset: str = "utf-8") -> Any:
    """Return the first JSON value of `body`; what follows it is not looked at.

    Invalid UTF-8 and lone surrogates become U+FFFD. Raises RequestError: `empty` where there is nothing but space.
    """
    value = _decode(body, empty, charset)
    # A count costs next to nothing, and fewer brackets than the bound cannot be nested deeper than it.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_too_deep(value):
        _refuse_depth()
    return value


def _decode(body: bytes, empty: str, charset: str) -> Any:
    if charset == "utf-8":
        try:
            return msgspec.json.decode(body)
        except RecursionError:
            _refuse_depth()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
    text = body.removeprefix(_BOM).decode(charset, "replace").removeprefix("\ufeff")
    return _decode_tolerantly(text, empty)


def _decode_tolerantly(text: str, empty: str) -> Any:
    match = _SPACE.match(text)
    start = match.end() if match else 0
    if start == len(text):
        raise RequestError(empty)
    text = _SURROGATES.sub(_paired, text)
    decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
    try:
        value, _ = decoder.raw_decode(text, start)
    except RecursionError:
        _refuse_depth()
    except json.JSONDecodeError as error:
        raise RequestError(syntax_error_text(text, error)) from None
    except ValueError:  # the interpreter reads no integer of more than 4300 digits
        raise RequestError(number_error_text("with too many digits")) from None
    return value


def _paired(match: re.Match[str]) -> str:
    """Return a pair of surrogate escapes as it is, and a lone one as the replacement character."""
    start = match.start()
    while start and match.string[start - 1] == "\\":
        start -= 1
    if (match.start() - start) % 2:  # the backslash is itself escaped: this is text, and what follows stands alone
        return match[0][:6] + ("\\ufffd" if match["low"] else "")
    return match[0] if match["low"] else "\\ufffd"


def fold_keys(value: Any, schema: type[BaseModel]) -> Any:
    """Return `value` with keys that differ from a field of `schema` only in case renamed to it, at every typed level.

    Changes `value` in place. Raises RequestError for more than MAX_OBJECTS objects at typed levels.
    """
    return _KeyFolder().fold(value, schema)


class _KeyFolder:
    """Walks the typed levels of one body, and counts what it meets."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_OBJECTS

    def fold(self, value: Any, schema: type[BaseModel]) -> Any:
        if not isinstance(value, dict):
            return value
        names, nested_schemas = _level(schema)
        if not names >= value.keys():
            folded = _folded_names(schema)
            value = {key if key in names else folded.get(_folded(key), key): item for key, item in value.items()}
        for name, nested in nested_schemas:
            child = value.get(name)
            if isinstance(child, list):
                value[name] = self._fold_list(child, nested)
            elif child is not None:
                value[name] = self.fold(child, nested)
        return value

    def _fold_list(self, items: list[Any], schema: type[BaseModel]) -> list[Any]:
        self._left -= len(items)
        if self._left < 0:
            raise RequestError(f"more than {MAX_OBJECTS} messages, tools and tool calls")
        return [self.fold(item, schema) for item in items]


def wire_fields(schema: type[BaseModel], location: tuple[int | str, ...]) -> tuple[list[str], bool]:
    """Return the fields on the way to a validator's `location`, and whether it goes on into a list or map there."""
    fields: list[str] = []
    inside = False
    current: type[BaseModel] | None = schema
    for step in location:
        names = _wire_names(current) if current is not None else {}
        if isinstance(step, str) and step in names:
            fields.append(step)
            current, inside = names[step], False
        else:
            inside = True
    return fields, inside


def _folded(key: str) -> str:
    """Return the key as Go compares it: `ß` is not `ss`."""
    folded = key.casefold()
    return folded if len(folded) == len(key) else key


@cache
def _wire_names(schema: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    """Return the keys of `schema`, each with the schema of the objects below it."""
    return {field.alias or name: _schema_in(field.annotation) for name, field in schema.model_fields.items()}


@cache
def _level(schema: type[BaseModel]) -> tuple[KeysView[str], list[tuple[str, type[BaseModel]]]]:
    """Return the keys of `schema`, and those of them that have objects with a schema of their own below them."""
    names = _wire_names(schema)
    return names.keys(), [(name, nested) for name, nested in names.items() if nested is not None]


@cache
def _folded_names(schema: type[BaseModel]) -> dict[str, str]:
    return {name.casefold(): name for name in _wire_names(schema)}


def _schema_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _schema_in(part)) is not None), None)


def _is_too_deep(value: Any) -> bool:
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) in _CONTAINERS
        ]
        if not level:
            return False
    return True


def _finite(literal: str) -> float:
    number = float(literal)
    if number in (float("inf"), float("-inf")):
        raise RequestError(number_error_text(literal))
    return number


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities: they are no JSON."""
    if name.startswith("-"):
        raise RequestError("invalid character 'I' in numeric literal")
    raise RequestError(f"invalid character '{name[0]}' looking for beginning of value")


def _refuse_depth() -> NoReturn:
    raise RequestError(f"exceeded max depth: the JSON is nested deeper than {MAX_DEPTH} levels") from None
