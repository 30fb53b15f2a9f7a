"""docs/api-compatibility.md says what becomes of every route, field and option, and names no other."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateway.backends import profiles
from gateway.codecs.contract import Profile
from gateway.codecs.options import TABLE
from gateway.exchange import ROUTES
from gateway.schemas import ollama
from tests.fuzz.document import routes as fuzzed_routes
from tests.support.gateway import Gateway

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "api-compatibility.md").read_text(encoding="utf-8")
OURS = re.compile(
    r"/(health|ready|ui(/events)?|openapi\.(json|yaml)|docs(/\{part\})?|redoc|metrics|v1/(health|version|metrics.*))"
)
"""Routes that Ollama does not have: README.md names them."""
TABLES: Mapping[str, tuple[type[ollama.OllamaSchema], ...]] = {
    "Chat": (ollama.ChatRequest,),
    "Generate": (ollama.GenerateRequest,),
    "Embeddings": (ollama.EmbedRequest, ollama.EmbeddingsRequest),
    "Management": (
        ollama.ShowRequest,
        ollama.PullRequest,
        ollama.PushRequest,
        ollama.DeleteRequest,
        ollama.CopyRequest,
        ollama.CreateRequest,
    ),
}
KINDS = [profile for profile in vars(profiles).values() if isinstance(profile, Profile) and profile.name != "demo"]


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its head."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    """Return the words between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def wire_names(schema: type[ollama.OllamaSchema]) -> set[str]:
    """Return the keys a request may have; those of messages with a dot."""
    found = {field.alias or name for name, field in schema.model_fields.items()}
    if schema is ollama.ChatRequest:
        found |= {f"messages.{name}" for name in ollama.Message.model_fields}
    return found


@pytest.fixture
def served(gateway: Gateway) -> set[tuple[str, str]]:
    """The routes of the gateway that Ollama has too, as (method, path)."""
    labels = {(route.method, re.sub(r":[^}]+\}", "}", info.label)) for route, info in gateway.app[ROUTES].items()}
    return {(method, path) for method, path in labels if not OURS.fullmatch(path)}


def test_every_route_is_described_and_no_other(served: set[tuple[str, str]]) -> None:
    rows = [tuple(names(route)[0].split(" ", 1)) for route, *_ in table("Routes")]
    assert len(set(rows)) == len(rows)
    assert set(rows) == served


def test_every_route_is_fuzzed(served: set[tuple[str, str]]) -> None:
    assert fuzzed_routes() == served


@pytest.mark.parametrize("heading", TABLES)
def test_every_field_is_described_and_no_other(heading: str) -> None:
    rows = [names(field)[0] for field, *_ in table(heading)]
    assert len(set(rows)) == len(rows)
    assert set(rows) == set().union(*(wire_names(schema) for schema in TABLES[heading]))


def test_every_option_is_described_with_its_parameters_and_kinds() -> None:
    rows = [(names(option)[0], names(parameters), kinds, how) for option, parameters, kinds, how in table("Options")]
    wanted = []
    for option in TABLE:
        taking = [kind.name for kind in KINDS if not kind.parameters.isdisjoint(option.parameters)]
        kinds = "all" if option.openai else ", ".join(taking) or "none"
        wanted.append((option.name, list(option.parameters), kinds, "adapted" if option.parameters else "ignored"))
    assert rows == wanted


def _judgements() -> Iterator[tuple[str, str]]:
    for heading in ("Routes", *TABLES, "Answers"):
        yield from ((heading, row[1]) for row in table(heading))


def test_every_row_is_exact_adapted_or_ignored() -> None:
    assert {how for _, how in _judgements()} == {"exact", "adapted", "ignored"}


def test_what_is_not_exact_says_why() -> None:
    unexplained = [row for heading in ("Routes", *TABLES) for row in table(heading) if row[1] != "exact" and not row[2]]
    assert unexplained == []
