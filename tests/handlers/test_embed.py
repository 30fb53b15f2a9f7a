"""`/api/embed` and `/api/embeddings`."""

import asyncio
import base64
import math
import struct
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.support.answers import body, embeddings, error, plain, stream
from tests.support.backend import ScriptedBackend, close, hang, head, send
from tests.support.gateway import Gateway

EMBED: dict[str, Any] = {"model": "m", "input": ["one", "two"]}
LEGACY: dict[str, Any] = {"model": "m", "prompt": "one"}
each_route = pytest.mark.parametrize(
    ("path", "asked"), [("/api/embed", EMBED), ("/api/embeddings", LEGACY)], ids=["embed", "embeddings"]
)


async def test_many_texts_come_back_in_order_and_normalised(backend: ScriptedBackend, gateway: Gateway) -> None:
    answer = embeddings([0.0, 2.0], [3.0, 4.0])
    answer["data"].reverse()
    backend.play(plain(answer))
    reply = await gateway.ask("/api/embed", EMBED)
    assert reply.status == 200
    assert reply.json["embeddings"] == [[0.0, 1.0], pytest.approx([0.6, 0.8])]
    assert reply.json["model"] == "m"
    assert reply.json["prompt_eval_count"] == 5
    assert reply.json["total_duration"] > 0
    assert backend.calls[0].path == "/v1/embeddings"
    assert backend.calls[0].json["input"] == ["one", "two"]


async def test_the_older_route_gives_one_vector_as_it_is(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(plain(embeddings([3.0, 4.0])))
    reply = await gateway.ask("/api/embeddings", LEGACY)
    assert reply.json == {"embedding": [3.0, 4.0]}


async def test_vectors_in_base64_are_read(backend: ScriptedBackend, gateway: Gateway) -> None:
    answer = embeddings([])
    answer["data"][0]["embedding"] = base64.b64encode(struct.pack("<3f", 0.0, 3.0, 4.0)).decode()
    backend.play(plain(answer))
    reply = await gateway.ask("/api/embed", {"model": "m", "input": "one"})
    [vector] = reply.json["embeddings"]
    assert vector == pytest.approx([0.0, 0.6, 0.8], rel=1e-6)


@pytest.mark.parametrize("asked", [{}, {"input": None}, {"input": ""}, {"input": []}])
async def test_no_input_only_loads_the_model(backend: ScriptedBackend, gateway: Gateway, asked: dict[str, Any]) -> None:
    reply = await gateway.ask("/api/embed", {"model": "m", **asked})
    assert (reply.status, reply.json["embeddings"]) == (200, [])
    legacy = await gateway.ask("/api/embeddings", {"model": "m"})
    assert (legacy.status, legacy.json) == (200, {"embedding": []})
    assert backend.calls == []


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (embeddings([1.0]), "the backend answered with 1 embeddings for 2 inputs"),
        ({"data": []}, "the backend answered with 0 embeddings for 2 inputs"),
        ({}, "the backend answered with 0 embeddings for 2 inputs"),
        ({"data": "x"}, "the backend's embeddings are neither lists of numbers nor base64"),
        (
            {"data": [{"embedding": ["a"]}, {"embedding": [1]}]},
            "the backend's embeddings are neither lists of numbers nor base64",
        ),
    ],
)
async def test_an_answer_that_does_not_fit_is_a_502(
    backend: ScriptedBackend, gateway: Gateway, said: object, text: str
) -> None:
    backend.play(plain(said))
    reply = await gateway.ask("/api/embed", EMBED)
    assert (reply.status, reply.json) == (502, {"error": text})


async def test_base64_that_is_none_is_a_502(backend: ScriptedBackend, gateway: Gateway) -> None:
    for text in ("%%%", "AAA", "AAAAAAA="):
        answer = embeddings([], [])
        answer["data"][0]["embedding"] = text
        backend.play(plain(answer))
        reply = await gateway.ask("/api/embed", EMBED)
        assert reply.status == 502
        assert isinstance(reply.json["error"], str)


async def test_a_vector_without_length_stays_one(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(plain(embeddings([0.0, 0.0], [1e-30, 0.0])))
    vectors = (await gateway.ask("/api/embed", EMBED)).json["embeddings"]
    assert vectors[0] == [0.0, 0.0]
    assert all(math.isfinite(value) for value in vectors[1])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"<html>", "the backend answered with HTML instead of JSON: is the base URL right?"),
        (b"", "the backend answered with an empty body"),
        (b"{broken", "the backend sent broken JSON"),
    ],
)
@each_route
async def test_other_words_are_a_502(
    backend: ScriptedBackend, gateway: Gateway, path: str, asked: dict[str, Any], data: bytes, text: str
) -> None:
    backend.play(body(data))
    reply = await gateway.ask(path, asked)
    assert (reply.status, reply.json) == (502, {"error": text})


@each_route
async def test_a_stream_in_answer_is_a_502(
    backend: ScriptedBackend, gateway: Gateway, path: str, asked: dict[str, Any]
) -> None:
    backend.play(stream())
    reply = await gateway.ask(path, asked)
    assert reply.status == 502
    assert "streamed" in reply.json["error"]


@each_route
async def test_a_refusal_passes_and_an_error_in_a_200_is_one(
    backend: ScriptedBackend, gateway: Gateway, path: str, asked: dict[str, Any]
) -> None:
    backend.play(error(400, "input is not wanted"), plain({"error": {"message": "no such thing", "code": 422}}))
    first, second = await gateway.ask(path, asked), await gateway.ask(path, asked)
    assert (first.status, first.json) == (400, {"error": "input is not wanted"})
    assert (second.status, second.json) == (422, {"error": "no such thing"})


@each_route
async def test_an_unknown_model_is_a_404_in_the_words_of_these_routes(
    backend: ScriptedBackend, gateway: Gateway, path: str, asked: dict[str, Any]
) -> None:
    expected = {"error": 'model "other" not found, try pulling it first'}
    reply = await gateway.ask(path, {**asked, "model": "other"})
    assert (reply.status, reply.json) == (404, expected)
    assert backend.calls == []
    backend.play(error(404, "The model `m` does not exist", code="model_not_found"))
    reply = await gateway.ask(path, asked)
    assert (reply.status, reply.json) == (404, {"error": 'model "m" not found, try pulling it first'})


async def test_a_missing_model_is_what_each_route_says(gateway: Gateway) -> None:
    reply = await gateway.ask("/api/embed", {"input": "x"})
    assert (reply.status, reply.json) == (404, {"error": "model '' not found"})
    reply = await gateway.ask("/api/embeddings", {"prompt": "x"})
    assert (reply.status, reply.json) == (400, {"error": "model is required"})


@each_route
async def test_a_wrong_type_of_input_is_a_400(gateway: Gateway, path: str, asked: dict[str, Any]) -> None:
    for value in (5, {"a": 1}, [1], [["x"]], True):
        name = "input" if "input" in asked else "prompt"
        reply = await gateway.ask(path, {**asked, name: value})
        assert (reply.status, reply.json) == (400, {"error": "invalid input type"})


@each_route
async def test_a_silent_or_cut_answer_has_its_status(
    backend: ScriptedBackend, start: StartGateway, path: str, asked: dict[str, Any]
) -> None:
    gateway = await start(TOTAL_TIMEOUT="0.25")
    backend.play([hang], [head(200, "application/json", length=100), send(b"{"), close])
    silent, cut = await gateway.ask(path, asked), await gateway.ask(path, asked)
    assert (silent.status, cut.status) == (504, 502)
    assert isinstance(silent.json["error"], str)
    assert isinstance(cut.json["error"], str)


@each_route
async def test_embeddings_are_asked_again_after_a_failure(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], path: str, asked: dict[str, Any]
) -> None:
    gateway = await start(MAX_RETRIES="1")
    backend.play(error(503), plain(embeddings(*([1.0, 0.0],) * len(asked.get("input", [1])))))
    assert (await gateway.ask(path, asked)).status == 200
    record = await gateway.record()
    assert (record["attempts"], record["prompt_tokens"]) == (2, 5)


async def test_a_large_batch_comes_back_whole(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(plain(embeddings(*([0.5] * 256,) * 500)))
    texts = ["some text"] * 500
    replies = await asyncio.gather(
        gateway.ask("/api/embed", {"model": "m", "input": texts}), gateway.ask("/api/version", method="GET")
    )
    assert [reply.status for reply in replies] == [200, 200]
    assert len(replies[0].json["embeddings"]) == 500
