"""Clients that are answered, refused, cut off and kept waiting, or leave: metrics must agree with what they count."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.e2e.processes import free_port
from tests.support.answers import DONE, ROLE, WORDS, error, event, finish, token
from tests.support.backend import Call, ScriptedBackend, Step, close, end, hang, head, send, sleep, wait
from tests.support.program import Program, client, running

CHAT, V1 = "/api/chat", "/v1/chat/completions"
CLIENT_KEY = "key-of-the-load"
PROMPT = "prompt-of-the-load"
AT_ONCE = 8
"""Each of the two workers lets in so many: whichever of them is asked, nobody waits."""
CROWD = 3 * 2 * AT_ONCE
"""Too many even for both."""
SILENCE_S = 1.0
LARGEST_BYTES = 100_000


class Load:
    """All that is asked of a gateway. Counts are those of its clients; `reported` is what the backend said it used."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, main: ScriptedBackend, silent: ScriptedBackend
    ) -> None:
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.cancelled: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.clocks: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.reported: Counter[str] = Counter()
        self.reached = 0
        """How many requests went to one of the two backends, whatever became of them."""
        self.main, self.silent = main, silent
        self._session = session
        self._url = url
        self._asked = 0

    async def round(self) -> None:
        """Ask everything once, one kind after the other."""
        await self.answered()
        await self.repeated()
        await self.refused()
        await self.cut()
        await self.fail()
        await self.kept_waiting()
        await self.left()
        await self.crowded()

    async def answered(self) -> None:
        """Ask for whole answers, in both dialects, with and without a count of tokens."""
        for route in (CHAT, V1, CHAT, V1):
            self.main.play(self._answer())
            await self._together(route, "m", AT_ONCE)
        self.main.play([head(), send(ROLE, token("a"), token("b"), finish(), DONE), end])
        await self._together(CHAT, "m", AT_ONCE)
        self.answers["none"] += AT_ONCE

    async def repeated(self) -> None:
        """Have a failure made up for by another try."""
        for _ in range(2):
            self.main.play(error(503), self._answer())
            assert await self.ask(CHAT, "m") == 200

    async def refused(self) -> None:
        """Ask without a key, for a model that there is not, and with too large a body."""
        for _ in range(2):
            assert await self.ask(CHAT, "m", key="") == 401
            assert await self.ask(V1, "nobody") == 404
            assert await self.ask(CHAT, "m" * LARGEST_BYTES) == 413
            self.rejected += Counter(("unauthorized", "too_large"))
            self.reached -= 3

    async def cut(self) -> None:
        """Have streams cut after their beginning."""
        self.main.play([head(), send(ROLE + token("a")), close])
        for route in (CHAT, V1):
            assert await self.ask(route, "cut") == 200
            self.broken["backend_connection"] += 1

    async def fail(self, times: int = 14) -> None:
        """Have a model fail until its breaker is open, whichever worker is asked; and ask for one that is nowhere."""
        self.main.play(error(500))
        for _ in range(times):
            assert await self.ask(CHAT, "fails") == 500
        self.reached -= 1
        assert await self.ask(CHAT, "nowhere") == 502

    async def kept_waiting(self) -> None:
        """Have a backend be silent, before its first token and after it."""
        self.silent.play([head(), hang])
        assert await self.ask(CHAT, "silent") == 504
        self.silent.play([head(), send(ROLE + token("a")), hang])
        assert await self.ask(V1, "silent") == 200
        self.clocks += Counter(("first_token", "idle"))
        self.broken["backend_timeout"] += 1

    async def left(self) -> None:
        """Leave before the first token, and after it."""
        self.main.play([head(), hang])
        before = len(self.main.calls)
        waiting = asyncio.create_task(self.ask(CHAT, "m"))
        await self.main.call(before)
        await self._leave(waiting, "waiting")
        self.main.play([head(), send(ROLE + token("a")), hang])
        self.reached += 1
        async with self._opened(CHAT, "m") as response:
            self._note(CHAT, await response.content.readline())
            response.close()
        self.statuses[CHAT, 499] += 1
        self.cancelled["streaming"] += 1

    async def crowded(self) -> None:
        """Come in a crowd: some are let in, some wait for their turn, one of them leaves, the rest is refused."""
        free = asyncio.Event()
        self.main.play([wait(free), *self._answer()])
        before = len(self.main.calls)
        first = self._asked + 1
        asking = [asyncio.create_task(self.ask(CHAT, "m")) for _ in range(CROWD)]
        async with asyncio.timeout(60):
            while sum(one.done() for one in asking) + len(self.main.calls) - before + await self.queue() < CROWD:
                await asyncio.sleep(0.05)
        refused = sum(one.done() for one in asking)
        self.rejected["queue"] += refused
        self.reached -= refused + 1
        let_in = {int(call.json["messages"][0]["content"].removeprefix(PROMPT)) for call in self.main.calls[before:]}
        waiting = [one for number, one in enumerate(asking, first) if not one.done() and number not in let_in]
        await self._leave(waiting[0], "queued")
        async with asyncio.timeout(60):
            while await self.queue() == len(waiting):
                await asyncio.sleep(0.05)
        free.set()
        statuses = await asyncio.gather(*(one for one in asking if one is not waiting[0]))
        assert Counter(statuses) == {503: refused, 200: CROWD - refused - 1}

    async def ask(self, route: str, model: str, key: str = CLIENT_KEY) -> int:
        """Ask for a stream and read it to its end, on a connection of its own so that any worker may answer."""
        self.reached += 1
        async with self._opened(route, model, key) as response:
            self.statuses[route, response.status] += 1
            if response.status == 200:
                async for line in response.content:
                    self._note(route, line)
            return response.status

    async def queue(self) -> int:
        """Return how many requests wait for their turn, as the gateway says."""
        async with self._session.get(f"{self._url}/metrics", headers={"Connection": "close"}) as response:
            found = re.search(r"^gateway_queue_length (\S+)$", await response.text(), re.MULTILINE)
        assert found is not None
        return int(float(found[1]))

    @asynccontextmanager
    async def _opened(self, route: str, model: str, key: str = CLIENT_KEY) -> AsyncIterator[aiohttp.ClientResponse]:
        self._asked += 1
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": f"{PROMPT} {self._asked}"}]}
        if route == V1:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        headers = {"Connection": "close", "x-api-key": key, "Cache-Control": "no-store"}
        async with self._session.post(self._url + route, json=body, headers=headers) as response:
            yield response

    async def _together(self, route: str, model: str, count: int) -> None:
        assert await asyncio.gather(*(self.ask(route, model) for _ in range(count))) == [200] * count

    async def _leave(self, asking: asyncio.Task[int], phase: str) -> None:
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
        self.statuses[CHAT, 499] += 1
        self.cancelled[phase] += 1

    def _note(self, route: str, line: bytes) -> None:
        """Count a line of a stream: its bytes, whether it is a chunk, and the tokens that it tells."""
        self.received["bytes"] += len(line)
        data = line.removeprefix(b"data: ").strip()
        value = json.loads(data) if data and data != b"[DONE]" else {}
        if data and "error" not in value:
            self.received["chunks"] += 1
        if used := value.get("usage"):
            self.received += Counter(input=used["prompt_tokens"], output=used["completion_tokens"])
        elif "eval_count" in value:
            self.received += Counter(input=value["prompt_eval_count"], output=value["eval_count"])

    def _answer(self) -> Sequence[Step]:
        """Return the script of a whole answer, which counts what it says it used when it says so."""

        async def report(call: Call) -> None:
            output, reasoning = len(WORDS) + 5, 5
            self.reported += Counter(input=7, output=output, reasoning=reasoning)
            self.answers["backend"] += 1
            used = {"prompt_tokens": 7, "completion_tokens": output, "total_tokens": 7 + output}
            details = {"completion_tokens_details": {"reasoning_tokens": reasoning}}
            await send(event({"id": "c1", "model": "m", "choices": [], "usage": used | details}), DONE)(call)

        beginning = send(ROLE + token(WORDS[0]))
        return [head(), beginning, sleep(0.02), send(*(token(word) for word in WORDS[1:]), finish()), report, end]


@asynccontextmanager
async def loaded(folder: Path) -> AsyncIterator[tuple[Load, Program]]:
    """Run a gateway of two workers in front of a backend, one that is too slow, and one that is not there."""
    async with AsyncExitStack() as stack:
        main = await stack.enter_async_context(ScriptedBackend())
        silent = await stack.enter_async_context(ScriptedBackend())
        main.models, silent.models = ["m", "cut", "fails"], ["silent"]
        clocks = {"first_token_s": SILENCE_S, "idle_s": SILENCE_S}
        backends = [
            {"name": "main", "base_url": main.url},
            {"name": "silent", "base_url": silent.url, "timeouts": clocks},
            {"name": "nowhere", "base_url": f"http://127.0.0.1:{free_port()}/v1", "models": ["nowhere"]},
        ]
        (folder / "backends.yaml").write_text(yaml.safe_dump({"backends": backends}), "utf-8")
        settings = {
            "BACKENDS_FILE": str(folder / "backends.yaml"),
            "API_KEYS": CLIENT_KEY,
            "METRICS_PUBLIC": "true",
            "WORKERS": "2",
            "MAX_CONCURRENT_REQUESTS": str(2 * AT_ONCE),
            "MAX_QUEUE": "4",
            "REQUEST_MAX_SIZE": str(LARGEST_BYTES),
            "MAX_RETRIES": "1",
            "CACHE_URL": "memory://",
        }
        program = await stack.enter_async_context(running(folder, **settings))
        session = await stack.enter_async_context(client())
        yield Load(session, program.url, main, silent), program
