import asyncio
import json

from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
from tests.middlewares.application import MAX_BYTES, answering, build


async def test_a_large_content_length_is_refused_before_the_body_comes(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(build(answering("POST", "/answers", dialect=Dialect.OPENAI)))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /answers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n")
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readuntil(b"}}")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["error"]["message"] == "the request body is larger than 1000 bytes"
    # The client sends the body after all: it is dropped, and the connection is not used again.
    writer.write(b"x" * 1001)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_a_route_may_have_a_bound_of_its_own(aiohttp_client: AiohttpClient) -> None:
    def tells(routes: RouteTable) -> None:
        async def tell(request: web.Request) -> web.Response:
            return web.json_response(request[EXCHANGE].body_limit_bytes)

        routes.add("POST", "/larger", tell, dialect=Dialect.OLLAMA, max_body_bytes=MAX_BYTES * 2)

    client = await aiohttp_client(build(tells))
    assert await (await client.post("/larger", data=b"x" * MAX_BYTES * 2)).json() == MAX_BYTES * 2
    response = await client.post("/larger", data=b"x" * (MAX_BYTES * 2 + 1))
    assert (response.status, "2000" in await response.text()) == (413, True)


async def test_a_body_of_just_the_size_passes_and_bounds_the_read(aiohttp_client: AiohttpClient) -> None:
    def tells(routes: RouteTable) -> None:
        async def tell(request: web.Request) -> web.Response:
            return web.json_response([len(await request.read()), request[EXCHANGE].body_limit_bytes])

        routes.add("POST", "/tells", tell, dialect=Dialect.OLLAMA)

    client = await aiohttp_client(build(tells))
    response = await client.post("/tells", data=b"x" * MAX_BYTES)
    assert await response.json() == [MAX_BYTES, MAX_BYTES]
