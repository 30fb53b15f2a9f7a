"""What is said of settings: the error for wrong ones, and the rows that documentation is made from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

MASK = "***"
SHORTEST_MASKED = 4
"""Replacing shorter secrets would only garble the words around them; no message quotes a value anyway."""


class Problem(NamedTuple):
    """One wrong setting: its name, what is wrong, what would be right. Never holds a secret."""

    name: str
    wrong: str
    right: str

    def __str__(self) -> str:
        return f"{self.name}: {self.wrong}; expected {self.right}"


class ConfigError(Exception):
    """Settings that stop the start; `lines` has one line for each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.lines))

    @property
    def lines(self) -> list[str]:
        """One printable line per wrong setting."""
        return [str(problem) for problem in self.problems]


@dataclass(frozen=True, slots=True)
class SettingKind:
    """What the text of a setting means: a `name` for tables, what is `right` for errors, `show` for the default."""

    name: str
    right: str
    show: Callable[[Any], str] = str


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the documentation. `default` is the text that means it, empty where there is none."""

    name: str
    type: str
    default: str
    example: str
    description: str
    right: str


def described(fields: Iterable[FieldInfo]) -> list[Setting]:
    """Return a row for every field that describes a setting (a field without description only shares one)."""
    return [_row(field) for field in fields if field.description and field.validation_alias]


def _row(field: FieldInfo) -> Setting:
    kind = next(item for item in field.metadata if isinstance(item, SettingKind))
    default = field.get_default(call_default_factory=True, validated_data={})
    return Setting(
        name=str(field.validation_alias),
        type=kind.name,
        default="" if default in (None, ()) else kind.show(default),
        example=str((field.examples or [""])[0]),
        description=field.description or "",
        right=kind.right,
    )


def presentable(problems: Iterable[Problem], secrets: Iterable[str]) -> list[Problem]:
    """Return the problems fit for a terminal: no control character, no secret (it may stand in the wrong setting)."""
    hidden = sorted({secret for secret in secrets if len(secret) >= SHORTEST_MASKED}, key=len, reverse=True)

    def clean(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, MASK)
        return "".join(character if character.isprintable() else "?" for character in text)

    return [problem._replace(wrong=clean(problem.wrong)) for problem in problems]
