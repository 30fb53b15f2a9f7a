from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
from tests.middlewares.application import answering, build, talk


def streams(routes: RouteTable) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        before = request[EXCHANGE].prepared
        await response.prepare(request)
        await response.write(f"{before} {request[EXCHANGE].prepared}".encode())
        return response

    routes.add("GET", "/streams", stream, dialect=Dialect.OLLAMA)


async def test_streams_carry_the_request_id_and_no_server(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(streams))
    response = await client.get("/streams", headers={"X-Request-ID": "mine"})
    assert response.headers["X-Request-ID"] == "mine"
    assert "Server" not in response.headers


async def test_the_exchange_knows_that_the_answer_was_prepared(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(streams))
    assert await (await client.get("/streams")).text() == "False True"


async def test_whole_answers_and_errors_name_no_server(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering()))
    for path in ("/answers", "/nowhere"):
        assert "Server" not in (await client.get(path)).headers


async def test_an_answer_made_before_the_middlewares_is_left_in_peace(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(build(answering()))
    request = b"GET /answers HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\nConnection: close\r\n\r\n"
    answer = await talk(server.port or 0, request)
    assert answer.startswith(b"HTTP/1.1 417 ")
    assert b"server:" not in answer.lower()
