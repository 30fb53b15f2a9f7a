"""Breakers as clients and operators meet them: a whole gateway before backends that fail."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.backends import shared_breakers
from gateway.channel import ChannelError
from gateway.handlers import metrics
from gateway.lifecycle import Lifecycle, WorkerPlace
from tests.conftest import StartGateway
from tests.support.answers import error, stream
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway, running_gateway
from tests.support.program import PATIENCE_S, Program, client, gone, running, until
from tests.support.ways import CHAT


async def states(gateway: Gateway) -> dict[str, str]:
    """Return what /health says of the breakers of the one backend, by model."""
    told: dict[str, str] = (await gateway.ask("/health", method="GET")).json["backends"]["main"]["breakers"]
    return told


def changes(gateway: Gateway) -> list[str]:
    """Return the states that the log tells, in their order."""
    return [line["state"] for line in gateway.said() if line["event"] == "breaker"]


async def test_health_metrics_and_log_tell_of_an_open_breaker_and_of_its_end(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    gateway = await start(MAX_RETRIES="0")
    assert await states(gateway) == {}
    backend.play(*[error(503)] * 5, stream())
    for _ in range(5):
        assert (await gateway.ask(CHAT.path, CHAT.body)).status == 503
    assert await states(gateway) == {CHAT.body["model"]: "open"}
    metrics = (await gateway.ask("/metrics", method="GET")).text
    assert 'gateway_breaker_opened_total{backend="main"} 1.0' in metrics
    assert changes(gateway) == ["open"]
    assert (await gateway.ask(CHAT.path, CHAT.body)).status == 200, "the only place there is is asked all the same"
    assert await states(gateway) == {}
    assert changes(gateway) == ["open", "closed"]


async def test_the_keys_that_clients_bring_open_no_breaker_for_others(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    gateway = await start(OPENAI_API_KEY="")
    backend.play(*[error(401)] * 10)
    for _ in range(10):
        headers = {"Authorization": "Bearer a-wrong-one"}
        assert (await gateway.ask(CHAT.path, CHAT.body, headers=headers)).status == 401
    assert await states(gateway) == {}


async def test_a_key_of_ours_that_is_refused_does(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start(OPENAI_API_KEY="one-of-ours")
    backend.play(*[error(401)] * 5)
    for _ in range(5):
        assert (await gateway.ask(CHAT.path, CHAT.body)).status == 401
    assert await states(gateway) == {CHAT.body["model"]: "open"}


# Several workers

ON_ITS_OWN = {"Connection": "close"}
"""Any worker may answer."""
ASKED = 24


@pytest.fixture(autouse=True)
def numbers_of_all_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the numbers of this process in their registry, for tests that come later: a worker takes them out of it."""
    monkeypatch.setattr(metrics, "_leave_process_numbers_to_us", lambda: None)


@pytest.fixture
async def program(tmp_path: Path, backend: ScriptedBackend) -> AsyncIterator[Program]:
    """A gateway with two workers that has just lost its only backend."""
    if sys.platform == "win32":
        pytest.skip("there are no workers on Windows")
    backend.play(*[error(503)] * 5, stream())
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2") as started:
        async with client() as session:
            for _ in range(5):
                assert await chat(session, started) == 503
            await agreed(session, started, CHAT.body["model"])
        await started.logged("breaker")
        yield started


async def chat(session: aiohttp.ClientSession, program: Program) -> int:
    """Ask any worker; return the status."""
    async with session.post(f"{program.url}{CHAT.path}", json=CHAT.body, headers=ON_ITS_OWN) as response:
        await response.read()
        return response.status


async def told_by_all(session: aiohttp.ClientSession, program: Program) -> set[tuple[str, ...]]:
    """Return all that the workers say of the breakers of the one backend: of which models they are not closed."""
    found: set[tuple[str, ...]] = set()
    for _ in range(ASKED):
        async with session.get(f"{program.url}/health", headers=ON_ITS_OWN) as response:
            told: dict[str, Any] = await response.json()
        found.add(tuple(told["backends"]["main"]["breakers"]))
    return found


async def agreed(session: aiohttp.ClientSession, program: Program, *models: str) -> None:
    """Wait until all say so."""
    async with asyncio.timeout(PATIENCE_S):
        while await told_by_all(session, program) != {models}:
            await asyncio.sleep(0.01)


async def metrics_of(session: aiohttp.ClientSession, program: Program, name: str) -> float:
    """Return the sum of a metric, as any worker tells it of all."""
    async with session.get(f"{program.url}/metrics", headers=ON_ITS_OWN) as response:
        found = re.findall(rf"^{name}(?:{{.*}})? (.*)$", await response.text(), re.MULTILINE)
        return sum(map(float, found))


class Supervisor:
    """One that passes nothing on; `answer` is what it says of the breakers, an error if it does not know of them."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def ask(self, topic: str, payload: Any = None, *, timeout_s: float = 5.0) -> Any:
        """Answer anything."""
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    async def collect(self, topic: str, payload: Any = None) -> list[Any]:
        """Know of no worker."""
        return []

    def tell(self, topic: str, payload: Any = None) -> None:
        """Lose it."""


@pytest.mark.parametrize("answer", [ChannelError("nobody answers"), None, [], {"a": 1}, [["main", "m", ["open"]]]])
async def test_a_worker_whose_supervisor_does_not_help_learns_by_itself(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(shared_breakers, "HEARD_WITHIN_S", 0.01)
    lifecycle = Lifecycle(worker=WorkerPlace(0, 2), link=Supervisor(answer))
    backend.play(*[error(503)] * 5)
    async with running_gateway(backend, lifecycle=lifecycle) as gateway:
        assert await states(gateway) == {}
        for _ in range(5):
            assert (await gateway.ask(CHAT.path, CHAT.body)).status == 503
        assert await states(gateway) == {CHAT.body["model"]: "open"}
        await until(lambda: changes(gateway) == ["open"])


async def test_workers_open_and_close_a_breaker_as_one(program: Program) -> None:
    async with client() as session:
        assert await metrics_of(session, program, "gateway_breaker_opened_total") == 1
        assert await metrics_of(session, program, "gateway_breaker_state") == 1
        assert await chat(session, program) == 200
        await agreed(session, program)
        assert [line["state"] for line in await program.logged("breaker", 2)] == ["open", "closed"]
        assert program.log("breaker")[1]["request_id"], "it closed in a request"


async def test_a_worker_that_starts_later_knows_what_the_others_found(program: Program) -> None:
    async with client() as session:
        old, _ = program.workers()
        old.kill()
        await gone([old])
        async with asyncio.timeout(PATIENCE_S):
            while await metrics_of(session, program, "gateway_processes") < 2:
                await asyncio.sleep(0.01)
        await agreed(session, program, CHAT.body["model"])
        program.hang_up()
        await program.logged("workers replaced")
        await agreed(session, program, CHAT.body["model"])
        assert len(program.log("breaker")) == 1
