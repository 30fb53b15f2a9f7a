"""The worked example of the documentation is true: its files are read, its table is asked."""

import json
import re
from itertools import groupby
from pathlib import Path

import pytest

from gateway.backends_file import read_backends_file
from gateway.catalog.catalog import Catalog
from gateway.catalog.source import Source
from gateway.codecs.contract import Defaults, Profile
from tests.catalog.listed import ListedModels

DOCUMENT = Path(__file__).parents[2] / "docs" / "model-mapping.md"
SECTION = DOCUMENT.read_text(encoding="utf-8").partition("## A worked example")[2].partition("\n## ")[0]
NAME = re.compile(r"`([^`]+)`")
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|")[:2])
    for line in SECTION.splitlines()
    if line.startswith("| `")
]


def block(language: str) -> str:
    """Return the example's block of code in a language."""
    return SECTION.partition(f"```{language}\n")[2].partition("```")[0]


def lists() -> dict[str, list[str]]:
    """Return what the text says that each backend lists."""
    text = SECTION.partition("| A client")[0].replace("\n", " ")
    said = re.findall(r"`(\w+)` lists (.*?)(?:;|\.\s)", text)
    return {backend: NAME.findall(models) for backend, models in said}


@pytest.fixture
async def catalog(tmp_path: Path) -> Catalog:
    """The catalog of the example, its lists read."""
    file = tmp_path / "backends.yaml"
    file.write_text(block("yaml"), encoding="utf-8")
    fleet, _ = read_backends_file(file, {})
    sources = [Source(settings, ListedModels(*lists()[settings.name]), Profile) for settings in fleet.backends]
    default = re.findall(r"`DEFAULT_MODEL` is `([^`]+)`", SECTION)[0]
    catalog = Catalog(
        sources, mapping=json.loads(block("json")), rules=fleet.rules, default_model=default, cache_ttl_s=60
    )
    await catalog.models(None)
    return catalog


@pytest.mark.parametrize(("name", "expected"), ROWS, ids=[row[0] for row in ROWS])
async def test_each_name_of_the_example_is_asked_where_the_table_says(
    catalog: Catalog, name: str, expected: str
) -> None:
    targets = await catalog.resolve(name.strip("`"), None)
    asked = [
        ", ".join(f"`{target.backend}` `{target.model}`" for target in group)
        for _, group in groupby(targets, lambda target: target.fallback > 0)
    ]
    assert ", then ".join(asked) == expected


async def test_the_example_shows_what_it_says(catalog: Catalog) -> None:
    shown = SECTION.replace("\n", " ").partition("Clients are shown ")[2]
    assert [model.id for model in await catalog.models(None)] == NAME.findall(shown)
    targets = await catalog.resolve("reviewer", None)
    assert [target.defaults for target in targets] == [Defaults("You review code.")] * 2
    assert {target.sticky for target in await catalog.resolve("qwen3", None)} == {True}
