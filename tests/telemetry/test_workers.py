"""Two workers, as processes: whichever answers, it answers for both."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.backend import ScriptedBackend
from tests.support.program import Program, client, running, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no workers on Windows")

ADMIN = {"Authorization": "Bearer an-admin-key"}
ASKED = 40


async def scraped(session: aiohttp.ClientSession, program: Program) -> tuple[int, int]:
    """Return how many processes answered a scrape, and how many requests for the version they counted."""
    async with session.get(f"{program.url}/metrics", headers={"Connection": "close"}) as response:
        text = await response.text()
    assert response.status == 200, text
    versions = re.search(r'^gateway_requests_total\{.*route="/api/version".*\} ([\d.]+)$', text, re.MULTILINE)
    processes = re.search(r"^gateway_processes ([\d.]+)$", text, re.MULTILINE)
    assert processes is not None
    assert len(re.findall(r"^process_cpu_seconds_total ", text, re.MULTILINE)) == 1
    return round(float(processes[1])), round(float(versions[1])) if versions is not None else 0


async def ask(session: aiohttp.ClientSession, program: Program) -> str:
    """Ask on a connection of its own, so that any worker may answer; return the request's id."""
    async with session.get(f"{program.url}/api/version", headers={"Connection": "close"}) as response:
        assert response.status == 200
        return response.headers["X-Request-ID"]


@pytest.fixture
async def program(tmp_path: Path, backend: ScriptedBackend) -> AsyncIterator[Program]:
    """A gateway with two workers."""
    settings = {"OPENAI_API_BASE_URL": backend.url, "WORKERS": "2", "ADMIN_KEY": "an-admin-key", "LOG_SAMPLE": "0"}
    async with running(tmp_path, **settings) as started:
        yield started


async def test_whichever_worker_is_asked_the_counters_are_the_sum(program: Program) -> None:
    async with client() as session:
        await asyncio.gather(*(ask(session, program) for _ in range(ASKED)))
        for _ in range(6):
            assert await scraped(session, program) == (2, ASKED)
        async with session.get(f"{program.url}/v1/metrics", headers={"Accept": "application/json"}) as response:
            assert (await response.json())["processes"] == 2


async def test_any_worker_tells_of_a_request_that_another_one_answered(program: Program) -> None:
    async with client() as session:
        ids = [await ask(session, program) for _ in range(8)]
        for request_id in ids:
            url = f"{program.url}/admin/requests/{request_id}"
            async with session.get(url, headers={**ADMIN, "Connection": "close"}) as response:
                assert (await response.json())["request_id"] == request_id


async def test_a_change_of_the_level_reaches_all_workers(program: Program) -> None:
    async with client() as session:
        url, change = f"{program.url}/admin/log-level", {"level": "ERROR"}
        async with session.post(url, json=change, headers=ADMIN) as response:
            assert (await response.json())["processes"] == 2
        before = len(program.log("request"))
        for _ in range(10):
            await ask(session, program)
        assert len(program.log("request")) <= before + 1, "the request that changed the level may still be written"


async def test_no_sum_goes_down_when_a_worker_is_replaced(program: Program) -> None:
    async with client() as session:
        await asyncio.gather(*(ask(session, program) for _ in range(ASKED)))
        assert await scraped(session, program) == (2, ASKED)
        first, second = program.workers()
        first.send_signal(signal.SIGKILL)
        await until(lambda: len(program.workers()) == 2 and first not in program.workers())
        assert second in program.workers()
        async with asyncio.timeout(60):
            while (found := await scraped(session, program))[0] < 2:
                await asyncio.sleep(0.05)
        assert found[1] == ASKED
