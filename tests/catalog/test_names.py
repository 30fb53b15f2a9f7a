"""Forms of names."""

import pytest

from gateway.catalog.names import NameTable, without_latest
from gateway.codecs.names import is_ollama_name


@pytest.mark.parametrize(
    "name", ["foo", "foo:7b", "meta-llama/Llama-3.1-8B-Instruct", "hf.co/bartowski/Model-GGUF:Q4_K_M", "_x", "a" * 80]
)
def test_names_of_ollamas_grammar_are_accepted(name: str) -> None:
    assert is_ollama_name(name)


@pytest.mark.parametrize(
    "name", ["", "foo:", "foo bar", "@cf/meta/llama", "a/b/c/d", "-x", "foo\n", "a" * 81, "a//b", "é"]
)
def test_names_outside_ollamas_grammar_are_not(name: str) -> None:
    assert not is_ollama_name(name)


def test_latest_is_taken_away_in_any_case_and_only_at_the_end() -> None:
    assert without_latest("foo:LATEST") == "foo"
    assert without_latest("foo:latest:1") == "foo:latest:1"
    assert without_latest("latest") == "latest"


def test_names_are_found_exactly_then_in_any_case_then_by_their_tag() -> None:
    table = NameTable({"Foo": 1, "foo": 2, "foo:latest": 3, "Bar:latest": 4, "baz/@x y": 5, "STRASSE": 6})
    assert [table.find(name) for name in ("Foo", "foo", "FOO", "foo:latest", "FOO:latest")] == [1, 2, 1, 3, 3]
    assert [table.find(name) for name in ("Bar:latest", "Bar", "bar", "BAR:LATEST")] == [4, 4, 4, 4]
    assert [table.find(name) for name in ("baz/@x y", "BAZ/@X Y:latest", "straße")] == [5, 5, 6]
    assert [table.find(name) for name in ("", "fo", "foo:7b", ":latest")] == [None] * 4
