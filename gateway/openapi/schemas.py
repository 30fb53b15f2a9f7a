"""Schemas: the JSON schemas of models, by name, with what is said of their fields."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from gateway.codecs.options import TABLE, Option
from gateway.openapi import ollama_fields, openai_fields
from gateway.openapi.fields import Fields, tell, without_bounds_of_int64

_PLACE = "#/components/schemas/{model}"
_OPTIONS = "Options"
_ANSWERS = __package__
"""Where the models of answers are: one of their fields that has a default is one that may be missing."""
_FIELDS: Fields = {**ollama_fields.FIELDS, **openai_fields.FIELDS}
_KINDS: Mapping[str, dict[str, Any]] = {
    "integer": {"type": "integer", "format": "int64"},
    "float32": {"type": "number"},
    "boolean": {"type": "boolean"},
    "array": {"type": "array", "items": {"type": "string"}},
}


class Schemas:
    """Knows which models were referred to."""

    def __init__(self) -> None:
        self._models: dict[str, type[BaseModel]] = {}

    def ref(self, model: type[BaseModel]) -> str:
        """Return where the schema of a model will be."""
        self._models[model.__name__] = model
        return _PLACE.format(model=model.__name__)

    def written(self) -> dict[str, dict[str, Any]]:
        """Return the schemas of all that were referred to, and of what they are made of, by name."""
        _, whole = models_json_schema(
            [(model, "validation") for model in self._models.values()],
            ref_template=_PLACE,
            schema_generator=_Plain,
        )
        schemas: dict[str, dict[str, Any]] = whole["$defs"]
        for model in _made_of(self._models.values()):
            tell(model, schemas[model.__name__], _FIELDS)
            if model.__module__.startswith(_ANSWERS):
                _leave_out_defaults(schemas[model.__name__])
        if any(_OPTIONS in str(schema) for schema in schemas.values()):
            schemas[_OPTIONS] = _options()
        for schema in schemas.values():
            without_bounds_of_int64(schema)
            _repeat_meanings(schema, schemas)
        return dict(sorted(schemas.items()))


class _Plain(GenerateJsonSchema):
    """Gives no titles, which would only repeat names, and tells of lists and objects that they are empty by default."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Give none."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Return a schema with its default."""
        written = super().default_schema(schema)
        factory: Any = schema.get("default_factory")
        if isinstance(factory, type) and issubclass(factory, BaseModel):
            return {"default": {}, **written}
        return {"default": factory(), **written} if factory in (list, dict) else written


def _made_of(models: Any) -> Iterator[type[BaseModel]]:
    """Yield the models and those in their fields, each once."""
    seen: set[type[BaseModel]] = set()
    left = list(models)
    while left:
        model = left.pop()
        if model not in seen:
            seen.add(model)
            yield model
            left += [found for field in model.model_fields.values() for found in _models_in(field.annotation)]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)


def _leave_out_defaults(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


def _repeat_meanings(schema: dict[str, Any], schemas: Mapping[str, Mapping[str, Any]]) -> None:
    """Say of a field what its object is, where nothing else is said: pydantic leaves out a meaning that is the same."""
    for field in schema.get("properties", {}).values():
        if "$ref" in field:
            field.setdefault("description", schemas[field["$ref"].rpartition("/")[2]]["description"])


def _options() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Options of Ollama. What the kind of backend is not known to take is left out. The backend "
        "sets the limits of values, and what holds where one is not sent.",
        "properties": {option.name: _option(option) for option in TABLE},
        "additionalProperties": True,
    }


def _option(option: Option) -> dict[str, Any]:
    meaning = ollama_fields.OPTIONS[option.name]
    if not option.parameters:
        meaning += ". Taken and not used: it sets up a runner, which is the backend's."
    elif not option.openai:
        meaning += " Only for backends whose kind is known to take it."
    if option.parameters:
        meaning += " Unset: the backend's own."
    return {**_KINDS[option.kind], "description": meaning}
