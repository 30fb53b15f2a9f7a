"""Two gateways behind a real nginx, with the file that users are given, and one Redis: as one, and as lasting."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.reach import REST_S
from tests.e2e.processes import free_port
from tests.support.answers import DONE, ROLE, finish, stream, token
from tests.support.backend import Call, ScriptedBackend, Step, end, head, send, sleep, wait
from tests.support.minutes import wait_for_a_young_minute
from tests.support.program import PATIENCE_S, Program, running, until
from tests.support.proxies import proxied, unchecked
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.slow

PARTS = 6
TEXT = "".join(f"part{number} " for number in range(PARTS))
QUESTION = [{"role": "user", "content": "hi"}]
CHAT: dict[str, Any] = {"model": "m", "messages": QUESTION}
WAYS: dict[str, dict[str, Any]] = {
    "/api/chat": CHAT,
    "/api/generate": {"model": "m", "prompt": "hi"},
    "/v1/chat/completions": {**CHAT, "stream": True},
}
"""The streaming routes, each with a request."""
LIMIT = 12


@dataclass(slots=True)
class Pair:
    """Two gateways by their ports, and nginx in front; one that was replaced is still in the stack."""

    folder: Path
    settings: dict[str, str]
    stack: AsyncExitStack
    url: str = ""
    gateways: dict[int, Program] = field(default_factory=dict)
    started: int = 0

    async def start(self, port: int) -> None:
        """Start a gateway, and wait until it serves."""
        self.started += 1
        folder = self.folder / f"gateway{self.started}"
        folder.mkdir()
        program = running(folder, "--port", str(port), **self.settings)
        self.gateways[port] = await self.stack.enter_async_context(program)

    def answered(self) -> Counter[int]:
        """Return how many requests each has answered, as nginx's log says: of those it asked for one, the last."""
        lines = (self.folder / "gateway.log").read_text("utf-8").splitlines()
        return Counter(int(line.rpartition(":")[2]) for line in lines if '"POST ' in line)

    def refusals(self) -> int:
        """Return how often nobody listened where nginx asked."""
        return (self.folder / "error.log").read_text("utf-8").count("Connection refused) while connecting to upstream")


@asynccontextmanager
async def two_gateways(folder: Path, **settings: str) -> AsyncIterator[Pair]:
    """Run two gateways with equal settings behind nginx."""
    async with AsyncExitStack() as stack:
        pair = Pair(folder, {**settings, "TRUSTED_PROXIES": "127.0.0.1"}, stack)
        first, second = free_port(), free_port()
        await asyncio.gather(pair.start(first), pair.start(second))
        pair.url = stack.enter_context(proxied("nginx", folder, (first, second)))
        yield pair


def client(address: str = "127.0.0.1") -> aiohttp.ClientSession:
    """Return a client of that address with as many connections as it likes."""
    connector = aiohttp.TCPConnector(limit=0, local_addr=(address, 0), ssl=unchecked())
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=PATIENCE_S))


# Streams


async def test_each_token_arrives_before_the_next_one_is_sent(tmp_path: Path, backend: ScriptedBackend) -> None:
    async with two_gateways(tmp_path, OPENAI_API_BASE_URL=backend.url) as pair, client() as session:
        for path, body in [*WAYS.items()] * 2:
            seen = [asyncio.Event() for _ in range(PARTS)]
            steps = [step for number in range(PARTS) for step in (send(token(f"part{number} ")), wait(seen[number]))]
            backend.play([head(), send(ROLE), *steps, send(finish(), DONE), end])
            async with asyncio.timeout(PATIENCE_S), session.post(f"{pair.url}{path}", json=body) as response:
                for number in range(PARTS):
                    # The backend waits: were the token held back until another one comes, this would never return.
                    await response.content.readuntil(f"part{number} ".encode())
                    seen[number].set()
                assert response.status == 200
                assert await response.read()
        assert pair.answered().keys() == pair.gateways.keys()


async def test_a_client_that_leaves_ends_the_stream_of_the_backend(tmp_path: Path, backend: ScriptedBackend) -> None:
    never = asyncio.Event()
    backend.play([head(), send(ROLE, token("part0 ")), wait(never)])
    async with two_gateways(tmp_path, OPENAI_API_BASE_URL=backend.url) as pair, client() as session:
        for number, (path, body) in enumerate([*WAYS.items()] * 2):
            async with session.post(f"{pair.url}{path}", json=body) as response:
                await response.content.readuntil(b"part0 ")
                call = await backend.call(number)
                assert not call.closed.is_set()
                assert response.connection is not None
                assert response.connection.transport is not None
                # As a process ends: closed politely, TLS would first wait for the other side's farewell.
                response.connection.transport.abort()
            await call.left()
        assert pair.answered().keys() == pair.gateways.keys()


# Replacement


async def ask_on(stop: asyncio.Event, url: str, body: dict[str, Any] | None) -> int:
    """Ask one request after the other, a model or for the list of models; every single answer must be whole."""
    count = 0
    async with client() as session:
        while not stop.is_set():
            async with session.request("GET" if body is None else "POST", url, json=body) as response:
                said = await response.text()
                assert response.status == 200, (url, dict(response.headers), said)
                assert whole(said) or body is None, (url, dict(response.headers), said)
            count += 1
            await asyncio.sleep(0.005)
    return count


def whole(said: str) -> bool:
    """Tell whether an answer, of any route and in one piece or many, has each part once and in order, and its end."""
    return "".join(re.findall(r"part\d ", said)) == TEXT and ('"done":true' in said or "data: [DONE]" in said)


def script(held: Mapping[str, asyncio.Event]) -> Sequence[Step]:
    """Return a stream of TEXT, which stays in its middle until the event that its question names."""

    async def stay(call: Call) -> None:
        for name, event in held.items():
            if name in call.body.decode():
                await event.wait()

    rest = [step for number in range(1, PARTS) for step in (send(token(f"part{number} ")), sleep(0.02))]
    return [head(), send(ROLE, token("part0 ")), stay, *rest, send(finish(), DONE), end]


async def replace(pair: Pair, port: int, question: str, go_on: asyncio.Event, session: aiohttp.ClientSession) -> None:
    """Stop a gateway in the middle of streams; another one serves in its place before the old one has ended."""
    old = pair.gateways[port]
    body = {**CHAT, "messages": [{"role": "user", "content": question}]}
    streams = [await begun(session, f"{pair.url}/api/chat", body) for _ in range(10)]
    old.process.terminate()
    async with asyncio.timeout(PATIENCE_S):
        while await listens(port):
            await asyncio.sleep(0.02)
    assert old.process.returncode is None, "the streams should have kept it"
    await pair.start(port)
    assert old.process.returncode is None, "the streams should have kept it"
    # nginx has found it again: only now may the other one go.
    before = pair.answered()[port]
    await until(lambda: pair.answered()[port] > before + 10)
    go_on.set()
    for response in streams:
        assert whole(f"part0 {await response.text()}")
    assert await old.ended() == 0, old.text


async def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of 127.0.0.1."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def begun(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> aiohttp.ClientResponse:
    """Ask for a stream; return it when its first piece is there."""
    response = await session.post(url, json=body)
    assert response.status == 200
    assert b"part0 " in await response.content.readline()
    return response


async def test_replacing_one_gateway_after_the_other_loses_nothing(tmp_path: Path, backend: ScriptedBackend) -> None:
    held = {"stay for one": asyncio.Event(), "stay for two": asyncio.Event()}
    backend.play(script(held))
    stop = asyncio.Event()
    async with two_gateways(tmp_path, OPENAI_API_BASE_URL=backend.url) as pair, client() as session:
        asked: list[tuple[str, dict[str, Any] | None]] = [*WAYS.items()] * 2
        asked += [("/api/chat", {**CHAT, "stream": False}), ("/api/tags", None)] * 3
        async with asyncio.TaskGroup() as tasks:
            clients = [tasks.create_task(ask_on(stop, f"{pair.url}{path}", body)) for path, body in asked]
            for port, (question, go_on) in zip(list(pair.gateways), held.items(), strict=True):
                await replace(pair, port, question, go_on, session)
            stop.set()
        assert all(task.result() for task in clients)
        assert pair.refusals() > 0, "nginx should have met a gateway that was gone"


# Limits


async def test_limits_of_a_client_hold_over_both_gateways(tmp_path: Path, backend: ScriptedBackend) -> None:
    backend.play(stream())
    redis = RedisServer(tmp_path)
    redis.start()
    settings = {"OPENAI_API_BASE_URL": backend.url, "REDIS_URL": redis.url, "RATE_LIMIT_RPM": str(LIMIT)}
    try:
        async with two_gateways(tmp_path, **settings) as pair:
            statuses, asked = await counted_together(pair, backend)
            assert pair.answered().keys() == pair.gateways.keys()
    finally:
        redis.stop()
    assert [dict(found) for found in statuses] == [{200: LIMIT, 429: 2 * LIMIT}] * 2
    assert asked == 2 * LIMIT


async def counted_together(pair: Pair, backend: ScriptedBackend) -> tuple[Sequence[Counter[int]], int]:
    """Return what two clients were told that ask at the same time, and how often the backend was asked."""
    for number in range(2, 40, 2):
        await asyncio.to_thread(wait_for_a_young_minute)
        before, calls = await missed(pair), len(backend.calls)
        # Their addresses, which nginx alone sees; what one of them says of itself does not count.
        first, second = f"127.0.0.{number}", f"127.0.0.{number + 1}"
        statuses = await asyncio.gather(
            burst(pair.url, first, {}), burst(pair.url, second, {"X-Forwarded-For": first, "Forwarded": f"for={first}"})
        )
        if await missed(pair) == before:
            return statuses, len(backend.calls) - calls
        # A machine so busy that Redis took too long: each gateway then counts for itself, as it should.
        await asyncio.sleep(REST_S)
    pytest.fail("Redis never answered in time")


async def missed(pair: Pair) -> int:
    """Return how often the gateways could not count together."""
    texts: list[str] = []
    async with client() as session:
        for port in pair.gateways:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
                texts.append(await response.text())
    return sum(int(float(re.findall(r"^gateway_shared_limits_missed_total (\S+)", text, re.M)[0])) for text in texts)


async def burst(url: str, address: str, headers: dict[str, str]) -> Counter[int]:
    """Ask three times as often as a client of that address may; return the statuses."""
    statuses: Counter[int] = Counter()

    async def ask(session: aiohttp.ClientSession) -> None:
        for _ in range(LIMIT):
            async with session.post(f"{url}/api/chat", json=CHAT, headers=headers) as response:
                await response.read()
                statuses[response.status] += 1

    async with client(address) as session:
        await asyncio.gather(*(ask(session) for _ in range(3)))
    return statuses
