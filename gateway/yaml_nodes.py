"""YAML (and JSON) as nodes that know their line and their place, so that every error names both.

Nothing is built from tags, and aliases are refused: a small file stays a small tree. No message quotes a value.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gateway.setting_values import read_flag
from gateway.settings_text import ConfigError, Problem

LARGEST_BYTES = 1024 * 1024

_TAGS = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset({"str", "null", "bool", "int", "float", "timestamp", "value", "merge", "map", "seq"})
_KIND = {"null": "null", "bool": "true or false", "int": "a number", "float": "a number"}
_QUOTED = re.compile(r"(['\"])(?!<)[^'\"]{2,}\1")
_PLAIN_NAME = re.compile(r"[A-Za-z_ -]{1,40}")
_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\}|\{)")
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
"""Two escapes that are one character in JSON."""


class PlaceError(ValueError):
    """What is wrong with a node, and what would be `right`; `line` where it is not the node's own."""

    def __init__(self, wrong: str, right: str, line: int | None = None) -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.right = right
        self.line = line


@dataclass(slots=True)
class Book:
    """One file while it is read: its name for messages, the values of `${NAME}`, what was found wrong so far,
    and where secrets stand as such.
    """

    name: str
    variables: Mapping[str, str] = field(repr=False)
    problems: list[Problem] = field(default_factory=list)
    literal_secrets: list[str] = field(default_factory=list)

    def note(self, place: str, line: int, wrong: str, right: str) -> None:
        """Keep a problem; the place is printable whatever the file holds."""
        self.problems.append(Problem(f"{self.name} line {line}", f"{place} {wrong}".strip(), right))


@dataclass(frozen=True, slots=True)
class Place:
    """One node: its path from the top of the file (`backends[0].weight`), and how it is read.

    Methods named `as_...` raise PlaceError.
    """

    book: Book
    node: Node
    path: str = ""

    @property
    def line(self) -> int:
        """The line it begins on, from 1."""
        return int(self.node.start_mark.line) + 1

    def read[Value, Default](self, reader: "Callable[[Place], Value]", default: Default) -> Value | Default:
        """Return what `reader` makes of it; what is wrong is noted, and `default` returned."""
        try:
            return reader(self)
        except PlaceError as error:
            self.note(error.wrong, error.right, error.line)
            return default

    def note(self, wrong: str, right: str, line: int | None = None) -> None:
        """Note a problem here."""
        self.book.note(self.path or "the file", line or self.line, wrong, right)

    def as_mapping(self, show: Callable[[str], str] = json.dumps) -> "list[Entry]":
        """Return the entries. A name that stands there twice is noted, as `show` says it."""
        if not isinstance(self.node, MappingNode):
            raise PlaceError(f"is {self.kind}, not a mapping", "a mapping, name: value")
        found: dict[str, Entry] = {}
        for key, value in self.node.value:
            line = int(key.start_mark.line) + 1
            if not isinstance(key, ScalarNode) or not key.value.strip():
                self.note("has an entry without a name", "a text before the colon", line)
            elif key.value in found:
                self.note(f"has {show(key.value)} twice", "each name once", line)
            else:
                place = Place(self.book, value, f"{self.path}[{json.dumps(key.value)}]")
                found[key.value] = Entry(key.value, place, line)
        return list(found.values())

    def as_fields(self, known: Collection[str]) -> "dict[str, Place]":
        """Return the entries that are `known`, by name; others are noted."""
        fields: dict[str, Place] = {}
        for name, value, line in self.as_mapping(_said):
            if name in known:
                fields[name] = Place(self.book, value.node, f"{self.path}.{name}".removeprefix("."))
            else:
                self.note(f"has {_said(name)}, which is unknown", f"one of {', '.join(known)}", line)
        return fields

    def as_items(self) -> "list[Place]":
        """Return the items of a list."""
        if not isinstance(self.node, SequenceNode):
            raise PlaceError(f"is {self.kind}, not a list", "a list")
        return [Place(self.book, item, f"{self.path}[{number}]") for number, item in enumerate(self.node.value)]

    def as_text(self, right: str = "a text") -> str:
        """Return a text that is not blank, with `${NAME}` replaced."""
        if not isinstance(self.node, ScalarNode):
            raise PlaceError(f"is {self.kind}, not a text", right)
        if self._tag in _KIND:
            raise PlaceError(f"is {self.kind}, not a text (put it in quotes where it is one)", right)
        text = self._replaced(right)
        if not text.strip():
            raise PlaceError("is empty", right)
        if not text.isprintable():
            raise PlaceError("holds a control character (such as a line break)", right)
        return text

    def as_value[Value](self, reader: Callable[[str], Value], right: str) -> Value:
        """Return what a reader of settings makes of a number or a word without quotes, or of `${NAME}`."""
        if not isinstance(self.node, ScalarNode):
            raise PlaceError(f"is {self.kind}", right)
        if self.node.style is not None and not self.has_variable:
            raise PlaceError("is a text in quotes", right)
        try:
            return reader(self._replaced(right).strip())
        except ValueError as error:
            raise PlaceError(str(error), right) from None

    def as_flag(self) -> bool:
        """Return true or false."""
        return self.as_value(read_flag, "true or false")

    @property
    def has_variable(self) -> bool:
        """Whether its text names a variable."""
        return isinstance(self.node, ScalarNode) and any(match[1] for match in _VARIABLE.finditer(self.node.value))

    @property
    def is_scalar(self) -> bool:
        """Whether it is neither a mapping nor a list."""
        return isinstance(self.node, ScalarNode)

    @property
    def kind(self) -> str:
        """What it is, in words."""
        if isinstance(self.node, ScalarNode):
            return _KIND.get(self._tag, "a text")
        return "a mapping" if isinstance(self.node, MappingNode) else "a list"

    @property
    def _tag(self) -> str:
        return str(self.node.tag).removeprefix(_TAGS)

    def _replaced(self, right: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match[0] == "$$":
                return "$"
            if match[1] is None:
                raise PlaceError('has "${" without the name of a variable and "}"', "${NAME}, or $$ for a dollar")
            found = self.book.variables.get(match[1], "")
            if not found.strip():
                raise PlaceError(f"names the variable {match[1]}, which is not set", right)
            return found

        return _VARIABLE.sub(value, self.node.value)


class Entry(NamedTuple):
    """One entry of a mapping: its name, its value, and the line of the name."""

    name: str
    value: Place
    line: int

    def note(self, wrong: str, right: str) -> None:
        """Note a problem of the name."""
        self.value.note(wrong, right, self.line)


def parse(text: str, book: Book) -> Place:
    """Return the top of a YAML or JSON text. Raises ConfigError with the line where it is neither."""
    try:
        node = _Loader(_without_tabs(text)).get_single_node()
    except _UntakenError as error:
        _refuse(book, error.line, str(error))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse(book, mark.line + 1 if mark else 1, f"is not YAML: {_harmless(error.problem or 'broken')}")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        _refuse(book, line, "is not YAML: a control character stands there")
    except RecursionError:
        _refuse(book, 1, "is nested too deeply")
    except (ValueError, OverflowError):
        _refuse(book, 1, "is not YAML: an escape in it is no character")
    if node is None:
        _refuse(book, 1, "is empty")
    return Place(book, node)


def _refuse(book: Book, line: int, wrong: str) -> NoReturn:
    raise ConfigError([Problem(f"{book.name} line {line}", wrong, "YAML or JSON")])


class _UntakenError(Exception):
    """YAML that is right, and more than a file of settings needs."""

    def __init__(self, message: str, found: yaml.Event | Node) -> None:
        super().__init__(message)
        self.line = int(found.start_mark.line) + 1 if found.start_mark is not None else 1


class _Loader(yaml.SafeLoader):
    """Composes nodes, and builds nothing of them."""

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # its stub says nothing
        if isinstance(event, yaml.AliasEvent):
            raise _UntakenError("an alias (*name) is not taken: write out what it stands for", event)
        node: Node | None = super().compose_node(parent, index)
        if node is not None and str(node.tag).removeprefix(_TAGS) not in _PLAIN_TAGS:
            raise _UntakenError("a tag (!name) is not taken", node)
        return node


def _without_tabs(text: str) -> str:
    """Return JSON as YAML has it: without the tabs and the pairs of surrogates that only JSON may hold."""
    if "\t" not in text and "\\u" not in text:
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    # In JSON a tab never stands inside a text, so that every one of them is layout.
    return _PAIR.sub(_joined, text.replace("\t", " "))


def _joined(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return f"{match[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08X}"


def _harmless(problem: str) -> str:
    """Return what the parser says without what it quotes of the file."""
    return _QUOTED.sub("something", problem)


def _said(name: str) -> str:
    """Return a name that a message may show; one that could be a secret in the wrong place is not."""
    return json.dumps(name) if _PLAIN_NAME.fullmatch(name) else "a name that is no plain word"
