"""`/api/chat` and `/api/generate` in front of backends that answer well, oddly, or not in OpenAI's words at all."""

import json
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.support.answers import (
    DONE,
    TEXT,
    WORDS,
    body,
    completion,
    event,
    finish,
    plain,
    stream,
    token,
    until_closed,
    usage,
    whole_stream,
)
from tests.support.backend import JSON, SSE, ScriptedBackend, Step, close, end, head, send
from tests.support.gateway import Gateway
from tests.support.ways import CHAT, CHAT_WHOLE, GENERATE, GENERATE_WHOLE, WAYS, Way, each_way

OLLAMA = [way for way in WAYS if not way.v1]
each_ollama_way = pytest.mark.parametrize("way", OLLAMA, ids=lambda way: way.name)

EMPTY = "the backend answered with an empty body"
HTML = "the backend answered with HTML instead of JSON: is the base URL right?"
BROKEN = "the backend sent broken JSON"
CUT = "the backend closed the connection before its answer was complete"

OTHER_WORDS: dict[str, tuple[list[Step], str]] = {
    "html": (body(b"<!doctype html><p>Welcome to nginx", content_type="text/html"), HTML),
    "html-called-json": (body(b"\n<html></html>"), HTML),
    "html-called-events": (body(b"<html></html>", content_type=SSE), HTML),
    "empty": (body(b""), EMPTY),
    "empty-stream": ([head(200, SSE), end], EMPTY),
    "blank": (body(b"  \r\n "), EMPTY),
    "broken": (body(b'{"choices": [{"mess'), BROKEN),
    "cut": ([head(200, JSON, length=1000), send(b'{"choices": '), close], CUT),
    "null": (body(b"null"), CUT),
    "list": (body(b"[]"), "the backend sent JSON that is not an object"),
    "deep": (body(b'{"a":' * 100_000), BROKEN),
}


@pytest.mark.parametrize("name", OTHER_WORDS)
@each_way
async def test_an_answer_in_other_words_is_a_502_with_the_reason(
    backend: ScriptedBackend, gateway: Gateway, way: Way, name: str
) -> None:
    script, text = OTHER_WORDS[name]
    backend.play(script)
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 502
    assert way.error(reply)["message"] == text
    assert (await gateway.record())["status"] == 502


@each_ollama_way
async def test_a_plain_answer_without_choices_is_a_502(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    answers: list[object] = [{"id": "x"}, {"choices": []}, {"choices": None}]
    for said in answers:
        backend.play(plain(said))
        reply = await gateway.ask(way.path, way.body)
        assert (reply.status, reply.json) == (502, {"error": "the backend answered without any choices"})


@each_way
async def test_an_error_object_in_a_plain_200_is_an_error(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    cases: list[tuple[object, int, str]] = [
        ({"error": {"message": "no credits", "code": 402}}, 402, "no credits"),
        ({"error": "no credits"}, 502, "no credits"),
        ({"error": {"message": "no credits", "code": "insufficient"}}, 502, "no credits"),
    ]
    for said, status, text in cases:
        backend.play(plain(said))
        reply = await gateway.ask(way.path, way.body)
        assert reply.status == status
        assert way.error(reply)["message"] == text


@each_ollama_way
async def test_a_plain_answer_to_a_stream_is_streamed_and_the_other_way_round(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(plain() if way.streamed else stream())
    reply = await gateway.ask(way.path, way.body)
    assert way.text(reply) == TEXT
    last = reply.lines[-1] if way.streamed else reply.json
    assert (last["prompt_eval_count"], last["eval_count"]) == (7, 12)


@each_ollama_way
async def test_an_answer_whose_length_nobody_told_is_whole(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(
        until_closed(whole_stream()) if way.streamed else until_closed(json.dumps(completion()).encode(), JSON)
    )
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT


async def test_a_stream_is_lines_of_json_and_its_counts_stand_on_the_last(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    backend.play(stream())
    for way, field in ((CHAT, "message"), (GENERATE, "response")):
        reply = await gateway.ask(way.path, way.body)
        assert reply.headers["Content-Type"] == "application/x-ndjson"
        assert reply.body.isascii()
        *chunks, last = reply.lines
        assert len(chunks) == len(WORDS)
        assert all(set(chunk) == {"model", "created_at", field, "done"} for chunk in chunks)
        assert last["done_reason"] == "stop"
        counts = {"total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count"}
        assert counts < set(last)
        assert all(isinstance(last[name], int) and last[name] > 0 for name in counts)


@each_ollama_way
async def test_the_model_is_called_what_the_client_called_it(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.models = ["Org/Model-7B"]
    backend.play(stream() if way.streamed else plain())
    reply = await gateway.ask(way.path, {**way.body, "model": "org/model-7b:latest"})
    said = reply.lines if way.streamed else [reply.json]
    assert {chunk["model"] for chunk in said} == {"org/model-7b:latest"}
    assert backend.calls[0].json["model"] == "Org/Model-7B"


async def test_the_backend_is_asked_in_openais_words(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(stream())
    options = {"temperature": 0.5, "num_predict": 9, "stop": ["x"], "seed": 3, "num_ctx": 4096}
    await gateway.ask(CHAT.path, {**CHAT.body, "options": options})
    call = backend.calls[0]
    assert call.path == "/v1/chat/completions"
    assert call.json == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "max_tokens": 9,
        "stop": ["x"],
        "seed": 3,
    }
    assert call.headers["Accept-Encoding"] == "identity"
    assert call.headers["Content-Type"] == "application/json"
    assert "Cookie" not in call.headers


async def test_raw_and_suffix_ask_for_a_text_completion(backend: ScriptedBackend, gateway: Gateway) -> None:
    done = event({"choices": [{"index": 0, "text": "well", "finish_reason": "stop"}]})
    backend.play(stream(done, usage(), DONE))
    for more in ({"raw": True}, {"suffix": "}"}):
        reply = await gateway.ask(GENERATE.path, {**GENERATE.body, **more})
        assert GENERATE.text(reply) == "well"
        assert backend.calls[-1].path == "/v1/completions"
        assert backend.calls[-1].json["prompt"] == "hello"


LOADS: list[tuple[str, dict[str, Any], str]] = [
    ("/api/chat", {"model": "m"}, "load"),
    ("/api/chat", {"model": "m", "messages": []}, "load"),
    ("/api/chat", {"model": "m", "messages": [], "keep_alive": 0}, "unload"),
    ("/api/generate", {"model": "m"}, "load"),
    ("/api/generate", {"model": "m", "prompt": "", "keep_alive": "0s"}, "unload"),
]


@pytest.mark.parametrize(("path", "asked", "reason"), LOADS)
async def test_loading_and_unloading_ask_no_backend(
    backend: ScriptedBackend, gateway: Gateway, path: str, asked: dict[str, Any], reason: str
) -> None:
    reply = await gateway.ask(path, asked)
    assert reply.status == 200
    assert (reply.json["done"], reply.json["done_reason"]) == (True, reason)
    assert backend.calls == []


async def test_a_client_may_ask_for_server_sent_events(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(stream())
    reply = await gateway.ask(CHAT.path, CHAT.body, headers={"Accept": "text/event-stream"})
    assert reply.headers["Content-Type"] == "text/event-stream"
    chunks = [json.loads(data) for data in reply.events]
    assert "".join(chunk["message"]["content"] for chunk in chunks) == TEXT
    assert chunks[-1]["done"] is True


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/event-stream, */*", "application/x-ndjson"])
async def test_any_other_accept_header_gets_lines(backend: ScriptedBackend, gateway: Gateway, accept: str) -> None:
    backend.play(stream())
    reply = await gateway.ask(CHAT.path, CHAT.body, headers={"Accept": accept})
    assert CHAT.text(reply) == TEXT


UNKNOWN: list[tuple[str, dict[str, Any], int, str]] = [
    ("/api/chat", {"model": "other", "messages": [{"role": "user", "content": "x"}]}, 404, "model 'other' not found"),
    ("/api/chat", {"messages": [{"role": "user", "content": "x"}]}, 400, "model is required"),
    ("/api/generate", {"model": "other", "prompt": "x"}, 404, "model 'other' not found"),
    ("/api/generate", {"prompt": "x"}, 404, "model '' not found"),
    ("/api/chat", {"model": "other"}, 404, "model 'other' not found"),
    ("/api/chat", {"model": "a\nb", "messages": []}, 400, "invalid model name"),
]


@pytest.mark.parametrize(("path", "asked", "status", "text"), UNKNOWN)
async def test_a_model_that_nobody_serves_is_ollamas_error(
    backend: ScriptedBackend, gateway: Gateway, path: str, asked: dict[str, Any], status: int, text: str
) -> None:
    reply = await gateway.ask(path, asked)
    assert (reply.status, reply.json) == (status, {"error": text})
    assert backend.calls == []


async def test_an_unreadable_list_of_models_lets_the_backend_decide(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.models = None
    backend.play(stream())
    assert CHAT.text(await gateway.ask(CHAT.path, {**CHAT.body, "model": "any:latest"})) == TEXT
    assert backend.calls[0].json["model"] == "any"


async def test_the_default_model_stands_in(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start(DEFAULT_MODEL="m")
    for way in (CHAT_WHOLE, GENERATE_WHOLE):
        for model in ({}, {"model": "other"}):
            backend.play(plain())
            asked = {key: value for key, value in way.body.items() if key != "model"}
            assert way.text(await gateway.ask(way.path, {**asked, **model})) == TEXT
            assert backend.calls[-1].json["model"] == "m"


async def test_an_answer_without_a_word_is_an_answer(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(stream(finish("length"), usage(7, 0), DONE))
    reply = await gateway.ask(CHAT.path, CHAT.body)
    assert CHAT.text(reply) == ""
    assert reply.lines[-1]["done_reason"] == "length"


async def test_characters_of_the_world_arrive_as_they_are(backend: ScriptedBackend, gateway: Gateway) -> None:
    text = 'Grüße \N{GRINNING FACE} \u2028\u0085 "quoted" \\ \x00 日本語'
    backend.play(stream(*(token(char) for char in text), finish(), DONE))
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == text
    backend.play(plain(completion(text)))
    assert CHAT_WHOLE.text(await gateway.ask(CHAT_WHOLE.path, CHAT_WHOLE.body)) == text
