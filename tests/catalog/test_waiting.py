"""Who waits for which list when there are several backends, and what stays kept."""

import asyncio
from collections.abc import Coroutine

import pytest

from gateway.catalog.listing import RETRY_S, WAIT_S
from gateway.catalog.routing import MAX_NAME_CHARS
from gateway.codecs.contract import Profile
from gateway.codecs.models import ModelInfo
from gateway.errors import UpstreamError, UpstreamStatusError, UpstreamTimeoutError
from tests.catalog.listed import Clock, ListedModels, fleet_of, settle, source_of, unreachable


def shut(*ids: str) -> ListedModels:
    """Return a list that is not given before its gate is opened."""
    listed = ListedModels(*ids)
    listed.gate.clear()
    return listed


def failing(error: Exception | None = None) -> ListedModels:
    """Return a list that cannot be read."""
    listed = ListedModels()
    listed.error = error or unreachable()
    return listed


def at_once[Answer](work: Coroutine[object, None, Answer]) -> Answer:
    """Return what `work` answers; fails when it waits for anything."""
    try:
        work.send(None)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    work.close()
    pytest.fail("it waits")


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who could go on waits for more."""
    monkeypatch.setattr("gateway.catalog.listing.GRACE_S", 0.0)


@pytest.fixture
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, it is not over."""
    monkeypatch.setattr("gateway.catalog.listing.GRACE_S", 60.0)


@pytest.mark.usefixtures("no_grace")
async def test_a_silent_backend_does_not_hold_up_names_that_another_lists() -> None:
    silent = shut("a", "b")
    catalog = fleet_of(source_of("silent", silent), source_of("good", ListedModels("a")), mapping={"alias": "a"})
    (target,) = await catalog.resolve("a", None)
    assert target.backend == "good"
    for name in ("a", "A:latest", "good/a", "alias"):
        assert [target.backend for target in at_once(catalog.resolve(name, None))] == ["good"]
        assert at_once(catalog.find(name, None)) is not None
        assert at_once(catalog.listed(name, None)) is not None
    await catalog.aclose()


async def test_a_configured_name_needs_no_list_once_reading_takes_long() -> None:
    clock = Clock()
    silent = shut()
    catalog = fleet_of(source_of("silent", silent, models=("exact", "glob-*"), rename={"mine": "theirs"}), clock=clock)
    first = asyncio.create_task(catalog.resolve("unknown", None))
    await settle()
    clock.now_s += WAIT_S
    for name, model in (("exact", "exact"), ("glob-1", "glob-1"), ("mine", "theirs")):
        assert [target.model for target in at_once(catalog.resolve(name, None))] == [model]
    first.cancel()
    await catalog.aclose()


@pytest.mark.usefixtures("long_grace")
async def test_at_the_start_a_configured_name_waits_a_moment_for_what_its_backend_says_of_it() -> None:
    silent = shut("Glob-1")
    catalog = fleet_of(source_of("main", silent, models=("glob-*",)))
    asked = asyncio.create_task(catalog.resolve("glob-1", None))
    await settle()
    assert not asked.done()
    silent.gate.set()
    assert [(target.model, target.profile) for target in await asked] == [("Glob-1", Profile("owner-of-Glob-1"))]


@pytest.mark.usefixtures("long_grace")
async def test_at_the_start_a_better_backends_list_may_come_a_moment_later() -> None:
    better, worse = shut("a"), shut("a")
    catalog = fleet_of(source_of("worse", worse, priority=2), source_of("better", better))
    asked = asyncio.create_task(catalog.resolve("a", None))
    await settle()
    worse.gate.set()
    await settle()
    better.gate.set()
    assert [target.backend for target in await asked] == ["better", "worse"]


async def test_all_lists_are_read_at_the_same_time() -> None:
    lists = [shut("a"), shut("b"), shut("c")]
    catalog = fleet_of(*(source_of(f"b{number}", listed) for number, listed in enumerate(lists)))
    asked = asyncio.create_task(catalog.models(None))
    await settle()
    assert [len(listed.calls) for listed in lists] == [1, 1, 1]
    for listed in lists:
        listed.gate.set()
    assert [model.id for model in await asked] == ["a", "b", "c"]


async def test_a_list_that_takes_too_long_holds_up_only_those_who_came_first() -> None:
    clock, silent = Clock(), shut("b")
    catalog = fleet_of(source_of("good", ListedModels("a")), source_of("silent", silent), clock=clock)
    first = asyncio.create_task(catalog.models(None))
    await settle()
    assert not first.done()
    clock.now_s += WAIT_S
    assert [model.id for model in at_once(catalog.models(None))] == ["a"]
    silent.gate.set()
    assert [model.id for model in await first] == ["a", "b"]


async def test_a_backend_that_failed_is_not_waited_for_while_another_list_is_known() -> None:
    clock, bad = Clock(), failing()
    catalog = fleet_of(source_of("bad", bad), source_of("good", ListedModels("a")), clock=clock)
    assert [model.id for model in await catalog.models(None)] == ["a"]
    bad.gate.clear()
    clock.now_s += RETRY_S
    assert [model.id for model in at_once(catalog.models(None))] == ["a"]
    await settle()
    assert len(bad.calls) == 2
    await catalog.aclose()


async def test_models_raise_what_the_first_backend_failed_with_only_when_no_list_was_ever_read() -> None:
    clock, good = Clock(), ListedModels("a")
    catalog = fleet_of(
        source_of("late", failing(), priority=2), source_of("bad", failing(UpstreamStatusError(401, "no key")))
    )
    for _ in range(2):
        with pytest.raises(UpstreamError, match="no key"):
            await catalog.models(None)
        with pytest.raises(UpstreamError, match="no key"):
            await catalog.listed("a", None)
    catalog = fleet_of(source_of("bad", failing()), source_of("good", good), clock=clock)
    assert len(await catalog.models(None)) == 1
    good.error = unreachable()
    clock.now_s += 60
    await catalog.models(None)
    await settle()
    assert [model.id for model in await catalog.models(None)] == ["a"]


async def test_a_backend_whose_models_are_all_named_needs_no_list() -> None:
    catalog = fleet_of(source_of("main", failing(), models=("a", "b"), rename={"b": "theirs"}))
    assert [(model.id, model.served_as) for model in await catalog.models(None)] == [("b", "theirs"), ("a", "")]


async def test_a_name_found_nowhere_makes_all_backends_look_again_and_not_too_often() -> None:
    clock, one, two = Clock(), ListedModels("a"), ListedModels("b")
    catalog = fleet_of(source_of("one", one), source_of("two", two), clock=clock)
    assert await catalog.resolve("new", None) == ()
    two.ids = ("b", "new")
    assert await catalog.resolve("new", None) == ()
    clock.now_s += RETRY_S
    assert [target.backend for target in await catalog.resolve("new", None)] == ["two"]
    assert (len(one.calls), len(two.calls)) == (2, 2)


async def test_a_name_that_is_only_guessed_makes_all_backends_look_again() -> None:
    clock, lister = Clock(), ListedModels("a")
    glob = source_of("glob", ListedModels("new-1"), models=("new-*",))
    catalog = fleet_of(glob, source_of("lister", lister), clock=clock)
    await catalog.models(None)
    lister.ids = ("a", "new-2")
    clock.now_s += RETRY_S
    assert [target.backend for target in await catalog.resolve("new-2", None)] == ["lister"]


async def test_what_is_known_of_the_owners_kind_changes_the_targets_at_the_next_reading() -> None:
    clock, kinds = Clock(), {"owner-of-a": "generic"}
    listed = ListedModels("a")
    source = source_of("main", listed)
    object.__setattr__(source, "profile_of", lambda owner: Profile(kinds.get(owner, "generic")))
    catalog = fleet_of(source, clock=clock)
    before = await catalog.models(None)
    assert [target.profile.name for target in await catalog.resolve("a", None)] == ["generic"]
    kinds["owner-of-a"] = "vllm"
    clock.now_s += 60
    await catalog.models(None)
    await settle()
    assert [target.profile.name for target in await catalog.resolve("a", None)] == ["vllm"]
    assert await catalog.models(None) == before


async def test_targets_are_kept_for_a_bounded_number_of_names_of_bounded_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.catalog.routing.MAX_NAMES", 2)
    catalog = fleet_of(source_of("main", ListedModels("1", "2", "3", "x" * (MAX_NAME_CHARS + 1))))
    kept = {name: await catalog.resolve(name, None) for name in ("1", "2", "3", "x" * (MAX_NAME_CHARS + 1))}
    again = [await catalog.resolve(name, None) is kept[name] for name in reversed(kept)]
    assert again == [False, True, True, False]


async def test_each_clients_targets_are_those_of_its_own_list() -> None:
    own = ListedModels()
    own.by_key = {"key-one": ("one",), "key-two": ("two",)}
    shared = ListedModels("all")
    catalog = fleet_of(source_of("own", own, per_client_key=True), source_of("shared", shared))
    for key, other in (("key-one", "two"), ("key-two", "one")):
        assert len(await catalog.resolve("all", key)) == 1
        assert await catalog.resolve(other, key) == ()
        assert len(await catalog.resolve(key.removeprefix("key-"), key)) == 1
    assert shared.calls == [None]
    assert own.calls == ["key-one", "key-two"]


async def test_at_a_time_of_zero_nobody_waits_for_a_reading_that_began_after_the_own_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.catalog.listing.WAIT_S", 600.0)
    listed = ListedModels("a")
    catalog = fleet_of(source_of("main", listed), cache_ttl_s=0)
    later: list[asyncio.Task[object]] = []

    async def fetch(client_key: str | None) -> tuple[ModelInfo, ...]:
        models = await listed(client_key)
        if not later:
            listed.gate.clear()
            loop = asyncio.get_running_loop()
            loop.call_soon(lambda: later.append(asyncio.create_task(catalog.resolve("a", None))))
        return models

    catalog.replace([source_of("main", fetch)], mapping={}, rules={})
    async with asyncio.timeout(30):
        assert len(await catalog.resolve("a", None)) == 1
    assert [task.done() for task in later] == [False]
    listed.gate.set()
    await asyncio.gather(*later)
    assert len(listed.calls) == 2


async def test_a_silent_fleet_says_that_it_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.catalog.listing.WAIT_S", 0.01)
    catalog = fleet_of(source_of("one", shut()), source_of("two", shut()))
    with pytest.raises(UpstreamTimeoutError, match="has not listed its models"):
        await catalog.models(None)
    await catalog.aclose()
