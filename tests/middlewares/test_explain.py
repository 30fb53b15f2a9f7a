import re

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from gateway.exchange import EXCHANGE, Dialect, Exchange
from gateway.handlers.routing import RouteTable
from gateway.middlewares.explain import explained, server_timing
from tests.middlewares.application import build

OURS = {"X-Gateway-Backend", "X-Gateway-Model", "X-Gateway-Attempts", "Server-Timing"}


def asks(routes: RouteTable) -> None:
    """Register a route that says it asked a backend, as a whole answer and as a stream."""

    async def whole(request: web.Request) -> web.StreamResponse:
        _ask(request[EXCHANGE])
        return web.Response(text="x")

    async def streams(request: web.Request) -> web.StreamResponse:
        _ask(request[EXCHANGE])
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write_eof(b"x")
        return response

    routes.add("GET", "/whole", whole, dialect=Dialect.OLLAMA, exempt=True)
    routes.add("GET", "/streams", streams, dialect=Dialect.OLLAMA, exempt=True)


def _ask(exchange: Exchange) -> None:
    exchange.attempts, exchange.backend, exchange.backend_model = 2, "main", "llama-3.1"
    exchange.asked_ns = exchange.started_ns + 1


@pytest.mark.parametrize("path", ["/whole", "/streams"])
async def test_answers_say_who_answered_after_how_many_attempts(aiohttp_client: AiohttpClient, path: str) -> None:
    client = await aiohttp_client(build(asks))
    headers = (await client.get(path)).headers
    assert [headers[name] for name in ("X-Gateway-Backend", "X-Gateway-Model", "X-Gateway-Attempts")] == [
        "main",
        "llama-3.1",
        "2",
    ]
    assert re.fullmatch(r"gateway;dur=[\d.]+, backend;dur=[\d.]+, total;dur=[\d.]+", headers["Server-Timing"])


@pytest.mark.parametrize("path", ["/whole", "/streams"])
async def test_who_shows_no_key_where_one_is_wanted_is_told_nothing(aiohttp_client: AiohttpClient, path: str) -> None:
    client = await aiohttp_client(build(asks, api_keys=["key-of-the-gateway"]))
    assert not OURS & set((await client.get(path)).headers)
    shown = await client.get(path, headers={"Authorization": "Bearer key-of-the-gateway"})
    assert set(shown.headers) >= OURS


async def test_what_asked_no_backend_says_nothing_of_one(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(asks))
    assert not OURS & set((await client.get("/nowhere")).headers)


def test_a_name_that_may_not_stand_in_a_header_is_quoted() -> None:
    told = explained(Exchange("1", "POST", attempts=1, backend="main", backend_model="a\r\nX: \u00fc\ud800"))
    assert dict(told)["X-Gateway-Model"] == "a%0D%0AX%3A%20%C3%BC%3F"


def test_the_waits_are_nobodys_time_in_the_gateway() -> None:
    exchange = Exchange(
        "1", "POST", started_ns=0, asked_ns=12_000_000, first_output_ns=50_000_000, waited_ns=40_000_000,
        queued_ns=5_000_000,
    )  # fmt: skip
    timing = "gateway;dur=15.000, backend;dur=38.000, total;dur=60.000, queue;dur=5.000"
    assert server_timing(exchange, 60_000_000) == timing
