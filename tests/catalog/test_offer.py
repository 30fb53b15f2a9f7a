"""What clients are shown of each backend, and of all together."""

from typing import Any

import pytest

from gateway.catalog.offer import Offer
from tests.catalog.listed import ListedModels, fleet_of, models_of, source_of


def offer_of(*ids: str, **settings: Any) -> Offer:
    """Return what a backend with this list and these settings offers."""
    return Offer(source_of("main", ListedModels(), **settings).settings, models_of(*ids))


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, ["gpt-1", "GPT-1", "other"]),
        ({"models": ("gpt-*",)}, ["gpt-1", "GPT-1"]),
        ({"models": ("Other:latest", "named")}, ["other", "named"]),
        ({"models": ()}, []),
        ({"rename": {"mine": "other"}}, ["gpt-1", "GPT-1", "other", "mine"]),
        ({"rename": {"gpt-1": "other"}}, ["other", "gpt-1"]),
        ({"models": ("gpt-*", "mine"), "rename": {"mine": "other", "MINE:latest": "x"}}, ["gpt-1", "GPT-1", "mine"]),
    ],
)
def test_the_settings_restrict_what_is_shown_and_add_their_names(settings: dict[str, Any], shown: list[str]) -> None:
    assert [model.id for model in offer_of("gpt-1", "GPT-1", "other", **settings).shown] == shown


def test_a_renamed_model_is_described_as_the_one_behind_it() -> None:
    offer = offer_of("theirs", rename={"mine": "Theirs", "yours": "unlisted"})
    mine, yours = offer.find("MINE:latest"), offer.find("yours")
    assert mine is not None
    assert yours is not None
    assert (mine.model.id, mine.shown.id, mine.shown.served_as) == ("theirs", "mine", "theirs")
    assert (mine.shown.owned_by, b'"id":"mine"' in mine.shown.entry) == ("owner-of-theirs", True)
    assert (yours.model.id, yours.shown.id, yours.shown.served_as) == ("unlisted", "yours", "unlisted")


@pytest.mark.parametrize(
    ("ids", "settings", "complete"),
    [
        (("a",), {}, True),
        ((), {}, True),
        (None, {}, False),
        (None, {"models": ("a", "b")}, True),
        (None, {"models": ("a", "b*")}, False),
        (None, {"models": ()}, False),
        (None, {"rename": {"a": "b"}}, False),
    ],
)
def test_nothing_is_missing_where_the_list_was_read_or_each_model_is_named(
    ids: tuple[str, ...] | None, settings: dict[str, Any], complete: bool
) -> None:
    source = source_of("main", ListedModels(), **settings)
    assert Offer(source.settings, None if ids is None else models_of(*ids)).complete is complete


async def test_the_union_shows_each_name_once_by_priority_then_the_mappings_names() -> None:
    catalog = fleet_of(
        source_of("late", ListedModels("c", "A:latest", "z"), priority=2),
        source_of("first", ListedModels("b", "a"), rename={"r": "b"}),
        source_of("second", ListedModels("a", "d", "R", "mapped")),
        mapping={"Mapped": "second/d", "pattern*": "a"},
    )
    models = await catalog.models(None)
    assert [model.id for model in models] == ["b", "a", "r", "d", "c", "z", "Mapped"]
    assert (models[2].served_as, models[-1].owned_by) == ("b", "owner-of-d")
    assert await catalog.models(None) is models


async def test_every_name_that_resolves_is_found_with_what_its_own_backend_says_of_it() -> None:
    catalog = fleet_of(
        source_of("one", ListedModels("a"), models=("a", "exact")),
        source_of("two", ListedModels("b"), rename={"mine": "b"}),
        mapping={"alias": "two/b", "p*": "b"},
    )
    await catalog.models(None)
    expected = {
        "a": "owner-of-a",
        "EXACT:latest": "unknown",
        "mine": "owner-of-b",
        "two/b": "owner-of-b",
        "two/mine": "owner-of-b",
        "alias": "owner-of-b",
        "pat": "owner-of-b",
    }
    for name, owner in expected.items():
        found, listed = await catalog.find(name, None), await catalog.listed(name, None)
        assert found is listed
        assert found is not None
        assert found.owned_by == owner
    for name in ("two/a", "nobody"):
        assert await catalog.find(name, None) is await catalog.listed(name, None) is None
