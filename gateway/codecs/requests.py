"""Bytes of a client to a validated schema: Ollama's rules and words on `/api`, OpenAI's shape on `/v1`."""

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.codecs.go_json import decode_first_value, fold_keys, wire_fields
from gateway.codecs.go_texts import type_error_text
from gateway.errors import RequestError, UnsupportedMediaError
from gateway.schemas.ollama import OllamaSchema
from gateway.schemas.openai import MAX_MESSAGES, OpenAISchema

_CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "utf-32": "utf-32",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "iso-8859-15": "iso8859-15",
    "windows-1252": "cp1252",
    "windows-1251": "cp1251",
    "koi8-r": "koi8-r",
    "shift_jis": "shift_jis",
    "euc-jp": "euc_jp",
    "euc-kr": "euc_kr",
    "gbk": "gbk",
    "gb2312": "gb2312",
    "gb18030": "gb18030",
    "big5": "big5",
}
"""What a Content-Type may name: a list, since some of the interpreter's codecs take quadratic time."""


def read_request[T: OllamaSchema](
    schema: type[T], body: bytes, *, go_name: str | None = None, charset: str | None = None
) -> T:
    """Return the body as `schema`. Raises RequestError in Go's words; `go_name` replaces the schema's own in them.

    `charset` is the Content-Type's, None where it names none; UnsupportedMediaError for one that is not known.
    """
    value = decode_first_value(body, empty="missing request body", charset=_encoding(charset))
    value = fold_keys(value, schema)
    try:
        validated: T = schema.__pydantic_validator__.validate_python(value)
    except ValidationError as error:
        found = _first_error(error, value)
        fields, element = wire_fields(schema, found["loc"])
        name = go_name or schema.go_name
        raise RequestError(type_error_text(name, fields, element, found["type"], found["input"])) from None
    return validated


def read_openai_request[T: OpenAISchema](schema: type[T], body: bytes, *, charset: str | None = None) -> T:
    """Return the body as `schema`; `param` of the RequestError names the field. The body itself is what goes out."""
    value = decode_first_value(body, empty="EOF", charset=_encoding(charset))
    if value is not None and not isinstance(value, dict):
        raise RequestError("the body must be a JSON object")
    try:
        # Not `model_validate`, which looks for options first and takes a quarter longer.
        validated: T = schema.__pydantic_validator__.validate_python(value or {})
    except ValidationError as error:
        raise _openai_error(schema, _first_error(error, value)) from None
    return validated


def in_utf8(body: bytes, charset: str | None) -> bytes:
    """Return a body in the charset that JSON goes out in; one that claims no other is returned as it is."""
    encoding = _encoding(charset)
    return body if encoding == "utf-8" else body.decode(encoding, "replace").encode()


def embed_inputs(raw: Any) -> list[str]:
    """Return the texts to embed: none for null, `""` and `[]`, one for `[""]`. Raises RequestError on other types."""
    if raw is None or raw == "":
        return []
    if isinstance(raw, str):
        return [raw]
    if isinstance(raw, list) and all(isinstance(item, str) for item in raw):
        return raw
    raise RequestError("invalid input type")


def _encoding(charset: str | None) -> str:
    if charset is None:
        return "utf-8"
    encoding = _CHARSETS.get(charset.strip().strip('"').lower())
    if encoding is None:
        raise UnsupportedMediaError("the charset of the request body is not known: send UTF-8")
    return encoding


def _first_error(error: ValidationError, value: Any) -> ErrorDetails:
    """Return the error that a decoder walking through `value` would meet first."""
    found = error.errors(include_url=False, include_context=False)
    if not isinstance(value, dict):
        return found[0]
    order = {key: index for index, key in enumerate(value)}
    return min(found, key=lambda details: order.get(str(details["loc"][0]) if details["loc"] else "", len(order)))


_WANTED = {
    "string_type": "a string",
    "bool_type": "a boolean",
    "int_type": "an integer",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
}
_WANTED_BY_FIELD = {
    "content": "a string or a list of parts",
    "prompt": "a string or a list",
    "input": "a string or a list",
    "messages": "a list",
    "role": "a string",
}


def _openai_error(schema: type[BaseModel], found: ErrorDetails) -> RequestError:
    fields, _ = wire_fields(schema, found["loc"])
    param = _openai_path(schema, found["loc"])
    if found["type"] == "too_short":
        return RequestError(f"[] is too short - '{param}'", param=param)
    if found["type"] == "too_long":
        return RequestError(f"{param}: at most {MAX_MESSAGES} are taken", param=param)
    wanted = _WANTED.get(found["type"], "another value")
    if not isinstance(found["loc"][-1], int):
        wanted = _WANTED_BY_FIELD.get(fields[-1], wanted)
    return RequestError(f"{param}: {wanted} is required", param=param)


def _openai_path(schema: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Return `messages[0].role` for a validator's location; what is no field of ours (a union's branch) is left out."""
    path = ""
    fields, _ = wire_fields(schema, location)
    left = list(fields)
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif left and step == left[0]:
            path += f".{left.pop(0)}" if path else left.pop(0)
    return path
