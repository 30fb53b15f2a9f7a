"""The file that maps names: what is right in it, and the sentence for what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.codecs.options import TABLE
from gateway.codecs.virtual import read_virtual_model
from gateway.mapping_entries import ENTRY_KEYS, OPTIONS, check_mapping
from gateway.setting_sources import read_model_mapping

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "entry",
    [
        "model",
        {"model": "vendor/model:free"},
        {"model": "m", "system": "", "options": {}, "messages": [], "template": "", "capabilities": []},
        {"model": "m", "options": {"temperature": 1, "seed": 7.0, "stop": ["a"], "use_mmap": True, "mirostat": 2}},
        {"model": "m", "options": {"stop": "a"}, "context_length": 4096, "description": "words"},
        {"model": "m", "messages": [{"role": "user", "content": "hi"}], "capabilities": ["completion", "vision"]},
    ],
)
def test_what_the_documentation_allows_is_accepted(entry: Any) -> None:
    check_mapping({"name": entry, "pattern*": entry})


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (7, "is a number, neither a string nor an object"),
        (None, "is null, neither a string nor an object"),
        (" ", "is empty"),
        ({}, 'has no "model"'),
        ({"model": ""}, 'has an empty "model"'),
        ({"model": 7}, 'has "model" as a number, not a string'),
        ({"model": "gpt-*"}, 'has a "*" in "model"'),
        ("gpt-*", 'has a "*" in its model'),
        ({"model": "m", "sytem": "x"}, 'has the unknown key "sytem" (known: model, system,'),
        ({"model": "m", "system": ["x"]}, 'has "system" as a list, not a string'),
        ({"model": "m", "template": None}, 'has "template" as null, not a string'),
        ({"model": "m", "options": [1]}, 'has "options" as a list, not an object'),
        ({"model": "m", "options": {"tempreature": 1}}, 'has the unknown option "tempreature"'),
        ({"model": "m", "options": {"temperature": "hot"}}, 'has the option "temperature" with a string, not a number'),
        ({"model": "m", "options": {"temperature": True}}, 'has the option "temperature" with a boolean, not a number'),
        ({"model": "m", "options": {"seed": 1.5}}, 'has the option "seed" with a number, not a whole number'),
        ({"model": "m", "options": {"seed": float("nan")}}, "not a whole number"),
        ({"model": "m", "options": {"top_p": float("inf")}}, "not a number"),
        ({"model": "m", "options": {"stop": ["a", 1]}}, "not a string or a list of strings"),
        ({"model": "m", "options": {"use_mmap": 1}}, "not a boolean"),
        ({"model": "m", "messages": {}}, 'has "messages" as an object, not a list'),
        ({"model": "m", "messages": ["hi"]}, 'has message 1 without exactly "role" and "content"'),
        ({"model": "m", "messages": [{"role": "tool", "content": ""}]}, "has message 1 with a role that is none of"),
        ({"model": "m", "messages": [{"role": "user", "content": []}]}, 'with a "content" that is a list'),
        ({"model": "m", "capabilities": "tools"}, 'has "capabilities" as a string, not a list'),
        ({"model": "m", "capabilities": ["fly"]}, "none of completion, tools"),
        ({"model": "m", "capabilities": [["tools"]]}, "none of completion, tools"),
        ({"model": "m", "context_length": 0}, 'has "context_length" that is not a whole number of tokens'),
        ({"model": "m", "context_length": "4k"}, 'has "context_length" that is not a whole number of tokens'),
    ],
)
def test_what_is_wrong_is_said_with_the_name_of_the_entry(entry: Any, words: str) -> None:
    with pytest.raises(ValueError, match="the entry") as raised:
        check_mapping({"right": "m", "my name": entry})
    assert str(raised.value).startswith('the entry "my name" ')
    assert words in str(raised.value)


@pytest.mark.parametrize("other", ["A", "a:latest", "A:LATEST", " a"])
def test_two_forms_of_one_name_are_refused(other: str) -> None:
    with pytest.raises(ValueError, match="are one name"):
        check_mapping({"a": "m", other: "n"})


def test_every_option_that_a_backend_can_be_sent_may_be_set_and_no_other() -> None:
    assert set(OPTIONS) == {option.name for option in TABLE}
    kinds = {"float32": "number", "integer": "whole number", "boolean": "boolean"}
    for option in TABLE:
        assert OPTIONS[option.name] == kinds.get(option.kind, "string or a list of strings")


def test_the_example_file_is_right_and_shows_every_kind_of_entry() -> None:
    content = read_model_mapping(ROOT / "config" / "model_mapping.json")
    virtuals = [read_virtual_model(name, entry) for name, entry in content.items()]
    assert any(isinstance(entry, str) for entry in content.values())
    assert any("*" in name for name in content)
    shown = {key for entry in content.values() if not isinstance(entry, str) for key in entry}
    assert shown == set(ENTRY_KEYS)
    assert all(virtual.model for virtual in virtuals)


def test_the_documentation_shows_the_example_file_and_names_every_key() -> None:
    text = (ROOT / "docs" / "model-mapping.md").read_text(encoding="utf-8")
    assert (ROOT / "config" / "model_mapping.json").read_text(encoding="utf-8").strip() in text
    assert [key for key in ENTRY_KEYS if f"| `{key}` |" not in text] == []
    json.loads(text.partition("```json\n")[2].partition("```")[0])
