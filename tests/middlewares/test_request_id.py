import re

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
from gateway.middlewares.request_id import trace_id
from tests.middlewares.application import build

MADE = re.compile(r"req_[0-9a-f]{24}")


def shows_exchange(routes: RouteTable) -> None:
    async def show(request: web.Request) -> web.Response:
        exchange = request[EXCHANGE]
        return web.json_response([exchange.request_id, exchange.method, exchange.route, exchange.dialect.value])

    routes.add("GET", "/v1/things/{id}", show, dialect=Dialect.OPENAI)


@pytest.mark.parametrize("offered", ["a", "trace-1.2:3_4", "x" * 128])
async def test_a_sane_id_of_the_client_is_kept_and_returned(aiohttp_client: AiohttpClient, offered: str) -> None:
    client = await aiohttp_client(build(shows_exchange))
    response = await client.get("/v1/things/1", headers={"X-Request-ID": offered})
    assert response.headers["X-Request-ID"] == offered
    assert (await response.json())[0] == offered


@pytest.mark.parametrize("offered", ["", "x" * 129, "a b", "a\tb", "<script>", "é", "a,b"])
async def test_any_other_id_is_replaced(aiohttp_client: AiohttpClient, offered: str) -> None:
    client = await aiohttp_client(build(shows_exchange))
    response = await client.get("/v1/things/1", headers={"X-Request-ID": offered})
    assert MADE.fullmatch(response.headers["X-Request-ID"])


async def test_every_request_without_an_id_gets_its_own(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(shows_exchange))
    made = {(await client.get("/v1/things/1")).headers["X-Request-ID"] for _ in range(3)}
    assert len(made) == 3
    assert all(MADE.fullmatch(one) for one in made)


async def test_the_exchange_has_the_label_and_dialect_of_the_route(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(shows_exchange))
    response = await client.get("/v1/things/secret?key=secret")
    assert (await response.json())[1:] == ["GET", "/v1/things/{id}", "openai"]


async def test_an_unknown_path_gets_an_id_too(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build())
    response = await client.get("/nowhere")
    assert MADE.fullmatch(response.headers["X-Request-ID"])


TRACE, SPAN = "0af7" * 8, "b7ad" * 4


async def test_the_trace_of_a_client_is_noted(aiohttp_client: AiohttpClient) -> None:
    def shows_trace(routes: RouteTable) -> None:
        async def show(request: web.Request) -> web.Response:
            return web.json_response(request[EXCHANGE].trace_id)

        routes.add("GET", "/v1/trace", show, dialect=Dialect.OPENAI)

    client = await aiohttp_client(build(shows_trace))
    traced = await client.get("/v1/trace", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    assert await traced.json() == TRACE
    assert await (await client.get("/v1/trace")).json() is None


@pytest.mark.parametrize("rest", ["-01", "-00"])
def test_a_trace_is_that_of_its_header(rest: str) -> None:
    assert trace_id(f"00-{TRACE}-{SPAN}{rest}") == TRACE


def test_a_later_version_may_have_more_fields() -> None:
    assert trace_id(f"01-{TRACE}-{SPAN}-01-more") == TRACE


@pytest.mark.parametrize(
    "header",
    [
        "",
        "x",
        TRACE,
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_what_is_no_traceparent_names_no_trace(header: str) -> None:
    assert trace_id(header) is None
