"""The mix of a soak: what clients do all day, good and bad, each with the answer that is right."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from tests.support.answers import ROLE, error, token
from tests.support.backend import ScriptedBackend, close, head, send

type Deed = Callable[["Clients"], Awaitable[bool]]
"""Something a client does; whether the answer was right."""


class Clients:
    """Clients of one gateway, and the backend that they make fail. `seed` decides what they do, and in which order."""

    def __init__(self, url: str, session: aiohttp.ClientSession, faulty: ScriptedBackend, seed: int) -> None:
        self.url = url
        self.session = session
        self.faulty = faulty
        self.done: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self._random = random.Random(seed)

    async def work(self, seconds: float, count: int) -> None:
        """Have `count` clients work side by side for a time."""
        ends_s = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(self._work_until(ends_s) for _ in range(count)))

    async def _work_until(self, ends_s: float) -> None:
        while asyncio.get_running_loop().time() < ends_s:
            deed = self._random.choice(DEEDS)
            try:
                right = await deed(self)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                right = False
            self.done[deed.__name__] += 1
            if not right:
                self.wrong[deed.__name__] += 1

    def ask(self, path: str, **body: Any) -> Any:
        """Send a request; a quarter of them on a connection of its own."""
        headers = {"Connection": "close"} if self._random.random() < 0.25 else {}
        return self.session.post(f"{self.url}{path}", json=body, headers=headers)


def _messages(text: str = "hello there") -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def stream_lines(clients: Clients) -> bool:
    """Stream Ollama's lines to the end."""
    async with clients.ask("/api/chat", model="demo", messages=_messages()) as response:
        lines = [json.loads(line) async for line in response.content]
    return response.status == 200 and bool(lines[-1]["done"]) and not any(line["done"] for line in lines[:-1])


async def ask_for_one_object(clients: Clients) -> bool:
    """Ask Ollama's way for an answer in one piece."""
    async with clients.ask("/api/generate", model="demo", prompt="hello", stream=False) as response:
        body = await response.json()
    return response.status == 200 and body["done"] is True and bool(body["response"])


async def stream_events(clients: Clients) -> bool:
    """Stream OpenAI's events to the end."""
    async with clients.ask("/v1/chat/completions", model="demo", stream=True, messages=_messages()) as response:
        body: bytes = await response.read()
    return response.status == 200 and body.endswith(b"data: [DONE]\n\n")


async def ask_for_a_completion(clients: Clients) -> bool:
    """Ask OpenAI's way for an answer in one piece, after a long prompt."""
    messages = _messages("word " * 2000)
    async with clients.ask("/v1/chat/completions", model="demo", messages=messages) as response:
        body = await response.json()
    return response.status == 200 and bool(body["choices"][0]["message"]["content"])


async def embed(clients: Clients) -> bool:
    """Ask for vectors."""
    async with clients.ask("/api/embed", model="demo-embed", input=["one", "two", "three"]) as response:
        body = await response.json()
    return response.status == 200 and len(body["embeddings"]) == 3


async def leave(clients: Clients) -> bool:
    """Leave a stream after its first line."""
    async with clients.ask("/api/chat", model="demo", messages=_messages()) as response:
        line = await response.content.readline()
        response.close()
    return not json.loads(line)["done"]


async def send_nonsense(clients: Clients) -> bool:
    """Send what is no JSON."""
    async with clients.session.post(f"{clients.url}/api/chat", data=b'{"model": ') as response:
        body = await response.json()
    return response.status == 400 and "error" in body


async def ask_for_nothing_known(clients: Clients) -> bool:
    """Ask for a model that nobody has, another each time: nothing may be kept of it."""
    async with clients.ask("/api/chat", model=f"none-{clients.done.total()}", messages=_messages()) as response:
        body = await response.json()
    return response.status == 404 and "not found" in body["error"]


async def meet_a_busy_backend(clients: Clients) -> bool:
    """Ask a backend that refuses."""
    clients.faulty.play(error(503, "busy"))
    async with clients.ask("/api/chat", model="faulty", messages=_messages()) as response:
        body = await response.read()
    return b"error" in body


async def meet_a_cut(clients: Clients) -> bool:
    """Ask a backend that dies in its answer."""
    clients.faulty.play([head(), send(ROLE + token("a")), close])
    async with clients.ask("/v1/chat/completions", model="faulty", stream=True, messages=_messages()) as response:
        body = await response.read()
    return b"error" in body and not body.endswith(b"data: [DONE]\n\n")


async def look_around(clients: Clients) -> bool:
    """Read lists and metrics."""
    statuses = []
    for path in ("/api/tags", "/v1/models", "/api/ps", "/metrics", "/health"):
        async with clients.session.get(f"{clients.url}{path}") as response:
            await response.read()
            statuses.append(response.status)
    return set(statuses) <= {200, 503}


DEEDS: tuple[Any, ...] = (
    *(stream_lines, ask_for_one_object, stream_events, ask_for_a_completion, embed, leave),
    *(send_nonsense, ask_for_nothing_known, meet_a_busy_backend, meet_a_cut, look_around),
)
