"""YAML and JSON as nodes with places: what is refused before anything is read, and with which line."""

import pytest

from gateway.settings_text import ConfigError
from gateway.yaml_nodes import Book, Place, PlaceError, parse


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, Book("a.yaml", {}))
    (line,) = caught.value.lines
    return line


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "is empty"),
        ("# only words\n", 1, "is empty"),
        ("a: 1\nb: [1,\n", 3, "is not YAML"),
        ("a: 1\n b: 2\n", 2, "is not YAML"),
        ("a:\n\t- b\n", 2, "is not YAML"),
        ('a: 1\nb: "\n', 3, "is not YAML"),
        ("a: 1\nb: \x1b\n", 2, "a control character"),
        ("a: 1\n---\nb: 2\n", 2, "is not YAML"),
        ('a: "\\UFFFFFFFF"\n', 1, "an escape in it"),
        ("[" * 100_000, 1, "nested too deeply"),
        ("a: &x 1\nb: *x\n", 2, "an alias"),
        ("a: &x [*x]\n", 1, "an alias"),
        ("a: 1\nb: !!python/object/apply:os.system [x]\n", 2, "a tag"),
        ("a: !secret b\n", 1, "a tag"),
    ],
)
def test_what_is_not_taken_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    told = refused(text)
    assert told.startswith(f"a.yaml line {line}: ")
    assert words in told


def test_many_aliases_of_aliases_cost_nothing() -> None:
    levels = [
        "a: &a [x, x]",
        *(f"{name}: &{name} [*{below}, *{below}]" for below, name in zip("abcde", "bcdef", strict=True)),
    ]
    assert "line 2: an alias" in refused("\n".join(levels))


def test_a_place_is_the_path_from_the_top() -> None:
    book = Book("a.yaml", {})
    fields = parse('a:\n- {"b c": 1}\n', book).as_fields({"a"})
    (item,) = fields["a"].as_items()
    (entry,) = item.as_mapping()
    assert (fields["a"].path, item.path, entry.value.path, entry.line) == ("a", "a[0]", 'a[0]["b c"]', 2)


def test_what_cannot_be_read_is_noted_and_its_default_taken() -> None:
    book = Book("a.yaml", {})
    (value,) = parse("\n\n- [x]\n", book).as_items()
    assert value.read(Place.as_text, "default") == "default"
    assert [str(problem) for problem in book.problems] == ["a.yaml line 3: [0] is a list, not a text; expected a text"]
    with pytest.raises(PlaceError, match="is a list"):
        value.as_text()


def test_no_variable_shows_in_the_repr_of_a_book() -> None:
    assert "sk-secret" not in repr(parse("a: ${B}", Book("a.yaml", {"B": "sk-secret"})))


def test_a_name_that_could_be_a_secret_is_not_quoted() -> None:
    book = Book("a.yaml", {})
    parse("sk-abc123: 1\nwieght: 2\n", book).as_fields({"weight"})
    assert [problem.wrong for problem in book.problems] == [
        "the file has a name that is no plain word, which is unknown",
        'the file has "wieght", which is unknown',
    ]
