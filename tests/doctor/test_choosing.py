"""Which models are asked."""

from gateway.backend_settings import BackendSettings
from gateway.catalog.offer import Offer
from gateway.codecs.models import ModelInfo, unlisted_model
from gateway.doctor.choosing import LIMIT, choose, named, served
from gateway.doctor.visit import Selection
from tests.doctor.checking import check_one, checked, serving, settings
from tests.doctor.strict import StrictBackend

MANY = tuple(f"m{number}" for number in range(12))


def models(*names: str) -> tuple[ModelInfo, ...]:
    return tuple(unlisted_model(name) for name in names)


def names(found: list[ModelInfo]) -> list[str]:
    return [model.id for model in found]


def backend(**fields: object) -> BackendSettings:
    return settings("http://127.0.0.1:1/v1").model_copy(update=fields)


def test_few_models_are_all_asked() -> None:
    assert names(choose(models("a", "b"))) == ["a", "b"]


def test_of_many_one_of_each_kind_is_asked_in_the_order_of_the_list() -> None:
    found = choose(models(*MANY, "some-embedding", "some-vision", "qwq-thinking"))
    assert names(found) == ["m0", "m1", "some-embedding", "some-vision", "qwq-thinking"]
    assert len(found) == LIMIT


def test_without_a_limit_all_are_asked() -> None:
    assert names(choose(models(*MANY), limit=None)) == list(MANY)


def test_only_what_the_settings_let_through_is_asked_by_the_backends_own_name() -> None:
    offer = Offer(backend(models=("gpt-*", "mine"), rename={"mine": "own-name"}), models("gpt-a", "other", "own-name"))
    assert names(served(offer)) == ["gpt-a", "own-name"]


def test_a_list_that_cannot_be_read_leaves_the_names_of_the_settings() -> None:
    assert names(served(Offer(backend(models=("a", "b-*")), None))) == ["a"]


def test_models_are_named_as_clients_name_them() -> None:
    offer = Offer(backend(rename={"mine": "own-name"}), models("own-name", "Big"))
    assert names(named(offer, ["mine", "BIG:latest", "nobody's"])) == ["own-name", "Big"]
    assert names(named(offer, ["nobody's"], insist=True)) == ["nobody's"]


async def test_what_was_left_out_is_told() -> None:
    strict = StrictBackend(models=tuple({"id": name} for name in MANY))
    async with serving(strict) as url:
        some = await check_one(settings(url))
        everything = await check_one(settings(url), Selection(all_models=True))
    assert (len(some.models), some.left_out) == (LIMIT, len(MANY) - LIMIT)
    assert (len(everything.models), everything.left_out) == (len(MANY), 0)


async def test_a_named_model_is_asked_where_it_is() -> None:
    one, other = StrictBackend(models=({"id": "a"},)), StrictBackend(models=({"id": "b"},))
    async with serving(one) as first, serving(other) as second:
        report = await checked(settings(first, "one"), settings(second, "other"), selection=Selection(models=("B",)))
    assert [[model.name for model in backend.models] for backend in report.backends] == [[], ["b"]]
    assert report.fine, "that the other backend has no such model is no fault of its"


async def test_a_named_model_that_nobody_lists_is_asked_all_the_same() -> None:
    strict = StrictBackend()
    async with serving(strict) as url:
        report = await check_one(settings(url), Selection(models=("secret-preview",)))
    assert [model.name for model in report.models] == ["secret-preview"]
    assert {body["model"] for body in strict.asked} == {"secret-preview"}


async def test_only_the_named_backend_is_asked() -> None:
    one, other = StrictBackend(), StrictBackend()
    async with serving(one) as first, serving(other) as second:
        selection = Selection(backends=("OTHER",))
        report = await checked(settings(first, "one"), settings(second, "other"), selection=selection)
    assert [backend.settings.name for backend in report.backends] == ["other"]
    assert one.requests == 0
