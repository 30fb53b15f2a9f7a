import re

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
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
