"""Which model a name means, and how rarely the backend is asked."""

import asyncio
import gc

import msgspec
import pytest

from gateway.catalog.catalog import MAX_KEYS, Catalog
from gateway.catalog.listing import RETRY_S
from gateway.catalog.offer import LISTED
from gateway.codecs.contract import Defaults, Profile, Target
from gateway.errors import TranslationError, UpstreamError, UpstreamTimeoutError
from tests.catalog.listed import (
    REQUEST_MARK,
    Clock,
    ListedModels,
    catalog_of,
    models_of,
    settle,
    unreachable,
)


async def served(catalog: Catalog, name: str, client_key: str | None = None) -> str | None:
    """Return the backend's name of the model that `name` resolves to."""
    targets = await catalog.resolve(name, client_key)
    return targets[0].model if targets else None


async def ids(catalog: Catalog, client_key: str | None = None) -> list[str]:
    return [model.id for model in await catalog.models(client_key)]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o:latest", "gpt-4o"),
        ("GPT-4O:Latest", "gpt-4o"),
        ("  gpt-4o ", "gpt-4o"),
        ("meta-llama/llama-3.1-8b", "Meta-Llama/Llama-3.1-8B"),
        ("qwen3:8b", "qwen3:8b"),
        ("tagged", "tagged:latest"),
        ("@cf/some model", "@cf/some model"),
        ("gpt-4", None),
        ("qwen3", None),
        ("", None),
    ],
)
async def test_a_listed_model_is_found_by_every_form_of_its_name(name: str, model: str | None) -> None:
    listed = ListedModels("gpt-4o", "Meta-Llama/Llama-3.1-8B", "qwen3:8b", "tagged:latest", "@cf/some model")
    assert await served(catalog_of(listed), name) == model


async def test_a_target_has_the_backends_name_its_model_and_the_profile_of_its_owner() -> None:
    target = Target("main", "a", Profile("owner-of-a"), tier=LISTED)
    assert await catalog_of(ListedModels("a")).resolve("A:latest", None) == (target,)


async def test_a_mapped_name_comes_before_a_listed_one_and_is_listed_in_its_place() -> None:
    catalog = catalog_of(ListedModels("real", "Alias"), mapping={"alias": "Real", "Other:latest": "unlisted/model"})
    assert await served(catalog, "Alias") == "real"
    assert await served(catalog, "ALIAS:latest") == "real"
    assert await served(catalog, "other") == "unlisted/model"
    assert await ids(catalog) == ["real", "alias", "Other:latest"]


async def test_what_an_entry_names_is_the_backends_model_and_never_another_entry() -> None:
    catalog = catalog_of(ListedModels("a", "b"), mapping={"a": "b", "b": "a", "c": "c", "d": "a:latest"})
    assert [await served(catalog, name) for name in ("a", "b", "c", "d")] == ["b", "a", "c", "a"]


MAPPING = {"llama3": "exact", "llama3*": "short", "llama3*instruct": "long", "*-mini*": "mini"}


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("llama3", "exact"),
        ("LLAMA3:latest", "exact"),
        ("llama3.1", "short"),
        ("Llama3.1:8b", "short"),
        ("llama3.1-instruct", "long"),
        ("llama3.1-instruct:latest", "long"),
        ("llama3-mini", "short"),
        ("gpt-mini-2", "mini"),
        ("llama3-listed", "llama3-listed"),
        ("other", None),
        ("my-llama3", None),
        ("", None),
    ],
)
async def test_a_pattern_answers_for_names_nobody_has_the_longest_first(name: str, model: str | None) -> None:
    catalog = catalog_of(ListedModels("llama3-listed"), mapping=MAPPING)
    assert await served(catalog, name) == model


async def test_patterns_are_not_listed_and_come_before_the_default_model() -> None:
    catalog = catalog_of(ListedModels("a"), mapping={"*": "a", "b": "a"}, default_model="never")
    assert await ids(catalog) == ["a", "b"]
    assert await catalog.resolve("anything", None) == (Target("main", "a", Profile("owner-of-a"), tier=LISTED),)
    assert (await catalog.resolve("", None))[0].model == "a"


async def test_a_name_that_a_pattern_answers_for_makes_nobody_ask_the_backend_again() -> None:
    listed, clock = ListedModels("a"), Clock()
    catalog = catalog_of(listed, mapping={"x*": "a"}, clock=clock)
    assert await served(catalog, "x1") == "a"
    clock.now_s += RETRY_S
    assert await served(catalog, "x2") == "a"
    assert len(listed.calls) == 1


async def test_patterns_answer_while_the_list_cannot_be_read() -> None:
    listed = ListedModels()
    listed.error = unreachable()
    catalog = catalog_of(listed, mapping={"x*": "real"})
    assert [await served(catalog, name) for name in ("xy", "y")] == ["real", "y"]


async def test_a_target_carries_what_a_virtual_model_adds_and_a_plain_other_name_adds_nothing() -> None:
    entry = {"model": "A", "system": "Be brief.", "options": {"temperature": 0}}
    catalog = catalog_of(ListedModels("a"), mapping={"brief": entry, "alias": "a", "shown": {"model": "a"}})
    defaults = Defaults("Be brief.", (), {"temperature": 0.0})
    plain = Target("main", "a", Profile("owner-of-a"), tier=LISTED)
    assert await catalog.resolve("brief", None) == (msgspec.structs.replace(plain, defaults=defaults),)
    for name in ("alias", "shown"):
        assert await catalog.resolve(name, None) == (plain,)


@pytest.mark.parametrize(("name", "stand_in"), [("", "A:latest"), ("unknown", "A:latest"), ("a", ""), ("alias", "")])
async def test_a_target_says_when_the_default_model_stands_in(name: str, stand_in: str) -> None:
    catalog = catalog_of(ListedModels("a"), mapping={"alias": "a"}, default_model="A:latest")
    (target,) = await catalog.resolve(name, None)
    assert (target.model, target.stand_in) == ("a", stand_in)


async def test_names_of_many_stars_are_matched_at_once() -> None:
    catalog = catalog_of(ListedModels("a"), mapping={"*a*a*a*a*a*a*b": "a"})
    assert await served(catalog, "a" * 512) is None
    assert await served(catalog, "a" * 511 + "b") == "a"


async def test_a_model_added_since_the_last_look_is_found_by_looking_again() -> None:
    listed, clock = ListedModels("a"), Clock()
    catalog = catalog_of(listed, clock=clock)
    assert await served(catalog, "a") == "a"
    listed.ids = ("a", "b")
    assert await served(catalog, "b") is None
    clock.now_s += RETRY_S
    assert await served(catalog, "b") == "b"
    assert len(listed.calls) == 2


async def test_unknown_names_make_nobody_ask_the_backend_more_often_than_a_failure_would() -> None:
    listed, clock = ListedModels("a"), Clock()
    catalog = catalog_of(listed, clock=clock)
    for _ in range(20):
        assert await served(catalog, "b") is None
        clock.now_s += RETRY_S / 4
    assert len(listed.calls) == 5


async def test_a_silent_backend_holds_nobody_longer_than_the_wait_and_goes_on_being_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.catalog.listing.WAIT_S", 0.01)
    listed = ListedModels("a")
    listed.gate.clear()
    catalog = catalog_of(listed)
    with pytest.raises(UpstreamTimeoutError, match="has not listed its models"):
        await catalog.models(None)
    assert await served(catalog, "any:latest") == "any"
    listed.gate.set()
    await settle()
    assert await ids(catalog) == ["a"]
    assert len(listed.calls) == 1


async def test_the_default_model_answers_for_no_name_and_for_unknown_names() -> None:
    catalog = catalog_of(ListedModels("a", "b"), mapping={"main": "b"}, default_model="MAIN")
    assert [await served(catalog, name) for name in ("", "unknown", "a")] == ["b", "b", "a"]
    assert await served(catalog_of(ListedModels("a"), default_model="unlisted"), "") == "unlisted"


async def test_the_default_model_stands_in_for_nothing_in_the_list() -> None:
    catalog = catalog_of(ListedModels("a"), default_model="a", mapping={"alias": "a"})
    assert await catalog.listed("unknown", None) is None
    found = [await catalog.listed(name, None) for name in ("A", "alias")]
    assert [model and (model.id, model.served_as) for model in found] == [("a", ""), ("alias", "a")]


@pytest.mark.parametrize("error", [unreachable(), unreachable(401), TranslationError("HTML")])
async def test_any_name_passes_while_the_list_cannot_be_read(error: Exception) -> None:
    listed = ListedModels()
    listed.error = error
    catalog = catalog_of(listed, mapping={"alias": "real"}, default_model="fallback")
    assert await served(catalog, "Some/Model:7b") == "Some/Model:7b"
    assert await served(catalog, "model:latest") == "model"
    assert await served(catalog, "alias") == "real"
    assert await served(catalog, "") == "fallback"
    assert await served(catalog_of(listed), "") is None
    with pytest.raises(type(error)):
        await catalog.models(None)
    with pytest.raises(type(error)):
        await catalog.listed("model", None)


async def test_an_empty_list_is_an_answer_and_no_name_passes() -> None:
    assert await served(catalog_of(ListedModels()), "model") is None


async def test_metadata_is_found_under_the_names_that_resolve() -> None:
    catalog = catalog_of(ListedModels("a"), mapping={"alias": "a"})
    listed, mapped = await catalog.models(None)
    assert await catalog.find("A:latest", None) is listed
    assert await catalog.find("ALIAS", None) is mapped
    assert (mapped.id, mapped.owned_by) == ("alias", "owner-of-a")
    assert await catalog.find("unknown", None) is None


async def test_the_list_is_read_once_for_many_waiters() -> None:
    listed = ListedModels("a")
    listed.gate.clear()
    catalog = catalog_of(listed)
    waiting = [asyncio.create_task(catalog.models(None)) for _ in range(20)]
    await settle()
    listed.gate.set()
    assert await asyncio.gather(*waiting) == [models_of("a")] * 20
    assert len(listed.calls) == 1


async def test_a_waiter_that_leaves_does_not_cancel_the_refresh_of_the_others() -> None:
    listed = ListedModels("a")
    listed.gate.clear()
    catalog = catalog_of(listed)
    first, second = (asyncio.create_task(catalog.models(None)) for _ in range(2))
    await settle()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    listed.gate.set()
    assert await second == models_of("a")
    assert (len(listed.calls), listed.cancelled) == (1, 0)


async def test_a_refresh_runs_outside_the_context_of_the_request_that_started_it() -> None:
    listed = ListedModels("a")
    REQUEST_MARK.set("of this request")
    await catalog_of(listed).models(None)
    assert listed.marks == ["none"]


async def test_a_kept_list_is_used_until_its_time_is_over() -> None:
    listed, clock = ListedModels("a"), Clock()
    catalog = catalog_of(listed, cache_ttl_s=60, clock=clock)
    await catalog.models(None)
    clock.now_s += 59
    await catalog.models(None)
    await settle()
    assert len(listed.calls) == 1


async def test_an_old_list_serves_while_it_is_read_again_in_the_background() -> None:
    listed, clock = ListedModels("a"), Clock()
    catalog = catalog_of(listed, cache_ttl_s=60, clock=clock)
    await catalog.models(None)
    clock.now_s += 61
    listed.ids = ("b",)
    listed.gate.clear()
    assert [await ids(catalog), await ids(catalog)] == [["a"], ["a"]]
    await settle()
    assert len(listed.calls) == 2
    listed.gate.set()
    await settle()
    assert await ids(catalog) == ["b"]
    assert await served(catalog, "a") is None
    assert len(listed.calls) == 2


async def test_an_old_list_is_kept_when_the_refresh_fails_and_not_asked_for_at_once_again() -> None:
    listed, clock = ListedModels("a"), Clock()
    catalog = catalog_of(listed, cache_ttl_s=60, clock=clock)
    await catalog.models(None)
    clock.now_s += 61
    listed.error = unreachable()
    for _ in range(3):
        assert await ids(catalog) == ["a"]
        await settle()
    assert len(listed.calls) == 2
    clock.now_s += RETRY_S
    listed.error = None
    assert await ids(catalog) == ["a"]
    await settle()
    assert len(listed.calls) == 3


async def test_a_list_that_cannot_be_read_is_tried_again_only_after_a_pause() -> None:
    listed, clock = ListedModels("a"), Clock()
    listed.error = unreachable()
    catalog = catalog_of(listed, clock=clock)
    for _ in range(3):
        with pytest.raises(UpstreamError, match="no list"):
            await catalog.models(None)
    assert len(listed.calls) == 1
    clock.now_s += RETRY_S
    listed.error = None
    assert await ids(catalog) == ["a"]


async def test_repeated_failures_do_not_lengthen_the_trace_of_the_error() -> None:
    listed = ListedModels()
    listed.error = unreachable()
    catalog = catalog_of(listed)
    lengths = []
    for _ in range(4):
        with pytest.raises(UpstreamError) as raised:
            await catalog.models(None)
        lengths.append(len(raised.traceback))
    assert lengths[-1] == lengths[1]


async def test_an_unforeseen_error_reaches_the_waiter_and_is_not_kept() -> None:
    listed = ListedModels("a")
    listed.error = KeyError("bug")
    catalog = catalog_of(listed)
    with pytest.raises(KeyError):
        await catalog.models(None)
    listed.error = None
    assert await ids(catalog) == ["a"]


async def test_a_time_of_zero_reads_the_list_for_every_question() -> None:
    listed = ListedModels("a")
    catalog = catalog_of(listed, cache_ttl_s=0)
    assert await ids(catalog) == ["a"]
    listed.ids = ("b",)
    assert await ids(catalog) == ["b"]
    listed.error = unreachable()
    assert await ids(catalog) == ["b"]


async def test_a_list_that_did_not_change_stays_the_same_object() -> None:
    listed = ListedModels("a")
    catalog = catalog_of(listed, cache_ttl_s=0)
    assert await catalog.models(None) is await catalog.models(None)
    assert len(listed.calls) == 2


async def test_lists_are_kept_per_client_key_where_the_clients_own_keys_are_passed_on() -> None:
    listed = ListedModels("for-all")
    listed.by_key = {"key-one": ("one",), "key-two": ("two",)}
    catalog = catalog_of(listed, per_client_key=True)
    for key, expected in ((None, "for-all"), ("key-one", "one"), ("key-two", "two"), ("key-one", "one")):
        assert await ids(catalog, key) == [expected]
    assert listed.calls == [None, "key-one", "key-two"]
    assert await served(catalog, "two", "key-one") is None


async def test_one_list_serves_all_clients_where_the_gateway_has_its_own_key() -> None:
    listed = ListedModels("a")
    catalog = catalog_of(listed)
    await catalog.models("key-one")
    await catalog.models("key-two")
    assert listed.calls == [None]


async def test_the_lists_of_equal_content_share_their_memory() -> None:
    catalog = catalog_of(ListedModels("a"), per_client_key=True)
    assert await catalog.models("key-one") is await catalog.models("key-two")


async def test_the_key_unused_for_longest_is_forgotten_when_there_are_too_many() -> None:
    listed = ListedModels("a")
    catalog = catalog_of(listed, per_client_key=True)
    for number in range(MAX_KEYS):
        await catalog.models(f"key-{number}")
    await catalog.models("key-0")
    await catalog.models("one-more")
    listed.calls.clear()
    for key in ("key-0", "one-more", "key-2", "key-1"):
        await catalog.models(key)
    assert listed.calls == ["key-1"]


async def test_no_client_key_stays_in_the_catalog() -> None:
    async def fetch(client_key: str | None) -> tuple[()]:
        return ()

    catalog = catalog_of(fetch, per_client_key=True)
    await catalog.models("sk-a-very-secret-key")
    assert "sk-a-very-secret-key" not in _strings_reachable_from(catalog)


async def test_closing_ends_the_refresh_that_runs() -> None:
    listed = ListedModels("a")
    listed.gate.clear()
    catalog = catalog_of(listed)
    waiter = asyncio.create_task(catalog.models(None))
    await settle()
    await catalog.aclose()
    assert listed.cancelled == 1
    with pytest.raises(asyncio.CancelledError):
        await waiter


def _strings_reachable_from(root: object) -> set[str]:
    """Return all strings that `root` holds on to, in its data and closures but not in modules and types."""
    found: set[str] = set()
    seen: set[int] = set()
    left: list[object] = [root]
    while left:
        item = left.pop()
        if id(item) in seen or isinstance(item, type) or type(item).__name__ in ("module", "code"):
            continue
        seen.add(id(item))
        if isinstance(item, str):
            found.add(item)
        elif not (isinstance(item, dict) and "__builtins__" in item):
            left.extend(gc.get_referents(item))
    return found
