"""Ollama's own words for a body it cannot read: the texts of Go's `encoding/json` and `strconv.Quote`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

UNEXPECTED_END = "unexpected EOF"
_WHITESPACE = " \t\n\r"
_MAX_ECHO_CHARS = 400
_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}


def go_quote(text: str) -> str:
    """Return `text` in Go's double quotes (`%q`); what a client sent is cut, so that an error stays readable."""
    shown = text if len(text) <= _MAX_ECHO_CHARS else text[:_MAX_ECHO_CHARS] + "…"
    return '"' + "".join('\\"' if char == '"' else _escaped(char) for char in shown) + '"'


def syntax_error_text(text: str, error: json.JSONDecodeError) -> str:
    """Return Go's text for what the standard library's decoder found wrong in `text`."""
    found, at = error.msg, error.pos
    if found.startswith("Unterminated string"):
        return UNEXPECTED_END
    if found.startswith("Invalid control character"):
        return _unexpected(text, at, "in string literal")
    if found.startswith("Invalid \\u"):
        return _broken_unicode_escape(text, at)
    if found.startswith("Invalid \\"):
        return _unexpected(text, at + 1, "in string escape code")
    if found.startswith("Illegal trailing comma"):  # Python 3.13 and later point at the comma itself
        wanted = "object key string" if found.endswith("object") else "value"
        return _unexpected(text, _after_space(text, at + 1), f"looking for beginning of {wanted}")
    if found.startswith("Expecting property name"):
        return _unexpected(text, _after_space(text, at), "looking for beginning of object key string")
    if found.startswith("Expecting ':'"):
        return _unexpected(text, _after_space(text, at), "after object key")
    if found.startswith("Expecting ','"):
        return _broken_list(text, _after_space(text, at))
    return _broken_value(text, _after_space(text, at))


def type_error_text(go_name: str, fields: Sequence[str], element: bool, kind: str, value: Any) -> str:
    """Return Go's text for `value`, found at the dotted path `fields` of the request type `go_name`.

    `element`: the value is an item of the list or map at that path. `kind`: the validator's own name for the error.
    """
    if not fields:
        return f"json: cannot unmarshal {_go_value(value)} into Go value of type api.{go_name}"
    wanted = _go_type(fields, element, kind)
    field = ".".join((go_name, *fields))
    return f"json: cannot unmarshal {_go_value(value, wanted)} into Go struct field {field} of type {wanted}"


def number_error_text(literal: str) -> str:
    """Return Go's text for a number that no float64 can hold."""
    return f"json: cannot unmarshal number {literal[:40]} into Go value of type float64"


_GO_TYPES: Mapping[str, str] = {
    "messages": "[]api.Message",
    "tools": "api.Tools",
    "tool_calls": "[]api.ToolCall",
    "images": "[]api.ImageData",
    "context": "[]int",
    "options": "map[string]interface {}",
    "info": "map[string]interface {}",
    "parameters": "map[string]interface {}",
    "files": "map[string]string",
    "adapters": "map[string]string",
    "draft_files": "map[string]string",
    "tools.function": "api.ToolFunction",
    "function.parameters": "api.ToolFunctionParameters",
    "tool_calls.function": "api.ToolCallFunction",
    "function.arguments": "api.ToolCallFunctionArguments",
}
_GO_VALUES: tuple[tuple[type, str], ...] = ((str, "string"), (list, "array"), (dict, "object"))
_GO_SCALARS = {"string_type": "string", "bool_type": "bool"}


def _go_type(fields: Sequence[str], element: bool, kind: str) -> str:
    name = _GO_TYPES.get(".".join(fields[-2:])) or _GO_TYPES.get(fields[-1])
    if name is None:
        return _GO_SCALARS.get(kind, "int")
    return {"api.Tools": "api.Tool"}.get(name, name.rpartition("]")[2]) if element else name


def _go_value(value: Any, wanted: str = "") -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {_literal(value)}" if wanted == "int" else "number"
    return next((name for kind, name in _GO_VALUES if isinstance(value, kind)), "null")


def _literal(value: float) -> str:
    """Return a number as JSON has it; the interpreter prints no integer of more than 4300 digits."""
    return repr(value) if abs(value) < 10**40 else "with too many digits"


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _quoted_char(char: str) -> str:
    """Return the character as Go names it: Go looks at one byte, so of a longer character it shows the first."""
    first = chr(char.encode("utf-8", "replace")[0])
    return "'" + ("\\'" if first == "'" else _escaped(first)) + "'"


def _unexpected(text: str, at: int, where: str) -> str:
    return f"invalid character {_quoted_char(text[at])} {where}" if at < len(text) else UNEXPECTED_END


def _after_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _WHITESPACE:
        at += 1
    return at


def _broken_unicode_escape(text: str, at: int) -> str:
    start = text.find("u", at) + 1
    for index in range(start, min(start + 4, len(text))):
        if text[index] not in "0123456789abcdefABCDEF":
            return _unexpected(text, index, "in \\u hexadecimal character escape")
    return UNEXPECTED_END


def _broken_value(text: str, at: int) -> str:
    if text[at : at + 1] == "-":
        return _unexpected(text, at + 1, "in numeric literal")
    for word in ("true", "false", "null"):
        if text[at : at + 1] == word[0]:
            wrong = next((i for i in range(len(word)) if text[at + i : at + i + 1] != word[i]), 0)
            return _unexpected(text, at + wrong, f"in literal {word} (expecting {_quoted_char(word[wrong])})")
    return _unexpected(text, at, "looking for beginning of value")


def _broken_list(text: str, at: int) -> str:
    """Return the text for something that is neither a comma nor an end: a broken number, or a stray character."""
    char = text[at : at + 1]
    if char and char in ".eE" and text[at - 1].isdigit():
        if char == ".":
            return _unexpected(text, at + 1, "after decimal point in numeric literal")
        signed = text[at + 1 : at + 2] in ("+", "-")
        return _unexpected(text, at + 2 if signed else at + 1, "in exponent of numeric literal")
    return _unexpected(text, at, "after object key:value pair" if _in_object(text, at) else "after array element")


def _in_object(text: str, at: int) -> bool:
    """Tell whether `at` is directly inside an object: only there does a comma want a property name next."""
    try:
        json.JSONDecoder().raw_decode(text[:at].lstrip(_WHITESPACE) + ",0")
    except (json.JSONDecodeError, RecursionError) as error:
        return isinstance(error, json.JSONDecodeError) and error.msg.startswith("Expecting property name")
    return False
