"""Said: what the document says of a field of a request beyond what its type says."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel


class Said(NamedTuple):
    """The meaning of a field. `schema` stands instead of the parts of its type that it names.

    A schema with a `type`, `anyOf` or `$ref` of its own replaces the type whole: fields that vary are `Any` there, and
    null, which means unset everywhere, is not told of each.
    """

    meaning: str
    schema: Mapping[str, Any] = {}
    examples: tuple[Any, ...] = ()


Fields = Mapping[type[BaseModel], Mapping[str, Said]]
"""By class and by the name of the field there."""

_WHOLE = frozenset({"type", "anyOf", "$ref"})
_INT64 = (-(2**63), 2**63 - 1)


def said_of(model: type[BaseModel], name: str, fields: Fields) -> Said | None:
    """Return what is said of a field, by the class itself or by the nearest it is made of."""
    found = (fields[base][name] for base in model.__mro__ if base in fields and name in fields[base])
    return next(found, None)


def tell(model: type[BaseModel], schema: dict[str, Any], fields: Fields) -> None:
    """Write what is said of the fields of `model` into its JSON schema."""
    properties = schema.get("properties", {})
    for name, field in model.model_fields.items():
        key = field.alias or name
        said = said_of(model, name, fields)
        if said is not None and key in properties:
            properties[key] = _told(properties[key], said)


def without_bounds_of_int64(schema: dict[str, Any]) -> None:
    """Say `int64` instead of its bounds: they are no doubles, and who reads JSON as doubles would read others."""
    least, most = _INT64
    for part in _parts(schema):
        if part.get("maximum") == most:
            del part["maximum"]
            part["format"] = "int64"
        if part.get("minimum") == least:
            del part["minimum"]


def _told(schema: Mapping[str, Any], said: Said) -> dict[str, Any]:
    kept = {} if _WHOLE & said.schema.keys() else schema
    default = {"default": schema["default"]} if schema.get("default") not in (None, "") else {}
    told = {**kept, **default, **said.schema, "description": said.meaning}
    if said.examples:
        told["examples"] = list(said.examples)
    return told


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from _parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _parts(value)
