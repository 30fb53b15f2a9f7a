"""What a name leads to is at hand between two readings of the lists, and no longer."""

from tests.catalog.listed import Clock, ListedModels, catalog_of, fleet_of, settle, source_of


async def test_what_is_at_hand_follows_the_lists_and_has_them_read_when_they_are_due() -> None:
    clock, first, second = Clock(), ListedModels("a"), ListedModels("b")
    catalog = fleet_of(source_of("first", first), source_of("second", second), cache_ttl_s=60, clock=clock)
    assert catalog.resolved("a", None) is None
    assert [target.backend for target in await catalog.resolve("a", None)] == ["first"]
    at_hand = catalog.resolved("a", None)
    assert at_hand is not None
    assert at_hand is catalog.resolved("a", None)
    first.ids, second.ids = ("c",), ("a",)
    clock.now_s += 61
    assert catalog.resolved("a", None) is at_hand
    await settle()
    assert [target.backend for target in await catalog.resolve("a", None)] == ["second"]


async def test_what_is_at_hand_for_one_client_is_not_for_another_where_each_has_a_list() -> None:
    listed = ListedModels("a")
    listed.by_key["theirs"] = ("b",)
    catalog = catalog_of(listed, per_client_key=True)
    assert [target.model for target in await catalog.resolve("a", None)] == ["a"]
    await settle()
    assert catalog.resolved("a", None) is not None
    assert catalog.resolved("a", "theirs") is None
    assert await catalog.resolve("a", "theirs") == ()
