"""Routes, models and refusals."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from gateway.demo import run_demo

type Ask = Callable[..., Awaitable[dict[str, Any]]]
type Demo = TestClient[Request, Application]

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
CHAT = "/v1/chat/completions"


async def test_the_list_of_models_tells_what_each_can_do(demo: Demo) -> None:
    async with demo.get("/v1/models") as response:
        models = {model["id"]: model for model in (await response.json())["data"]}
    assert list(models) == ["demo", "demo-thinking", "demo-vision", "demo-embed"]
    assert models["demo-embed"]["capabilities"] == ["embedding"]
    assert "thinking" in models["demo-thinking"]["capabilities"]
    assert {model["max_model_len"] for model in models.values()} == {8192}
    assert {(model["object"], model["owned_by"]) for model in models.values()} == {("model", "demo")}


async def test_one_model_reads_like_its_entry_in_the_list_every_time(demo: Demo) -> None:
    async with demo.get("/v1/models") as response:
        listed = (await response.json())["data"][0]
    async with demo.get("/v1/models/demo") as response:
        assert await response.json() == listed


@pytest.mark.parametrize("path", ["/v1/models/no/such", "/v1/models/DEMO"])
async def test_an_unknown_model_is_404_in_the_words_of_openai(demo: Demo, path: str) -> None:
    async with demo.get(path) as response:
        assert response.status == 404
        error = (await response.json())["error"]
    assert error["code"] == "model_not_found"
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("path", "rest"),
    [(CHAT, {"messages": HELLO}), ("/v1/completions", {"prompt": "a"}), ("/v1/embeddings", {"input": "a"})],
)
async def test_every_route_refuses_a_model_it_does_not_have(post: Ask, path: str, rest: dict[str, Any]) -> None:
    answer = await post(path, {"model": "gpt-9", **rest})
    assert (answer["status"], answer["error"]["code"]) == (404, "model_not_found")


async def test_a_model_is_refused_for_what_it_cannot_do(post: Ask) -> None:
    chat = await post(CHAT, {"model": "demo-embed", "messages": HELLO})
    embedding = await post("/v1/embeddings", {"model": "demo", "input": "hi"})
    assert (chat["status"], embedding["status"]) == (400, 400)
    assert "does not support chat" in chat["error"]["message"]
    assert "'demo-embed' does" in embedding["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"model":', b"\xff\xfe\x00", b"[" * 5000])
async def test_a_body_that_is_not_json_is_400(post: Ask, body: bytes) -> None:
    answer = await post(CHAT, body)
    assert (answer["status"], answer["error"]["code"]) == (400, "invalid_json")


async def test_json_that_is_not_an_object_is_400(post: Ask) -> None:
    answer = await post(CHAT, b"[]")
    assert (answer["status"], answer["error"]["message"]) == (400, "The body must be a JSON object.")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "alien", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [*HELLO, {"role": "user", "content": 7}]}, "messages[1].content"),
        ({"messages": [{"role": "tool", "content": "no id"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content[0].text"),
        ({"n": 2}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"stop": 5}, "stop"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"reasoning_effort": "enormous"}, "reasoning_effort"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "nobody"}}}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
    ],
)
async def test_a_wrong_value_is_400_and_names_its_parameter(post: Ask, change: dict[str, Any], param: str) -> None:
    answer = await post(CHAT, {"model": "demo", "messages": HELLO, **change})
    assert (answer["status"], answer["error"]["param"]) == (400, param)
    assert answer["error"]["message"].count("\n") == 0


async def test_a_missing_parameter_is_named(post: Ask) -> None:
    answer = await post(CHAT, {"messages": HELLO})
    assert answer["error"]["message"] == "Missing required parameter: 'model'."


async def test_options_of_streams_are_refused_without_a_stream(post: Ask) -> None:
    answer = await post(CHAT, {"model": "demo", "messages": HELLO, "stream_options": {"include_usage": True}})
    assert (answer["status"], answer["error"]["param"]) == (400, "stream_options")


async def test_null_counts_as_unset_and_unknown_fields_are_let_through(post: Ask) -> None:
    names = ("stop", "n", "tools", "tool_choice", "response_format", "logprobs", "max_tokens", "stream_options")
    answer = await post(CHAT, {"model": "demo", "messages": HELLO, "new_option": 1, **dict.fromkeys(names)})
    assert answer["status"] == 200


async def test_a_prompt_beyond_the_context_is_400(post: Ask) -> None:
    for path, rest in (
        (CHAT, {"model": "demo", "messages": [{"role": "user", "content": "word " * 8193}]}),
        ("/v1/completions", {"model": "demo", "prompt": "word " * 8193}),
        ("/v1/embeddings", {"model": "demo-embed", "input": ["fine", "word " * 8193]}),
    ):
        answer = await post(path, rest)
        assert (answer["status"], answer["error"]["code"]) == (400, "context_length_exceeded")


async def test_unknown_paths_and_wrong_methods_answer_with_an_error_object(demo: Demo) -> None:
    async with demo.get("/v1/nothing") as unknown, demo.get(CHAT) as wrong:
        assert (unknown.status, wrong.status) == (404, 405)
        assert wrong.headers["Allow"] == "POST"
        assert (await unknown.json())["error"]["type"] == "invalid_request_error"
        assert (await wrong.json())["error"]["message"] == f"Method Not Allowed: GET {CHAT}"


async def test_a_gzip_body_is_read_and_a_broken_one_is_400(demo: Demo) -> None:
    body = gzip.compress(json.dumps({"model": "demo", "messages": HELLO}).encode())
    headers = {"Content-Encoding": "gzip"}
    async with demo.post(CHAT, data=body, headers=headers) as good:
        assert good.status == 200
    async with demo.post(CHAT, data=b"not gzip", headers=headers) as bad:
        assert bad.status == 400
        assert (await bad.json())["error"]["type"] == "invalid_request_error"


async def test_bodies_up_to_32_mib_are_read_and_larger_ones_are_413(post: Ask) -> None:
    body = json.dumps({"model": "demo", "messages": HELLO}).encode()
    fits = await post(CHAT, body.ljust(32 * 1024 * 1024 - 1))
    too_large = await post(CHAT, body.ljust(32 * 1024 * 1024 + 1))
    assert (fits["status"], too_large["status"]) == (200, 413)
    assert too_large["error"]["type"] == "invalid_request_error"


async def test_run_demo_serves_on_a_free_port_and_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with run_demo(pace_s=0) as base, run_demo(pace_s=0) as other, aiohttp.ClientSession() as session:
        assert (base.host, base.path, base.port != other.port) == ("127.0.0.1", "/v1", True)
        async with session.get(base / "models") as response:
            assert response.status == 200
    assert asyncio.all_tasks() == before
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(base / "models")


async def test_stopping_ends_a_stream_that_is_still_running() -> None:
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as session:
        async with run_demo(pace_s=3600) as base:
            body = {"model": "demo", "messages": HELLO, "stream": True}
            response = await session.post(base / "chat/completions", json=body)
            assert (await response.content.readline()).startswith(b"data: ")
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    assert asyncio.all_tasks() == before
