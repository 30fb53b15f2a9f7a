"""A request that wants images, tools or vectors goes only where nobody denies them."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.codecs.capabilities import able
from gateway.codecs.contract import Profile, Target
from gateway.codecs.embed_questions import EmbedQuestion
from gateway.schemas.ollama import EmbedRequest
from tests.conftest import StartGateway
from tests.support.answers import completion, embeddings, plain
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway

PICTURE = "iVBORw0KGgo="
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
LOOK = [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
]
LACKS = {"vision": "vision", "tools": "function_calling", "embedding": "embeddings"}
"""How a list says that a model cannot do it."""


def user(content: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content, **more}]


@dataclass(frozen=True)
class Wish:
    """A request that wants something, and the answer to it."""

    needs: str
    path: str
    body: dict[str, Any]

    @property
    def answer(self) -> dict[str, Any] | None:
        """What a backend says; None: a completion."""
        return embeddings([1.0, 0.0]) if self.needs == "embedding" else None


WISHES = {
    "chat, image": Wish("vision", "/api/chat", {"messages": user("?", images=[PICTURE])}),
    "generate, image": Wish("vision", "/api/generate", {"prompt": "?", "images": [PICTURE]}),
    "v1, image": Wish("vision", "/v1/chat/completions", {"messages": user(LOOK)}),
    "chat, tools": Wish("tools", "/api/chat", {"messages": user("?"), "tools": TOOLS}),
    "v1, tools": Wish("tools", "/v1/chat/completions", {"messages": user("?"), "tools": TOOLS}),
    "embed": Wish("embedding", "/api/embed", {"input": "a"}),
    "embeddings": Wish("embedding", "/api/embeddings", {"prompt": "a"}),
    "v1, embeddings": Wish("embedding", "/v1/embeddings", {"input": "a"}),
}


@pytest.fixture
async def other(backend: ScriptedBackend) -> AsyncIterator[ScriptedBackend]:
    """Another backend that lists the same model."""
    async with ScriptedBackend() as second:
        yield second


async def gateway_before(start: StartGateway, folder: Path, *backends: ScriptedBackend, **more: object) -> Gateway:
    """Return a gateway before these, asked in this order where nothing speaks against it."""
    entries = [{"name": f"b{at}", "base_url": each.url, "priority": at} for at, each in enumerate(backends)]
    file = folder / "backends.json"
    file.write_text(json.dumps({"backends": entries, **more}))
    return await start(BACKENDS_FILE=str(file))


def asked(*backends: ScriptedBackend) -> list[int]:
    return [len(each.calls) for each in backends]


@pytest.mark.parametrize("name", WISHES)
async def test_a_request_goes_only_where_it_can_be_served(
    backend: ScriptedBackend, other: ScriptedBackend, start: StartGateway, tmp_path: Path, name: str
) -> None:
    wish = WISHES[name]
    backend.facts = {"capabilities": {LACKS[wish.needs]: False}}
    for each in (backend, other):
        each.play(plain(wish.answer))
    gateway = await gateway_before(start, tmp_path, backend, other)
    for _ in range(3):
        assert (await gateway.ask(wish.path, {"model": "m", "stream": False, **wish.body})).status == 200
    assert asked(backend, other) == [0, 3]


async def test_where_it_can_be_served_does_not_stand_in_when_down(
    backend: ScriptedBackend, other: ScriptedBackend, start: StartGateway, tmp_path: Path
) -> None:
    backend.facts = {"capabilities": {"vision": False}}
    gateway = await gateway_before(start, tmp_path, backend, other)
    await gateway.ask("/api/tags", method="GET")
    await other.stop()
    reply = await gateway.ask("/api/chat", {"model": "m", "messages": user("?", images=[PICTURE])})
    assert reply.status == 502, "the blind one would have answered about a picture it never saw"
    assert asked(backend) == [0]


async def test_a_fallback_that_can_serve_it_answers_for_a_model_that_cannot(
    backend: ScriptedBackend, other: ScriptedBackend, start: StartGateway, tmp_path: Path
) -> None:
    backend.facts = {"capabilities": {"vision": False}}
    other.models = ["seer"]
    other.play(plain(completion(model="seer")))
    gateway = await gateway_before(start, tmp_path, backend, other, models={"m": {"fallbacks": ["seer"]}})
    reply = await gateway.ask("/api/chat", {"model": "m", "stream": False, "messages": user("?", images=[PICTURE])})
    assert (reply.status, reply.json["remote_model"]) == (200, "seer")
    assert asked(backend, other) == [0, 1]


async def test_what_no_backend_can_serve_is_told_by_the_first(
    backend: ScriptedBackend, other: ScriptedBackend, start: StartGateway, tmp_path: Path
) -> None:
    for each in (backend, other):
        each.facts = {"capabilities": {"function_calling": False}}
    gateway = await gateway_before(start, tmp_path, backend, other)
    reply = await gateway.ask("/api/chat", {"model": "m", "messages": user("?"), "tools": TOOLS})
    assert reply.status == 400
    assert reply.json["error"].endswith("does not support tools")
    assert asked(backend, other) == [0, 0]


def test_vectors_of_another_model_are_no_fallback() -> None:
    question = EmbedQuestion(EmbedRequest(model="m", input="a"))
    first = Target("a", "m", Profile("generic"))
    same, another = (Target("b", model, Profile("generic"), fallback=1) for model in ("m", "n"))
    assert able([first, same, another], question) == [first, same]
