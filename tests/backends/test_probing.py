"""What probes find, and that they go on."""

import asyncio
import contextvars
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from yarl import URL

from gateway.backends.backend import Backend
from gateway.backends.probing import REMEMBERED_S, Prober

MARK: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="none")


class Probed:
    """A backend whose answer to a probe a test sets; counts the probes, and `asked` is set by each."""

    def __init__(self) -> None:
        self.status = 200
        self.body = '{"data":[]}'
        self.requests = 0
        self.asked = asyncio.Event()
        self.held = asyncio.Event()
        self.held.set()

    async def answer(self, _request: web.Request) -> web.Response:
        self.requests += 1
        self.asked.set()
        await self.held.wait()
        return web.Response(text=self.body, status=self.status)


class Clock:
    """Seconds that pass only when a test adds to `now_s`."""

    def __init__(self) -> None:
        self.now_s = 5.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def probed() -> Probed:
    return Probed()


@pytest.fixture
async def server(probed: Probed) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_get("/v1/models", probed.answer)
    server = TestServer(app)
    async with server:
        yield server
        probed.held.set()


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


def backend_at(url: URL, *, key: str | None = "backend-key-1234567") -> Backend:
    secret = SecretStr(key) if key is not None else None
    return Backend("main", url, api_key=secret, pass_client_key=key is None)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def prober(server: TestServer, session: ClientSession, clock: Clock) -> Prober:
    return Prober(session, backend_at(server.make_url("/v1")), 10, clock=clock)


def test_before_the_first_probe_the_backend_is_degraded_and_usable(prober: Prober) -> None:
    assert (prober.status, prober.usable) == ("degraded", True)
    assert (prober.latency_ms, prober.checked_at_s) == (None, None)


async def test_a_backend_that_answers_is_healthy(prober: Prober, probed: Probed) -> None:
    await prober.probe()
    assert (prober.status, prober.usable, prober.latency_ms) == ("healthy", True, 0)
    assert prober.checked_at_s is not None
    assert probed.requests == 1


@pytest.mark.parametrize(
    ("status", "body"), [(401, "{}"), (404, "{}"), (429, "{}"), (500, "{}"), (302, ""), (200, "<html>"), (200, "")]
)
async def test_a_backend_that_answers_with_an_error_is_degraded_and_asked_once(
    status: int, body: str, prober: Prober, probed: Probed
) -> None:
    probed.status, probed.body = status, body
    await prober.probe()
    assert (prober.status, prober.usable) == ("degraded", True)
    assert prober.latency_ms is not None
    assert probed.requests == 1


@pytest.mark.parametrize(("status", "found"), [(401, "healthy"), (403, "healthy"), (500, "degraded")])
async def test_a_backend_that_wants_the_clients_key_is_healthy(
    status: int, found: str, server: TestServer, session: ClientSession, probed: Probed
) -> None:
    probed.status = status
    prober = Prober(session, backend_at(server.make_url("/v1"), key=None), 10)
    await prober.probe()
    assert (prober.status, prober.usable) == (found, True)


async def test_a_backend_that_is_gone_is_degraded_for_a_while_and_then_unhealthy_and_never_usable(
    prober: Prober, server: TestServer, clock: Clock
) -> None:
    await prober.probe()
    await server.close()
    clock.now_s += REMEMBERED_S
    await prober.probe()
    assert (prober.status, prober.usable) == ("degraded", False)
    clock.now_s += 1
    await prober.probe()
    assert (prober.status, prober.usable) == ("unhealthy", False)


async def test_a_backend_that_was_never_reached_is_unhealthy_and_comes_back(
    server: TestServer, session: ClientSession, probed: Probed
) -> None:
    probed.held.clear()
    prober = Prober(session, backend_at(server.make_url("/v1")), 0.05)
    await prober.probe()
    assert (prober.status, prober.usable, prober.latency_ms) == ("unhealthy", False, None)
    probed.held.set()
    prober = Prober(session, backend_at(server.make_url("/v1")), 10)
    await prober.probe()
    assert (prober.status, prober.usable) == ("healthy", True)


async def test_probing_starts_at_once_without_delaying_the_start_and_goes_on(
    server: TestServer, session: ClientSession, probed: Probed
) -> None:
    probed.held.clear()
    prober = Prober(session, backend_at(server.make_url("/v1")), 10, interval_s=0)
    prober.start()
    assert prober.checked_at_s is None
    async with asyncio.timeout(10):
        await probed.asked.wait()
        probed.held.set()
        while probed.requests < 3:
            await asyncio.sleep(0.001)
    await prober.aclose()
    requests = probed.requests
    await asyncio.sleep(0.01)
    assert (probed.requests, prober.status) == (requests, "healthy")


async def test_an_unforeseen_error_does_not_end_the_probing(
    prober: Prober, probed: Probed, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    good = asyncio.Event()

    async def probe() -> None:
        seen.append(MARK.get())
        if len(seen) == 1:
            raise KeyError("bug")
        good.set()

    monkeypatch.setattr(prober, "probe", probe)
    monkeypatch.setattr(prober, "_interval_s", 0)
    MARK.set("of the caller")
    prober.start()
    async with asyncio.timeout(10):
        await good.wait()
    await prober.aclose()
    assert seen[0] == "none"


async def test_closing_a_prober_that_never_started_is_fine(prober: Prober) -> None:
    await prober.aclose()
