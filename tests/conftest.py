"""Fixtures of all tests, and the search for secrets in everything the suite made the gateway say."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from gateway.backends import retries
from gateway.errors import ProxyException
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway, assert_no_task_is_left, running_gateway
from tests.support.secrets import EVIDENCE

type StartGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    """A backend that does what the test tells it."""
    async with ScriptedBackend() as backend:
        yield backend


@pytest.fixture
async def start(backend: ScriptedBackend) -> AsyncIterator[StartGateway]:
    """Starts gateways in front of `backend` (or `at` another address), with settings by their names."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:

        async def start_gateway(at: str | None = None, **settings: str) -> Gateway:
            return await stack.enter_async_context(running_gateway(at or backend, settings))

        yield start_gateway
    await assert_no_task_is_left(before)


@pytest.fixture
async def gateway(start: StartGateway) -> Gateway:
    """A gateway in front of `backend`, without retries."""
    return await start()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts as they should have been; nobody waits for them."""
    taken: list[float] = []

    def no_pause_s(error: ProxyException, attempt: int, longest_s: float) -> float | None:
        pause = retries.pause_s(error, attempt, longest_s)
        if pause is None:
            return None
        taken.append(pause)
        return 0.0

    monkeypatch.setattr("gateway.backends.walk.pause_s", no_pause_s)
    return taken


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what a test let out on stdout and stderr."""
    EVIDENCE.add("output", report.capstdout, report.nodeid)
    EVIDENCE.add("output", report.capstderr, report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the whole run if a secret was said anywhere in it."""
    if leaks := EVIDENCE.leaks():
        for leak in leaks:
            sys.stderr.write(f"a secret was said in {leak.source} by {leak.where}: {leak.text!r}\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
