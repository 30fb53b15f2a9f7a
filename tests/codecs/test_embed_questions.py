"""Texts to embed go out in the batches and the form that the backend takes."""

import json
from typing import Any

import pytest

from gateway.backends.profiles import DEMO, GENERIC
from gateway.codecs.contract import Profile, Target
from gateway.codecs.embed_questions import EmbedQuestion
from gateway.errors import ModelNotFoundError, RequestError, UpstreamStatusError
from gateway.schemas.ollama import EmbeddingsRequest, EmbedRequest

TOO_LONG = UpstreamStatusError(400, "This model's maximum context length is 8 tokens.", code="context_length_exceeded")


def body(question: EmbedQuestion, profile: Profile = GENERIC, **more: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(question.encode(Target("b", "backend-m", profile), **more).body)
    return decoded


def embed(**fields: Any) -> EmbedQuestion:
    question = EmbedQuestion(EmbedRequest.model_validate({"model": "m", **fields}))
    question.settle()
    return question


def test_embedding_asks_for_the_form_the_backend_offers() -> None:
    assert body(embed(input="a")) == {"model": "backend-m", "input": ["a"], "encoding_format": "float"}
    assert body(embed(input=["a", ""], dimensions=8), DEMO) == {
        "model": "backend-m",
        "input": ["a", ""],
        "dimensions": 8,
        "encoding_format": "base64",
    }


def test_the_older_route_embeds_one_prompt() -> None:
    question = EmbedQuestion(EmbeddingsRequest.model_validate({"model": "m", "prompt": "a"}))
    assert (question.legacy, question.several, question.inputs) == (True, False, ["a"])
    assert EmbedQuestion(EmbeddingsRequest.model_validate({"prompt": ["a"]})).several
    assert question.unknown_model().message == 'model "m" not found, try pulling it first'


@pytest.mark.parametrize(("given_input", "inputs"), [(None, []), ("", []), ([], []), ("a", ["a"]), ([""], [""])])
def test_nothing_to_embed_is_told_from_an_empty_text(given_input: Any, inputs: list[str]) -> None:
    assert embed(input=given_input).inputs == inputs


def test_missing_models_have_their_own_words_on_each_route() -> None:
    missing = embed(model="", input="a").unknown_model()
    assert isinstance(missing, ModelNotFoundError)
    older = EmbedQuestion(EmbeddingsRequest.model_validate({"prompt": "a"})).unknown_model()
    assert (older.status, older.message) == (400, "model is required")


@pytest.mark.parametrize("odd", [7, {"a": 1}, ["a", 1]])
def test_other_inputs_are_refused(odd: Any) -> None:
    with pytest.raises(RequestError, match="invalid input type"):
        embed(input=odd)


def test_texts_go_out_in_batches_in_their_order() -> None:
    texts = [str(number) for number in range(5)]
    assert [batch.inputs for batch in embed(input=texts).batches(2)] == [["0", "1"], ["2", "3"], ["4"]]
    question = embed(input=texts, dimensions=3)
    assert question.batches(5) == [question]
    assert body(question.batches(2)[2]) == {**body(question), "input": ["4"]}


def test_what_a_backend_was_learnt_to_refuse_is_left_out() -> None:
    assert "encoding_format" not in body(embed(input="a"), dropped=frozenset({"encoding_format"}))


@pytest.mark.parametrize(
    "refusal",
    [
        TOO_LONG,
        UpstreamStatusError(400, "input (600 tokens) is too large to process"),
        UpstreamStatusError(413, "`inputs` must have less than 512 tokens. Given: 900"),
        UpstreamStatusError(413, "`inputs` must have less than 32000 characters. Given: 67337"),
        UpstreamStatusError(
            400, "the request exceeds the available context size", error_type="exceed_context_size_error"
        ),
    ],
)
def test_a_text_that_is_too_long_is_cut_and_asked_again(refusal: UpstreamStatusError) -> None:
    amended = embed(input=["a" * 100, "b" * 60, "c"], dimensions=3).amended(refusal)
    assert amended is not None
    assert [len(text) for text in amended.inputs] == [50, 50, 1]
    assert body(amended)["dimensions"] == 3


def test_a_text_that_may_not_be_cut_is_ollamas_400() -> None:
    with pytest.raises(RequestError, match="the input length exceeds the context length"):
        embed(input="a" * 100, truncate=False).amended(TOO_LONG)


def test_a_text_that_cannot_be_cut_further_is_ollamas_400() -> None:
    with pytest.raises(RequestError, match="the input length exceeds the context length"):
        embed(input="a" * 20).amended(TOO_LONG)


def test_the_older_route_never_cuts() -> None:
    older = EmbedQuestion(EmbeddingsRequest.model_validate({"model": "m", "prompt": "a" * 100}))
    assert older.amended(TOO_LONG) is None


@pytest.mark.parametrize(
    "refusal",
    [
        UpstreamStatusError(400, "unknown field", param="dimensions"),
        UpstreamStatusError(400, "Model does not support matryoshka representation"),
        UpstreamStatusError(422, "Extra inputs are not permitted: dimensions"),
    ],
)
def test_refused_dimensions_are_left_to_us(refusal: UpstreamStatusError) -> None:
    amended = embed(input="a", dimensions=3).amended(refusal)
    assert amended is not None
    assert "dimensions" not in body(amended)
    assert amended.dimensions == 3
    assert amended.amended(refusal) is None


@pytest.mark.parametrize(
    "refusal",
    [UpstreamStatusError(401, "no key"), UpstreamStatusError(400, "bad"), UpstreamStatusError(500, "out of memory")],
)
def test_other_refusals_stand(refusal: UpstreamStatusError) -> None:
    assert embed(input="a" * 100, dimensions=3).amended(refusal) is None
