import asyncio
import json
from collections.abc import Callable
from io import BytesIO

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from gateway.errors import (
    ModelNotFoundError,
    OptionError,
    ProxyException,
    RequestError,
    UpstreamConnectionError,
    UpstreamStatusError,
    UpstreamTimeoutError,
)
from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
from tests.middlewares.application import answering, build, json_lines, raising, talk

CHUNK = b'{"done":false}\n'


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RequestError("what"), 400),
        (OptionError("what"), 500),
        (ModelNotFoundError("what"), 404),
        (UpstreamStatusError(418, "what"), 418),
        (UpstreamConnectionError("what", phase="connect"), 502),
        (UpstreamTimeoutError("what", clock="idle"), 504),
        (web.HTTPConflict(reason="what"), 409),
    ],
)
@pytest.mark.parametrize("dialect", Dialect)
async def test_an_error_is_answered_in_the_dialect_of_the_route(
    aiohttp_client: AiohttpClient, error: Exception, status: int, dialect: Dialect
) -> None:
    client = await aiohttp_client(build(raising(error, dialect=dialect)))
    response = await client.post("/fails")
    assert response.status == status
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    body = await response.json()
    if dialect is Dialect.OLLAMA:
        assert body == {"error": "what"}
    else:
        assert body["error"]["message"] == "what"
        assert body["error"]["request_id"] == response.headers["X-Request-ID"]


async def test_the_headers_of_an_error_are_kept(aiohttp_client: AiohttpClient) -> None:
    error = UpstreamStatusError(429, "slow down", headers={"Retry-After": "7", "X-RateLimit-Limit-Requests": "9"})
    client = await aiohttp_client(build(raising(error)))
    response = await client.post("/fails")
    assert (response.headers["Retry-After"], response.headers["X-RateLimit-Limit-Requests"]) == ("7", "9")


async def test_an_unforeseen_error_tells_the_client_nothing_and_the_log_where(
    aiohttp_client: AiohttpClient, log: BytesIO
) -> None:
    client = await aiohttp_client(build(raising(ZeroDivisionError("private"))))
    response = await client.post("/fails", data=b"private")
    assert response.status == 500
    assert await response.json() == {"error": "internal error"}
    line = next(line for line in json_lines(log.getvalue()) if line["event"] == "unhandled error")
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert line["error_type"] == "ZeroDivisionError"
    assert "application.py" in str(line["traceback"])
    assert b"private" not in log.getvalue()


async def test_an_unknown_path_is_answered_as_ollama_does(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering()))
    for path in ("/nowhere", "/api/nowhere", "/v1/nowhere"):
        response = await client.get(path)
        assert (response.status, await response.text()) == (404, "404 page not found")
        assert response.content_type == "text/plain"


async def test_a_wrong_method_is_answered_as_ollama_does(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering("GET", "/api/x"), answering("HEAD", "/api/x")))
    response = await client.delete("/api/x")
    assert (response.status, await response.text()) == (405, "405 method not allowed")
    assert response.content_type == "text/plain"
    assert response.headers["Allow"] == "GET,HEAD"


async def test_a_404_raised_by_a_route_speaks_its_dialect(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(raising(web.HTTPNotFound(), dialect=Dialect.OPENAI)))
    response = await client.post("/fails")
    assert (await response.json())["error"]["type"] == "not_found_error"


def reading(routes: RouteTable) -> None:
    async def read(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    routes.add("POST", "/reads", read, dialect=Dialect.OLLAMA)


async def test_a_body_that_is_not_gzip_as_it_says_is_a_400(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(reading))
    response = await client.post("/reads", data=b"not gzip", headers={"Content-Encoding": "gzip"})
    assert response.status == 400
    assert "body is broken" in (await response.json())["error"]


async def test_a_body_beyond_aiohttps_own_bound_is_a_413(aiohttp_client: AiohttpClient) -> None:
    too_large = web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2)
    client = await aiohttp_client(build(raising(too_large)))
    response = await client.post("/fails")
    assert (response.status, await response.json()) == (413, {"error": "the request body is too large"})


def failing_midway(error: Exception, *, told_length: int | None = None) -> Callable[[RouteTable], None]:
    async def fail(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = told_length
        await response.prepare(request)
        await response.write(CHUNK)
        raise error

    return lambda routes: _add_stream(routes, fail)


def _add_stream(routes: RouteTable, handler: Handler) -> None:
    routes.add("GET", "/streams", handler, dialect=Dialect.OLLAMA)


STREAM_REQUEST = b"GET /streams HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("error", [ValueError("private"), RequestError("late"), web.HTTPBadRequest(), TimeoutError()])
async def test_an_error_after_prepare_cuts_the_answer_and_writes_no_second_one(
    aiohttp_server: AiohttpServer, error: Exception
) -> None:
    server = await aiohttp_server(build(failing_midway(error)))
    # A second request waits on the same connection: it must not be answered inside the first one's body.
    answer = await talk(server.port or 0, STREAM_REQUEST * 2)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK)


async def test_an_error_after_prepare_cuts_an_answer_with_a_length(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(build(failing_midway(ValueError(), told_length=1000)))
    answer = await talk(server.port or 0, STREAM_REQUEST)
    assert answer.endswith(b"\r\n\r\n" + CHUNK)


async def test_an_error_after_prepare_is_logged_once_with_its_request(
    aiohttp_server: AiohttpServer, log: BytesIO
) -> None:
    server = await aiohttp_server(build(failing_midway(ZeroDivisionError())))
    await talk(server.port or 0, STREAM_REQUEST)
    error, request = json_lines(log.getvalue())
    assert (error["event"], error["error_type"]) == ("unhandled error", "ZeroDivisionError")
    assert (request["status"], request["error"]) == (200, "internal")
    assert error["request_id"] == request["request_id"]


async def test_a_client_that_leaves_while_it_is_written_to_is_quietly_a_499(
    aiohttp_server: AiohttpServer, log: BytesIO
) -> None:
    kinds: list[str | None] = []

    async def write(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        # The client's leaving cancels the handler; this one holds on and meets the closed connection.
        while True:
            try:
                await response.write(CHUNK)
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                kinds.append(request[EXCHANGE].error_kind)

    server = await aiohttp_server(build(lambda routes: _add_stream(routes, write)))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(STREAM_REQUEST)
    await reader.readuntil(CHUNK)
    writer.transport.abort()
    async with asyncio.timeout(10):
        while not log.getvalue():
            await asyncio.sleep(0.01)
    (line,) = json_lines(log.getvalue())
    assert (line["event"], line["status"], line["error"]) == ("request", 499, "client_gone")
    assert kinds == [None]


async def test_a_lost_connection_to_somebody_else_is_not_the_client(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(raising(ConnectionResetError())))
    assert (await client.post("/fails")).status == 500


async def test_the_answer_to_a_head_request_has_no_body(aiohttp_server: AiohttpServer) -> None:
    def fails(routes: RouteTable) -> None:
        async def fail(request: web.Request) -> web.Response:
            raise ProxyException("what")

        routes.add("HEAD", "/heads", fail, dialect=Dialect.OLLAMA)

    server = await aiohttp_server(build(fails))
    answer = await talk(server.port or 0, b"HEAD /heads HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.endswith(b"\r\n\r\n")
    assert json.dumps({"error": "what"}, separators=(",", ":")).encode() not in answer
