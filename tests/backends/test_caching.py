"""The response cache, through a whole gateway: what is given again, and how."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.caching import ReplayedAnswer, cache_wishes
from gateway.codecs.cached_events import Recording, unpack
from gateway.codecs.contract import Profile, Target
from gateway.codecs.events import Event, Failure, Finish, Text
from gateway.exchange import Exchange
from tests.conftest import StartGateway
from tests.support.answers import (
    DONE,
    TEXT,
    embeddings,
    error,
    event,
    finish,
    plain,
    stream,
    token,
    usage,
)
from tests.support.backend import ScriptedBackend
from tests.support.cached import SURE, ask, right, sure
from tests.support.gateway import Gateway
from tests.support.ways import CHAT, CHAT_WHOLE, GENERATE, V1, V1_WHOLE, Way, each_way

DRAW: dict[str, Any] = {"type": "function", "function": {"name": "draw", "parameters": {"type": "object"}}}


@pytest.fixture
async def gateway(start: StartGateway) -> Gateway:
    """A gateway that keeps answers in memory."""
    return await start(CACHE_URL="memory://")


@each_way
async def test_an_answer_is_given_again_without_its_backend(
    backend: ScriptedBackend, start: StartGateway, cache_url: str, way: Way
) -> None:
    gateway = await start(CACHE_URL=cache_url)
    backend.play(right(way), error(500))
    first = await gateway.ask(way.path, sure(way))
    again = await gateway.ask(way.path, sure(way))
    assert (first.headers["X-Cache"], again.headers["X-Cache"]) == ("MISS", "HIT")
    assert way.text(first) == way.text(again) == TEXT
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    if way.v1:
        assert again.body == first.body
    assert len(backend.calls) == 1


@pytest.mark.parametrize(("path", "asked"), [
    ("/api/embed", {"model": "m", "input": ["one", "two"]}),
    ("/api/embeddings", {"model": "m", "prompt": "one"}),
    ("/v1/embeddings", {"model": "m", "input": ["one", "two"]}),
], ids=["embed", "embeddings", "v1"])  # fmt: skip
async def test_embeddings_are_given_again_to_the_last_digit(
    backend: ScriptedBackend, start: StartGateway, cache_url: str, path: str, asked: dict[str, Any]
) -> None:
    gateway = await start(CACHE_URL=cache_url)
    vectors = [[0.1, -0.2, 1e-9], [1 / 3, 2 / 3, -1.5]][: 1 if "prompt" in asked else 2]
    backend.play(plain(embeddings(*vectors)), error(500))
    first = await gateway.ask(path, asked)
    again = await gateway.ask(path, asked)
    assert (first.headers["X-Cache"], again.headers["X-Cache"]) == ("MISS", "HIT")
    for reply in (first, again):
        assert reply.status == 200
        reply.json.pop("total_duration", None)
    shown = [{k: v for k, v in reply.json.items() if not k.endswith("duration")} for reply in (first, again)]
    assert shown[0] == shown[1]
    assert len(backend.calls) == 1


async def test_all_that_an_answer_says_is_given_again(backend: ScriptedBackend, gateway: Gateway) -> None:
    logprobs = {"content": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}]}
    call = {"index": 0, "id": "call_1", "function": {"name": "draw", "arguments": '{"what":"a cat"}'}}
    said = [
        event({"choices": [{"index": 0, "delta": {"reasoning_content": "Hm."}}]}),
        event({"choices": [{"index": 0, "delta": {"content": "Hi"}, "logprobs": logprobs}]}),
        event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}),
        finish("tool_calls"),
        usage(3, 4),
        DONE,
    ]
    backend.play(stream(*said), error(500))
    asked = sure(CHAT, logprobs=True, tools=[DRAW])
    first, again = [(await gateway.ask("/api/chat", asked)).lines for _ in range(2)]
    assert [_timeless(line) for line in again] == [_timeless(line) for line in first]
    shown = {
        name
        for line in again
        for name in ("logprobs", "done_reason", *line["message"])
        if line.get(name) or name in line["message"]
    }
    assert shown >= {"thinking", "content", "tool_calls", "logprobs"}
    assert (again[-1]["prompt_eval_count"], again[-1]["eval_count"]) == (3, 4)


def _timeless(value: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name != "created_at" and not name.endswith("_duration")}


async def test_the_times_of_an_answer_are_those_of_its_request(backend: ScriptedBackend, gateway: Gateway) -> None:
    timings = event(
        {"choices": [], "timings": {"prompt_n": 7, "prompt_ms": 5e6, "predicted_n": 1, "predicted_ms": 5e6}}
    )
    backend.play(stream(token("Hi"), finish(), timings, DONE))
    first, again = [(await gateway.ask("/api/chat", sure(CHAT))).lines[-1] for _ in range(2)]
    assert first["eval_duration"] == first["prompt_eval_duration"] == 5_000_000_000_000
    assert again["created_at"] > first["created_at"]
    for name in ("total_duration", "eval_duration", "prompt_eval_duration"):
        assert again.get(name, 0) < 5_000_000_000_000


async def test_both_forms_of_an_ollama_answer_are_one_where_the_backend_is_asked_alike(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    gateway = await start(CACHE_URL="memory://", PLAIN_REQUESTS="streamed")
    backend.play(right(CHAT), error(500))
    assert await ask(gateway, CHAT, "MISS") == TEXT
    assert await ask(gateway, CHAT_WHOLE, "HIT") == TEXT
    assert len(backend.calls) == 1


async def test_a_long_answer_is_given_again_whole(backend: ScriptedBackend, gateway: Gateway) -> None:
    words = [f"{number} " for number in range(1000)]
    backend.play(stream(*map(token, words), finish(), DONE))
    for wanted in ("MISS", "HIT"):
        reply = await gateway.ask(CHAT.path, sure(CHAT))
        assert reply.headers["X-Cache"] == wanted
        assert [line["message"]["content"] for line in reply.lines] == [*words, ""]


OTHER: dict[str, tuple[Way, dict[str, Any]]] = {
    "model": (CHAT, {"model": "m2"}),
    "seed": (CHAT, {"options": {**SURE, "seed": 8}}),
    "option": (CHAT, {"options": {**SURE, "top_p": 0.5}}),
    "stop": (CHAT, {"options": {**SURE, "stop": ["x"]}}),
    "length": (CHAT, {"options": {**SURE, "num_predict": 5}}),
    "messages": (CHAT, {"messages": [{"role": "user", "content": "hello!"}]}),
    "role": (CHAT, {"messages": [{"role": "system", "content": "hello"}]}),
    "tools": (CHAT, {"tools": [DRAW]}),
    "format": (CHAT, {"format": "json"}),
    "schema": (CHAT, {"format": {"type": "object"}}),
    "think": (CHAT, {"think": False}),
    "logprobs": (CHAT, {"logprobs": True}),
    "prompt": (GENERATE, {"prompt": "hello!"}),
    "raw": (GENERATE, {"raw": True}),
    "system": (GENERATE, {"system": "Be brief."}),
    "v1-seed": (V1, {"seed": 8}),
    "v1-user": (V1, {"user": "somebody"}),
    "v1-unknown": (V1, {"something_new": 1}),
    "v1-usage": (V1, {"stream_options": {"include_usage": True}}),
}


@pytest.mark.parametrize("name", OTHER)
async def test_whatever_is_asked_otherwise_is_another_question(
    backend: ScriptedBackend, gateway: Gateway, name: str
) -> None:
    backend.models = ["m", "m2"]
    way, more = OTHER[name]
    backend.play(right(way, "first"), right(way, "second"), error(500))
    await ask(gateway, way, "MISS")
    await ask(gateway, way, "MISS", **more)
    await ask(gateway, way, "HIT")
    await ask(gateway, way, "HIT", **more)
    assert len(backend.calls) == 2


@pytest.mark.parametrize("more", [{"input": "two"}, {"dimensions": 2}, {"model": "m2"}, {"input": ["one"]}], ids=str)
async def test_other_embeddings_are_other_questions(
    backend: ScriptedBackend, gateway: Gateway, more: dict[str, Any]
) -> None:
    backend.models = ["m", "m2"]
    backend.play(plain(embeddings([0.6, 0.8])))
    asked = {"model": "m", "input": "one"}
    wanted = "HIT" if more == {"input": ["one"]} else "MISS"
    outcomes = [(await gateway.ask("/api/embed", one)).headers["X-Cache"] for one in (asked, {**asked, **more}, asked)]
    assert outcomes == ["MISS", wanted, "HIT"]


async def test_the_two_dialects_and_the_forms_of_v1_do_not_mix(backend: ScriptedBackend, gateway: Gateway) -> None:
    for way in (V1, V1_WHOLE, CHAT):
        backend.play(right(way))
        await ask(gateway, way, "MISS")
    for way in (V1, V1_WHOLE, CHAT):
        assert await ask(gateway, way, "HIT") == TEXT


async def test_who_stands_in_for_an_unknown_model_is_named_from_the_cache_too(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    gateway = await start(CACHE_URL="memory://", DEFAULT_MODEL="m")
    backend.play(right(CHAT))
    for model, remote in (("m", None), ("unknown", "m")):
        for wanted in ("MISS", "HIT"):
            reply = await gateway.ask(CHAT.path, sure(CHAT, model=model))
            assert reply.headers["X-Cache"] == wanted
            assert (reply.lines[-1]["model"], reply.lines[-1].get("remote_model")) == (model, remote)


@pytest.mark.parametrize("options", [{}, {"temperature": 0}, {"seed": 7}, {"temperature": 0.1, "seed": 7}], ids=str)
@each_way
async def test_what_may_come_out_otherwise_is_neither_kept_nor_marked(
    backend: ScriptedBackend, gateway: Gateway, way: Way, options: dict[str, Any]
) -> None:
    asked = {**way.body, **options} if way.v1 else {**way.body, "options": options}
    backend.play(right(way))
    for _ in range(2):
        reply = await gateway.ask(way.path, asked)
        assert way.text(reply) == TEXT
        assert "X-Cache" not in reply.headers
    assert len(backend.calls) == 2


async def test_several_choices_are_not_kept(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(right(V1))
    await ask(gateway, V1, "", n=2)
    await ask(gateway, V1, "", n=2)
    assert len(backend.calls) == 2


async def test_without_a_setting_nothing_is_kept(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start()
    backend.play(right(CHAT))
    await ask(gateway, CHAT, "")
    await ask(gateway, CHAT, "")
    assert len(backend.calls) == 2


async def test_what_a_virtual_model_adds_counts(backend: ScriptedBackend, start: StartGateway, tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    calm = {"model": "m", "options": SURE, "system": "Be calm."}
    path.write_text(json.dumps({"calm": calm, "calmer": {**calm, "system": "Be calmer."}}))
    gateway = await start(CACHE_URL="memory://", MODEL_MAPPING_FILE=str(path))
    for way in (CHAT, V1):
        backend.play(right(way))
        for model, wanted in (("calm", "MISS"), ("calm", "HIT"), ("calmer", "MISS")):
            reply = await gateway.ask(way.path, {**way.body, "model": model})
            assert (way.text(reply), reply.headers["X-Cache"]) == (TEXT, wanted)


@pytest.mark.parametrize("way", [CHAT, V1_WHOLE], ids=lambda way: way.name)
async def test_no_store_is_neither_read_nor_written(
    backend: ScriptedBackend, start: StartGateway, cache_url: str, way: Way
) -> None:
    gateway = await start(CACHE_URL=cache_url)
    backend.play(*(right(way, text) for text in ("first", "second", "third")))
    no_store = {"Cache-Control": "max-age=60, No-Store"}
    for text in ("first", "second"):
        reply = await gateway.ask(way.path, sure(way), headers=no_store)
        assert (way.text(reply), reply.headers["X-Cache"]) == (text, "BYPASS")
    assert await ask(gateway, way, "MISS") == "third"
    assert await ask(gateway, way, "HIT") == "third"


async def test_no_cache_is_not_read_but_written(backend: ScriptedBackend, start: StartGateway, cache_url: str) -> None:
    gateway = await start(CACHE_URL=cache_url)
    backend.play(right(CHAT, "first"), right(CHAT, "second"), error(500))
    assert await ask(gateway, CHAT, "MISS") == "first"
    reply = await gateway.ask(CHAT.path, sure(CHAT), headers={"Cache-Control": "no-cache"})
    assert (CHAT.text(reply), reply.headers["X-Cache"]) == ("second", "MISS")
    assert await ask(gateway, CHAT, "HIT") == "second"


@pytest.mark.parametrize(
    ("header", "wishes"),
    [
        ("", set()),
        ("no-transform, max-age=10", set()),
        ("no-cache", {"no-cache"}),
        ("max-age=0", {"no-cache"}),
        ('MAX-AGE="0"', {"no-cache"}),
        ("no-cache, no-store", {"no-cache", "no-store"}),
        ("no-store-at-all", set()),
    ],
)
def test_cache_control_is_read_word_by_word(header: str, wishes: set[str]) -> None:
    assert cache_wishes(header) == wishes


async def test_a_kept_answer_that_is_told_to_end_says_so() -> None:
    recording = Recording(100_000)
    recording.add([*[Text(str(number)) for number in range(200)], Finish("stop")])
    entry = unpack(recording.pack(b"key", plain=False) or b"", b"key")
    assert entry is not None
    answer = ReplayedAnswer(Exchange("req_1", "POST"), Target("main", "m", Profile("generic")), entry)
    first = await answer.next()
    assert first is not None
    assert all(isinstance(event, Text) for event in first)
    answer.end()
    last: list[Event] | None = await answer.next()
    assert last is not None
    assert [type(event) for event in last] == [Failure]
    assert await answer.next() is None
