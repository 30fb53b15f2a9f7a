"""Where a name leads when there are several backends: tiers, parts of names, fallbacks, rules."""

from typing import Any

import pytest

from gateway.backend_settings import ModelRule
from gateway.catalog.catalog import Catalog
from gateway.catalog.offer import EXACT, GUESSED, LISTED, PATTERN, RENAMED
from gateway.codecs.contract import Defaults, Profile, Target
from gateway.codecs.models import ModelInfo, read_models
from tests.catalog.listed import ListedModels, fleet_of, source_of, unreachable


def down() -> ListedModels:
    """Return a list that cannot be read."""
    listed = ListedModels()
    listed.error = unreachable()
    return listed


async def ways(catalog: Catalog, name: str) -> list[tuple[str, str, int]]:
    """Return the backend, its model and the tier of each target."""
    return [(target.backend, target.model, target.tier) for target in await catalog.resolve(name, None)]


async def fallbacks(catalog: Catalog, name: str) -> list[tuple[int, str, str, str]]:
    """Return the number, backend, model and stand-in of each target that is a fallback."""
    targets = await catalog.resolve(name, None)
    return [(t.fallback, t.backend, t.model, t.stand_in) for t in targets if t.fallback]


async def test_a_name_goes_to_exact_names_then_renames_then_globs_then_lists() -> None:
    catalog = fleet_of(
        source_of("listing", ListedModels("m")),
        source_of("glob", ListedModels("m"), models=("m*",)),
        source_of("renaming", ListedModels("theirs"), rename={"m": "theirs"}),
        source_of("exact", ListedModels("m"), models=("m",)),
    )
    await catalog.models(None)
    assert await ways(catalog, "M:latest") == [
        ("exact", "m", EXACT),
        ("renaming", "theirs", RENAMED),
        ("glob", "m", PATTERN),
        ("listing", "m", LISTED),
    ]


async def test_among_equals_the_lower_priority_comes_first_and_then_the_order_of_the_file() -> None:
    catalog = fleet_of(
        source_of("b", ListedModels("m"), priority=2),
        source_of("c", ListedModels("m"), priority=1),
        source_of("a", ListedModels("m"), priority=1),
    )
    await catalog.models(None)
    assert [backend for backend, _, _ in await ways(catalog, "m")] == ["c", "a", "b"]


async def test_the_name_sent_is_that_of_rename_in_every_tier_and_as_the_backend_spells_it() -> None:
    renamed = source_of("one", ListedModels("Theirs"), models=("exact", "g-*"), rename={"exact": "theirs"})
    catalog = fleet_of(renamed, source_of("two", ListedModels("G-One"), models=("g-*",)))
    await catalog.models(None)
    assert await ways(catalog, "EXACT") == [("one", "Theirs", EXACT)]
    assert await ways(catalog, "g-one:latest") == [("two", "G-One", PATTERN)]


async def test_a_glob_holds_while_the_list_is_unknown_and_is_a_guess_where_the_list_has_another_word() -> None:
    catalog = fleet_of(
        source_of("unread", down(), models=("gpt-*",)), source_of("reads", ListedModels("gpt-1"), models=("gpt-*",))
    )
    await catalog.models(None)
    assert await ways(catalog, "gpt-1") == [("unread", "gpt-1", PATTERN), ("reads", "gpt-1", PATTERN)]
    assert await ways(catalog, "gpt-2:latest") == [("unread", "gpt-2", PATTERN)]
    assert await ways(catalog, "other") == []
    assert await ways(fleet_of(source_of("reads", ListedModels("gpt-1"), models=("gpt-*",))), "gpt-2") == [
        ("reads", "gpt-2", GUESSED)
    ]


async def test_what_a_backend_lists_beside_its_models_setting_is_not_asked_of_it() -> None:
    catalog = fleet_of(source_of("a", ListedModels("yes", "no"), models=("yes",)))
    assert await ways(catalog, "no") == []


async def test_backends_nobody_could_read_are_asked_only_for_names_that_no_other_has() -> None:
    catalog = fleet_of(source_of("down", down(), priority=0), source_of("up", ListedModels("a")))
    await catalog.models(None)
    assert await ways(catalog, "a") == [("up", "a", LISTED)]
    assert await ways(catalog, "b") == [("down", "b", GUESSED)]


async def test_the_denied_capabilities_and_the_profile_are_each_backends_own() -> None:
    def listing(entry: bytes) -> Any:
        async def fetch(client_key: str | None) -> tuple[ModelInfo, ...]:
            return read_models(b"[" + entry + b"]")

        return fetch

    blind = listing(b'{"id": "m", "owned_by": "vllm", "capabilities": {"vision": false}}')
    seeing = listing(b'{"id": "m", "owned_by": "openai"}')
    catalog = fleet_of(source_of("a", blind), source_of("b", seeing))
    await catalog.models(None)
    assert await catalog.resolve("m", None) == (
        Target("a", "m", Profile("vllm"), denied=("vision",), tier=LISTED),
        Target("b", "m", Profile("openai"), tier=LISTED),
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spare/m", [("Spare", "m", LISTED)]),
        ("SPARE/M:latest", [("Spare", "m", LISTED)]),
        ("spare/alias", [("Spare", "m", RENAMED)]),
        ("spare/unknown", []),
        ("spare/", [("down", "spare/", GUESSED)]),
        ("down/anything/else", [("down", "anything/else", GUESSED)]),
        ("main/m", [("main", "m", LISTED)]),
        ("spare/x", [("main", "spare/x", LISTED)]),
        ("nobody/m", [("down", "nobody/m", GUESSED)]),
    ],
)
async def test_a_backends_name_in_front_picks_that_backend_alone(name: str, expected: list[Any]) -> None:
    catalog = fleet_of(
        source_of("main", ListedModels("m", "spare/x")),
        source_of("Spare", ListedModels("m", "x"), rename={"alias": "m"}),
        source_of("down", down()),
    )
    await catalog.models(None)
    assert await ways(catalog, name) == expected


async def test_a_virtual_model_goes_everywhere_its_model_goes_with_what_it_adds() -> None:
    catalog = fleet_of(
        source_of("a", ListedModels("m")),
        source_of("b", ListedModels(), rename={"m": "theirs"}),
        mapping={"brief": {"model": "m", "system": "Be brief."}, "picked": "B/m", "unlisted": "b/new", "x*": "a/m"},
    )
    await catalog.models(None)
    assert await ways(catalog, "Brief") == [("b", "theirs", RENAMED), ("a", "m", LISTED)]
    assert [target.defaults for target in await catalog.resolve("brief", None)] == [Defaults("Be brief.")] * 2
    assert await ways(catalog, "picked") == [("b", "theirs", RENAMED)]
    assert await ways(catalog, "unlisted") == [("b", "new", GUESSED)]
    assert await ways(catalog, "xyz") == [("a", "m", LISTED)]


async def test_a_virtual_models_model_that_nobody_lists_is_asked_of_all_that_take_any_name() -> None:
    catalog = fleet_of(
        source_of("a", ListedModels("m")),
        source_of("b", ListedModels("m"), models=("m",)),
        source_of("c", ListedModels("m")),
        mapping={"alias": "unlisted:latest"},
        default_model="never",
    )
    await catalog.models(None)
    assert await ways(catalog, "alias") == [("a", "unlisted:latest", GUESSED), ("c", "unlisted:latest", GUESSED)]


async def test_a_virtual_model_that_no_backend_may_be_asked_for_answers_nothing_and_is_not_shown() -> None:
    catalog = fleet_of(source_of("a", ListedModels("m"), models=("m",)), mapping={"alias": "other"})
    assert await ways(catalog, "alias") == []
    assert [model.id for model in await catalog.models(None)] == ["m"]
    assert await catalog.listed("alias", None) is None
    assert await catalog.find("alias", None) is None


async def test_the_default_model_is_asked_wherever_it_is_and_says_that_it_stands_in() -> None:
    catalog = fleet_of(source_of("a", ListedModels("x")), source_of("b", ListedModels("d")), default_model="b/d")
    for name in ("", "unknown"):
        (target,) = await catalog.resolve(name, None)
        assert (target.backend, target.model, target.stand_in) == ("b", "d", "b/d")


async def test_fallbacks_come_in_their_order_each_with_its_number_and_name() -> None:
    catalog = fleet_of(
        source_of("main", ListedModels("llama3", "llama3-small")),
        source_of("spare", ListedModels("llama3", "llama3-small")),
        mapping={"brief": {"model": "llama3-small", "system": "Be brief."}},
        rules={"llama3": ModelRule(fallbacks=("llama3-small", "SPARE/llama3", "unknown", "brief"))},
    )
    await catalog.models(None)
    targets = await catalog.resolve("Llama3:latest", None)
    assert [(t.fallback, t.backend, t.model, t.stand_in) for t in targets] == [
        (0, "main", "llama3", ""),
        (0, "spare", "llama3", ""),
        (1, "main", "llama3-small", "llama3-small"),
        (1, "spare", "llama3-small", "llama3-small"),
    ]
    assert await fallbacks(catalog, "main/llama3") == []


async def test_a_fallback_may_be_a_virtual_model_or_pick_a_backend() -> None:
    catalog = fleet_of(
        source_of("main", ListedModels("m")),
        source_of("spare", ListedModels("s", "t")),
        mapping={"brief": {"model": "t", "system": "Be brief."}},
        rules={"m": ModelRule(fallbacks=("spare/s", "Brief"))},
    )
    await catalog.models(None)
    assert await fallbacks(catalog, "m") == [(1, "spare", "s", "s"), (2, "spare", "t", "Brief")]
    assert [target.defaults for target in await catalog.resolve("m", None)] == [None, None, Defaults("Be brief.")]


@pytest.mark.parametrize(
    ("listed", "settings", "expected"),
    [
        (("some-embed-model", "chat", "other"), {}, [(1, "spare", "chat", "chat")]),
        (("chat", "Any"), {}, [(1, "spare", "Any", "Any")]),
        (("chat", "mine-1"), {"models": ("mine-*",)}, [(1, "spare", "mine-1", "mine-1")]),
        (("some-embed-model",), {}, []),
        (None, {}, []),
        (None, {"models": ("named",)}, [(1, "spare", "named", "named")]),
    ],
)
async def test_any_is_the_model_of_that_name_or_the_first_that_completes(
    listed: tuple[str, ...] | None, settings: dict[str, Any], expected: list[Any]
) -> None:
    spare = source_of("spare", down() if listed is None else ListedModels(*listed), **settings)
    rules = {"*": ModelRule(fallbacks=("spare/any",))}
    catalog = fleet_of(source_of("main", ListedModels("m")), spare, rules=rules, mapping={"s*": "main/m"})
    await catalog.models(None)
    assert await fallbacks(catalog, "m") == expected


async def test_a_star_is_the_same_name_at_another_backend() -> None:
    catalog = fleet_of(
        source_of("main", ListedModels("m", "only-here")),
        source_of("spare", ListedModels("m"), models=("m", "n")),
        mapping={"brief": {"model": "main/m", "system": "Be brief."}},
        rules={"*": ModelRule(fallbacks=("spare/*",))},
        default_model="brief",
    )
    await catalog.models(None)
    assert await fallbacks(catalog, "only-here") == []
    assert await fallbacks(catalog, "main/m") == [(1, "spare", "m", "main/m")]
    assert await fallbacks(catalog, "brief") == [(1, "spare", "m", "brief")]
    assert await fallbacks(catalog, "unknown") == [(1, "spare", "m", "brief")]
    assert [target.defaults for target in await catalog.resolve("brief", None)] == [Defaults("Be brief.")] * 2


@pytest.mark.parametrize(
    ("name", "delivery"),
    [("a-b", "whole"), ("A-B:latest", "whole"), ("a-c", "guarded"), ("a", None), ("x", None)],
)
async def test_the_rule_is_that_of_the_name_then_that_of_the_longest_glob(name: str, delivery: str | None) -> None:
    rules = {"*": ModelRule(sticky=True), "a-*": ModelRule(delivery="guarded"), "a-b": ModelRule(delivery="whole")}
    catalog = fleet_of(source_of("main", ListedModels("a-b", "a-c", "a", "x")), rules=rules)
    (target,) = await catalog.resolve(name, None)
    assert (target.delivery, target.sticky) == (delivery, delivery is None)


async def test_a_rule_without_a_glob_holds_for_its_name_alone_and_marks_the_fallbacks_too() -> None:
    rules = {"m": ModelRule(fallbacks=("n",), delivery="whole", sticky=True), "n": ModelRule(fallbacks=("m",))}
    catalog = fleet_of(source_of("main", ListedModels("m", "n", "o")), rules=rules)
    assert {(t.delivery, t.sticky) for t in await catalog.resolve("m", None)} == {("whole", True)}
    assert await fallbacks(catalog, "m") == [(1, "main", "n", "n")]
    assert await ways(catalog, "o") == [("main", "o", LISTED)]


async def test_a_fallback_does_not_make_a_name_known_that_nobody_has() -> None:
    catalog = fleet_of(source_of("main", ListedModels("m")), rules={"*": ModelRule(fallbacks=("main/any",))})
    assert await catalog.resolve("unknown", None) == ()


async def test_an_answer_is_kept_until_a_list_changes_and_cannot_be_changed_by_who_gets_it() -> None:
    listed = ListedModels("m")
    catalog = fleet_of(source_of("main", listed), mapping={"p*": "m"})
    for name in ("m", "pattern"):
        first = await catalog.resolve(name, None)
        assert isinstance(first, tuple)
        assert await catalog.resolve(name, None) is first
