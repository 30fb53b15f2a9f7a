"""Streams: events as they come, and clients that leave."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from gateway.demo import create_demo_app, run_demo

type Chunks = Callable[..., Awaitable[list[dict[str, Any]]]]
type Ask = Callable[..., Awaitable[dict[str, Any]]]

PATH = "/v1/chat/completions"
HELLO = {"model": "demo", "messages": [{"role": "user", "content": "hi"}]}


async def test_a_stream_says_exactly_what_the_plain_answer_says(chunks: Chunks, chat: Ask) -> None:
    plain = await chat("Is this  the same?\n\nYes, «it» is 👍")
    messages = [{"role": "user", "content": "Is this  the same?\n\nYes, «it» is 👍"}]
    streamed = await chunks(PATH, model="demo", messages=messages)
    words = [chunk["choices"][0]["delta"].get("content", "") for chunk in streamed]
    assert "".join(words) == plain["choices"][0]["message"]["content"]
    assert len([word for word in words if word]) == plain["usage"]["completion_tokens"] > 10


async def test_the_first_delta_has_the_role_and_the_last_the_finish(chunks: Chunks) -> None:
    streamed = await chunks(PATH, **HELLO)
    assert streamed[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert streamed[-1]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in streamed[:-1])
    assert len({(chunk["id"], chunk["created"], chunk["system_fingerprint"]) for chunk in streamed}) == 1
    assert {chunk["object"] for chunk in streamed} == {"chat.completion.chunk"}


async def test_usage_comes_last_and_only_when_asked_for(chunks: Chunks, chat: Ask) -> None:
    asked = await chunks(PATH, **HELLO, stream_options={"include_usage": True})
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"] == (await chat("hi"))["usage"]
    assert all(chunk["usage"] is None for chunk in asked[:-1])
    assert all("usage" not in chunk for chunk in await chunks(PATH, **HELLO))


async def test_each_streamed_token_has_its_log_probability(chunks: Chunks) -> None:
    streamed = await chunks(PATH, **HELLO, logprobs=True, top_logprobs=1)
    for chunk in streamed:
        choice = chunk["choices"][0]
        if choice["delta"].get("content"):
            assert [entry["token"] for entry in choice["logprobs"]["content"]] == [choice["delta"]["content"]]


async def test_words_come_one_by_one(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(create_demo_app(pace_s=3600))
    async with aiohttp.ClientSession() as session:
        response = await session.post(server.make_url(PATH), json={**HELLO, "stream": True})
        first = json.loads((await response.content.readline()).removeprefix(b"data: "))
        assert first["choices"][0]["delta"]["role"] == "assistant"
        response.close()


async def test_a_client_that_leaves_ends_its_stream_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async with run_demo(pace_s=3600) as base, aiohttp.ClientSession() as session:
        before = asyncio.all_tasks()
        response = await session.post(base / "chat/completions", json={**HELLO, "stream": True})
        await response.content.readline()
        serving = asyncio.all_tasks() - before
        response.close()
        _, running = await asyncio.wait(serving, timeout=30)
        assert not running
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_writing_to_a_client_that_left_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    # Without cancellation the stream finds out by itself, at its next word.
    runner = web.AppRunner(create_demo_app(pace_s=0.01), handler_cancellation=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as session:
        response = await session.post(f"http://127.0.0.1:{site.port}{PATH}", json={**HELLO, "stream": True})
        await response.content.readline()
        serving = asyncio.all_tasks() - before
        response.close()
        _, running = await asyncio.wait(serving, timeout=30)
        assert not running
    await runner.cleanup()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
