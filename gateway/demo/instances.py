"""Instances of JSON schemas: the smallest value that is valid and makes sense, filled from a text.

Known: types, enum, const, default, required, nested objects and arrays, prefixItems, anyOf, oneOf, allOf, `$ref` into
the same document, bounds of numbers, lengths and counts, and the common formats. `pattern` is not honoured.
"""

import math
from collections.abc import Mapping
from typing import Any

from gateway.demo.problems import DemoError
from gateway.demo.words import Supply

_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "demo@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_WHOLE_TEXT = frozenset({"content", "input", "message", "prompt", "query", "question", "text"})

_OPTIONAL_DEPTH = 2
"""Down to here an object that names no required property gets all of them."""
_GENEROUS_DEPTH = 8
"""Down to here arrays get an item and anyOf its first branch; below, whatever ends a recursion."""
_MAX_DEPTH = 40
_MAX_VALUES = 5_000
_MAX_LENGTH = 5_000


def instance_of(schema: Mapping[str, Any], supply: Supply, *, param: str) -> Any:
    """A valid instance of the schema; 400 (naming `param`) when it is endless, too large or refers to nothing."""
    return _Filler(schema, supply, param).fill(schema, "value", 0)


class _Filler:
    """Walks one schema; bounded in depth and in the number of values."""

    def __init__(self, root: Mapping[str, Any], supply: Supply, param: str) -> None:
        self._root = root
        self._supply = supply
        self._param = param
        self._values = 0

    def fill(self, schema: object, name: str, depth: int) -> Any:
        self._values += 1
        if depth > _MAX_DEPTH or self._values > _MAX_VALUES:
            raise self._refusal("asks for an endless or too large answer")
        schema = self._plain(schema, depth)
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._choice(schema["enum"])
        if "default" in schema:
            return schema["default"]
        return self._typed(schema, name, depth)

    def _typed(self, schema: dict[str, Any], name: str, depth: int) -> Any:
        match _type_of(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer":
                return int(_bounded(schema, float(math.floor(self._supply.number())), step=1))
            case "number":
                return _tidy(_bounded(schema, self._supply.number(), step=0))
            case "boolean":
                return True
            case "null":
                return None
        return self._string(schema, name)

    def _plain(self, schema: object, depth: int) -> dict[str, Any]:
        """The schema with references followed, allOf merged and one branch of anyOf or oneOf taken."""
        for _ in range(_MAX_DEPTH):
            if not isinstance(schema, Mapping):
                return {}
            step = dict(schema)
            if isinstance(reference := step.pop("$ref", None), str):
                schema = {**_dict(self._resolve(reference)), **step}
            elif branches := _list(step.pop("anyOf", None)) or _list(step.pop("oneOf", None)):
                schema = {**step, **_dict(branches[0 if depth <= _GENEROUS_DEPTH else -1])}
            elif parts := _list(step.pop("allOf", None)):
                schema = _merged([step, *(self._plain(part, depth) for part in parts)])
            else:
                return step
        raise self._refusal("refers to itself")

    def _resolve(self, reference: str) -> object:
        target: object = self._root
        if not reference.startswith("#"):
            raise self._refusal(f"refers to {reference!r}, which is not in this document")
        for key in reference.removeprefix("#").strip("/").split("/"):
            if key:
                target = _dict(target).get(key.replace("~1", "/").replace("~0", "~"))
        if target is None:
            raise self._refusal(f"refers to {reference!r}, which does not exist")
        return target

    def _choice(self, values: list[Any]) -> Any:
        """The first value that the text mentions, or simply the first."""
        said = self._supply.text.casefold()
        return next((v for v in values if isinstance(v, str) and v and v.casefold() in said), values[0])

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = _dict(schema.get("properties"))
        names = schema.get("required")
        if not isinstance(names, list):
            names = list(properties) if depth <= _OPTIONAL_DEPTH else []
        return {key: self.fill(properties.get(key), key, depth + 1) for key in names if isinstance(key, str)}

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        fixed = _list(schema.get("prefixItems"))
        least = _size(schema, "minItems", 0)
        wanted = max(least, len(fixed), 1 if depth <= _GENEROUS_DEPTH else 0)
        number = max(least, min(wanted, _size(schema, "maxItems", wanted)))
        if number > _MAX_VALUES:
            raise self._refusal("asks for an endless or too large answer")
        kinds = [*fixed[:number], *[schema.get("items")] * (number - len(fixed))]
        return [self.fill(kind, name, depth + 1) for kind in kinds]

    def _string(self, schema: dict[str, Any], name: str) -> str:
        known = _FORMATS.get(str(schema.get("format")))
        if known is not None:
            return known
        whole = self._supply.text if name.casefold() in _WHOLE_TEXT else ""
        text = whole or self._supply.string(name.replace("_", " "))
        least = _size(schema, "minLength", 0)
        if least > _MAX_LENGTH:
            raise self._refusal("asks for an endless or too large answer")
        return text.ljust(least, ".")[: max(least, _size(schema, "maxLength", _MAX_LENGTH))]

    def _refusal(self, reason: str) -> DemoError:
        return DemoError(f"The schema {reason}.", param=self._param, code="invalid_schema")


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _size(schema: Mapping[str, Any], key: str, otherwise: int) -> int:
    value = schema.get(key)
    return value if isinstance(value, int) and value >= 0 else otherwise


def _type_of(schema: Mapping[str, Any]) -> object:
    """The declared type, the first of several, or the one the keywords suggest."""
    declared = schema.get("type")
    if isinstance(declared, list) and declared:
        return declared[0]
    if declared is not None:
        return declared
    suggestions = {"properties": "object", "items": "array", "prefixItems": "array", "minimum": "number"}
    return next((kind for keyword, kind in suggestions.items() if keyword in schema), "string")


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for part in parts:
        properties = {**_dict(whole.get("properties")), **_dict(part.get("properties"))}
        required = [*_list(whole.get("required")), *_list(part.get("required"))]
        whole |= part
        if properties:
            whole["properties"] = properties
        if required:
            whole["required"] = list(dict.fromkeys(required))
    return whole


def _bounded(schema: Mapping[str, Any], value: float, *, step: float) -> float:
    """The value, or one near a bound, that obeys the schema; `step` is 1 for integers and 0 for numbers."""
    multiple = _number(schema, "multipleOf")
    step = multiple if multiple is not None and multiple > 0 else step
    bounds = [_number(schema, key) for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")]
    known = [bound for bound in bounds if bound is not None]
    guesses = [value]
    for bound in known:
        guesses += [bound, bound + (step or 1), bound - (step or 1)]
    guesses.append(sum(known) / max(len(known), 1))
    if step:
        guesses = [rounded(guess / step) * step for guess in guesses for rounded in (math.ceil, math.floor)]
    return next((guess for guess in guesses if _within(bounds, guess)), value)


def _within(bounds: list[float | None], value: float) -> bool:
    low, over, high, under = bounds
    return (
        (low is None or value >= low)
        and (over is None or value > over)
        and (high is None or value <= high)
        and (under is None or value < under)
    )


def _number(schema: Mapping[str, Any], key: str) -> float | None:
    """A keyword's number; those too large to reckon with count as absent."""
    value = schema.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15 else None


def _tidy(value: float) -> float:
    return int(value) if value == int(value) else value
