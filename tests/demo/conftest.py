"""A demo backend on a real socket, without any pause between words."""

import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from pytest_aiohttp import AiohttpClient

from gateway.demo import create_demo_app

type Json = dict[str, Any]
type Demo = TestClient[Request, Application]
type Ask = Callable[..., Awaitable[Json]]


@pytest.fixture
async def demo(aiohttp_client: AiohttpClient) -> Demo:
    """A client of a running demo backend."""
    return await aiohttp_client(create_demo_app(pace_s=0))


@pytest.fixture
def post(demo: Demo) -> Ask:
    """Posts a body and returns the answer with its status as `status`."""

    async def send(path: str, body: object) -> Json:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with demo.post(path, data=io.BytesIO(data)) as response:
            return {"status": response.status, **await response.json()}

    return send


@pytest.fixture
def chat(post: Ask) -> Ask:
    """Sends one user text (or whole messages) to a model and returns the answer."""

    async def send(said: str | list[Json], model: str = "demo", **options: Any) -> Json:
        messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
        return await post("/v1/chat/completions", {"model": model, "messages": messages, **options})

    return send


@pytest.fixture
def chunks(demo: Demo) -> Callable[..., Awaitable[list[Json]]]:
    """Posts a streamed request and returns its chunks; the stream must end with `[DONE]`."""

    async def send(path: str, **body: Any) -> list[Json]:
        async with demo.post(path, json={**body, "stream": True}) as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"
            events = (await response.text()).split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""]
        return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]

    return send
