"""A reload replaces backends, names and rules at once, and disturbs nobody."""

import asyncio
from collections.abc import Sequence

from gateway.backend_settings import ModelRule
from gateway.codecs.contract import Profile, Target
from tests.catalog.listed import ListedModels, fleet_of, settle, source_of, unreachable


def backends(targets: Sequence[Target]) -> list[str]:
    """Return the names of the backends of some targets."""
    return [target.backend for target in targets]


async def test_a_reload_changes_backends_mapping_and_rules_together() -> None:
    catalog = fleet_of(source_of("old", ListedModels("a")), mapping={"alias": "a"})
    assert backends(await catalog.resolve("alias", None)) == ["old"]
    catalog.replace(
        [source_of("new", ListedModels("a", "b"))], mapping={"other": "b"}, rules={"a": ModelRule(fallbacks=("b",))}
    )
    assert [(target.backend, target.model) for target in await catalog.resolve("a", None)] == [
        ("new", "a"),
        ("new", "b"),
    ]
    assert await catalog.resolve("alias", None) == ()
    assert [model.id for model in await catalog.models(None)] == ["a", "b", "other"]


async def test_lists_of_backends_that_stay_as_they_are_are_kept() -> None:
    stays, changes = ListedModels("a"), ListedModels("b")
    catalog = fleet_of(source_of("stays", stays), source_of("changes", changes))
    await catalog.models(None)
    catalog.replace([source_of("changes", changes, weight=2), source_of("stays", stays)], mapping={}, rules={})
    assert [model.id for model in await catalog.models(None)] == ["b", "a"]
    assert (len(stays.calls), len(changes.calls)) == (1, 2)


async def test_a_kept_list_is_read_again_by_the_new_source_and_has_its_profiles() -> None:
    before, after = ListedModels("a"), ListedModels("b")
    catalog = fleet_of(source_of("main", before), cache_ttl_s=0)
    await catalog.models(None)
    source = source_of("main", after)
    object.__setattr__(source, "profile_of", lambda owner: Profile("new"))
    catalog.replace([source], mapping={}, rules={})
    assert [target.profile.name for target in await catalog.resolve("b", None)] == ["new"]
    assert (len(before.calls), len(after.calls)) == (1, 1)


async def test_each_clients_list_is_kept_too() -> None:
    listed = ListedModels()
    listed.by_key = {"key-one": ("one",), "key-two": ("two",)}
    catalog = fleet_of(source_of("main", listed, per_client_key=True))
    for key in listed.by_key:
        await catalog.models(key)
    more = source_of("more", ListedModels("all"))
    catalog.replace([more, source_of("main", listed, per_client_key=True)], mapping={}, rules={})
    assert [model.id for model in await catalog.models("key-one")] == ["all", "one"]
    assert [model.id for model in await catalog.models("key-two")] == ["all", "two"]
    assert listed.calls == ["key-one", "key-two"]


async def test_who_waits_for_a_removed_backend_gets_the_answer_of_those_that_are_there() -> None:
    removed = ListedModels("a")
    removed.gate.clear()
    catalog = fleet_of(source_of("removed", removed))
    asked = asyncio.create_task(catalog.resolve("a", None))
    listing = asyncio.create_task(catalog.models(None))
    await settle()
    catalog.replace([source_of("new", ListedModels("a"))], mapping={}, rules={})
    assert backends(await asked) == ["new"]
    assert [model.id for model in await listing] == ["a"]
    assert removed.cancelled == 1


async def test_a_reload_does_not_disturb_the_reading_of_a_backend_that_stays() -> None:
    stays = ListedModels("a")
    stays.gate.clear()
    catalog = fleet_of(source_of("stays", stays), source_of("removed", ListedModels("b")))
    asked = asyncio.create_task(catalog.resolve("a", None))
    await settle()
    catalog.replace([source_of("stays", stays)], mapping={}, rules={})
    stays.gate.set()
    assert backends(await asked) == ["stays"]
    assert (len(stays.calls), stays.cancelled) == (1, 0)


async def test_a_reading_that_had_not_begun_is_removed_with_its_backend() -> None:
    removed = ListedModels("a")
    catalog = fleet_of(source_of("removed", removed))
    asked = asyncio.create_task(catalog.resolve("a", None))
    asyncio.get_running_loop().call_soon(lambda: catalog.replace([], mapping={}, rules={}))
    assert await asked == ()
    assert removed.calls == []


async def test_without_backends_there_are_no_models() -> None:
    catalog = fleet_of(source_of("main", ListedModels("a")), default_model="a")
    catalog.replace([], mapping={"alias": "a"}, rules={})
    assert await catalog.models(None) == ()
    assert await catalog.resolve("a", None) == ()
    assert await catalog.find("", None) is None


async def test_a_failing_backend_that_stays_is_not_asked_at_once_again() -> None:
    failing = ListedModels()
    failing.error = unreachable()
    catalog = fleet_of(source_of("main", failing))
    await catalog.resolve("a", None)
    catalog.replace([source_of("main", failing)], mapping={}, rules={})
    assert len(await catalog.resolve("a", None)) == 1
    assert len(failing.calls) == 1
