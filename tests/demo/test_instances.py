"""Instances of schemas."""

from typing import Any

import pytest

from gateway.demo.instances import instance_of
from gateway.demo.words import Supply


def filled(schema: dict[str, Any], text: str = "") -> Any:
    """An instance of the schema, filled from a text."""
    return instance_of(schema, Supply(text), param="schema")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["integer", "null"]}, 1),
        ({"const": 5}, 5),
        ({"enum": ["b", "a"]}, "b"),
        ({"type": "string", "default": "x"}, "x"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "string", "minLength": 9}, "value...."),
        ({"type": "string", "maxLength": 3}, "val"),
        ({"type": "integer", "minimum": 18}, 18),
        ({"type": "integer", "exclusiveMinimum": 18, "multipleOf": 5}, 20),
        ({"type": "integer", "maximum": -4}, -4),
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 0.5}, 0),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5}, 0.25),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 2, 3]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
        ({"prefixItems": [{"type": "null"}, {"type": "integer"}]}, [None, 1]),
        ({"properties": {"a": {"properties": {"b": {"type": "null"}}, "required": ["b"]}}}, {"a": {"b": None}}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"oneOf": [{"const": "one"}, {"const": "two"}]}, "one"),
        ({"$ref": "#/$defs/kind", "$defs": {"kind": {"enum": ["k"]}}}, "k"),
        ({"properties": {"a": {}, "b": {"type": "null"}}, "required": ["b"]}, {"b": None}),
        ({"type": "object", "properties": {"a": {"type": "null"}}, "required": []}, {}),
    ],
)
def test_the_instance_is_valid(schema: dict[str, Any], expected: object) -> None:
    assert filled(schema) == expected


def test_all_of_is_merged() -> None:
    parts = [{"properties": {name: {"type": "null"}}, "required": [name]} for name in ("a", "b")]
    assert filled({"allOf": parts}) == {"a": None, "b": None}


def test_a_recursion_that_may_end_does_end() -> None:
    node = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
        },
        "required": ["name", "next", "children"],
    }
    value = filled({"$ref": "#/$defs/node", "$defs": {"node": node}})
    for _ in range(20):
        assert set(value) == {"name", "next", "children"}
        value = value["next"]
        if value is None:
            break
    assert value is None


def test_names_and_numbers_come_from_the_text_in_order() -> None:
    schema = {"properties": {"who": {"type": "string"}, "height": {"type": "number"}, "year": {"type": "integer"}}}
    assert filled(schema, "The painter Frida Kahlo was 1.6 m tall in 1930.") == {
        "who": "Frida Kahlo",
        "height": 1.6,
        "year": 1930,
    }


def test_a_property_that_wants_a_text_gets_all_of_it() -> None:
    assert filled({"properties": {"query": {"type": "string"}}}, "find blue cats") == {"query": "find blue cats"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": 7, "properties": 5, "required": "no"},
        {"type": "object", "properties": {"a": None}, "required": [1, "a"]},
        {"type": "integer", "minimum": "low", "maximum": 10**400, "multipleOf": -1},
        {"type": "array", "items": False, "minItems": "many"},
        {"anyOf": {}, "enum": [], "allOf": [None]},
    ],
)
def test_a_malformed_schema_is_read_as_far_as_it_goes(schema: dict[str, Any]) -> None:
    filled(schema)
