"""The forms in which servers list their models."""

from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import ClientSession
from yarl import URL

from gateway.backends.backend import Backend
from gateway.backends.listing import ModelLister
from gateway.errors import TranslationError, UpstreamStatusError
from tests.support.mocked import Answers, mocked_answers

BASE = "http://backend.invalid/v1"
LIST = f"{BASE}/models"


@pytest.fixture
def answers() -> Iterator[Answers]:
    """What the backend answers."""
    with mocked_answers() as answers:
        yield answers


@pytest.fixture
async def lister() -> AsyncIterator[ModelLister]:
    """The lister of a backend that nobody can reach."""
    async with ClientSession() as session:
        yield ModelLister(session, Backend("main", URL(BASE)), 10)


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        pytest.param({"object": "list", "data": [{"id": "b"}, {"id": "a"}]}, ["b", "a"], id="OpenAI"),
        pytest.param([{"id": "a", "type": "chat"}], ["a"], id="a bare list, as Together"),
        pytest.param({"data": [{"id": "a"}, {"id": "a"}]}, ["a"], id="a model that stands twice"),
        pytest.param({"data": [{"id": "a"}, {"name": "b"}, 7, {"id": ""}]}, ["a", "b"], id="odd entries"),
        pytest.param({"data": []}, [], id="no model"),
    ],
)
async def test_a_list_is_read_in_the_forms_it_comes_in(
    answers: Answers, lister: ModelLister, payload: object, names: list[str]
) -> None:
    answers.get(LIST, payload)
    assert [model.id for model in await lister.fetch(None)] == names
    assert answers.asked == [LIST]


@pytest.mark.parametrize("payload", [{"data": "a"}, "a", 7, None])
async def test_what_is_no_list_is_an_error(answers: Answers, lister: ModelLister, payload: object) -> None:
    answers.get(LIST, payload)
    with pytest.raises(TranslationError):
        await lister.fetch(None)


async def test_a_refusal_is_told_in_the_backends_own_words(answers: Answers, lister: ModelLister) -> None:
    answers.get(LIST, {"error": {"message": "no such key", "code": "invalid_api_key"}}, status=401)
    with pytest.raises(UpstreamStatusError) as caught:
        await lister.fetch(None)
    assert (caught.value.status, caught.value.message, caught.value.code) == (401, "no such key", "invalid_api_key")
