"""What the browser's tests look at: a gateway in front of three backends, one of them away, and traffic through it."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway.demo import run_demo
from tests.support.gateway import Gateway, running_gateway

PACE_S = 0.02
"""Between two words of a backend: a stream that a reader can watch."""
AWAY_MODEL = "big-model"
"""A model of the backend that cannot be reached."""
KEY = "key-of-the-page"
AT_ONCE = 6
PAUSE_S = 0.15
"""The shortest pause between two questions of one client."""
_QUESTIONS = ("Tell me of the sea", "What is 6*7?", "Write a haiku", "Say it in a few more words, please")
_NOBODY = 1
"""A port on which no server listens."""


@asynccontextmanager
async def scene(folder: Path, **settings: str) -> AsyncIterator[Gateway]:
    """Run the gateway and its backends; the file that names them is written into `folder`."""
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(run_demo(pace_s=pace_s)) for pace_s in (PACE_S, 2 * PACE_S)]
        file = folder / "backends.yaml"
        file.write_text(_BACKENDS.format(*urls, away=_NOBODY, model=AWAY_MODEL), encoding="utf-8")
        yield await stack.enter_async_context(running_gateway("", {"BACKENDS_FILE": str(file), **settings}))


@asynccontextmanager
async def under_load(gateway: Gateway) -> AsyncIterator[None]:
    """Ask until the context closes, with an error now and then."""
    tasks = [asyncio.create_task(_ask(gateway, number)) for number in range(AT_ONCE)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask(gateway: Gateway, number: int) -> None:
    for turn in itertools.count(number):
        model = AWAY_MODEL if turn % 16 == 15 else ("local/demo", "demo", "demo-thinking")[turn % 3]
        message = {"role": "user", "content": _QUESTIONS[turn % len(_QUESTIONS)]}
        path = "/v1/chat/completions" if turn % 4 == 1 else "/api/chat"
        await gateway.ask(path, {"model": model, "messages": [message], "stream": True})
        await asyncio.sleep(PAUSE_S * (1 + turn % 5))


_BACKENDS = """\
backends:
  - {{name: local, base_url: "{0}"}}
  - {{name: cloud, base_url: "{1}", models: ["demo*"], rename: {{small-model: demo}}, priority: 2}}
  - {{name: office, base_url: "http://127.0.0.1:{away}/v1", models: ["{model}"]}}
"""
