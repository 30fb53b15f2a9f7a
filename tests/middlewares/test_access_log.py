import asyncio
from io import BytesIO
from typing import Any

from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from gateway.exchange import EXCHANGE, Dialect, Exchange
from gateway.handlers.routing import RouteTable
from gateway.middlewares.access_log import access_record
from tests.middlewares.application import answering, build, json_lines, raising
from tests.telemetry.capture import captured_logging


def requests_in(log: BytesIO) -> list[dict[str, Any]]:
    return [line for line in json_lines(log.getvalue()) if line["event"] == "request"]


async def test_a_request_is_one_line(aiohttp_client: AiohttpClient, log: BytesIO) -> None:
    client = await aiohttp_client(build(answering()))
    await client.get("/answers", headers={"X-Request-ID": "mine"})
    (line,) = requests_in(log)
    assert line["request_id"] == "mine"
    assert (line["method"], line["route"], line["status"], line["bytes"]) == ("GET", "/answers", 200, 2)
    assert line["duration_ms"] >= 0
    assert line["level"] == "info"
    assert "error" not in line


def test_the_line_says_all_that_is_known_of_an_inference() -> None:
    exchange = Exchange(
        "req_1", "POST", route="/api/chat", started_ns=1_000_000, first_chunk_ns=3_500_000, model="llama3",
        backend="main", attempts=2, stream=True, prompt_tokens=5, completion_tokens=7, error_kind="backend",
    )  # fmt: skip
    assert access_record(exchange, 502, 99, 11_000_000) == {
        "request_id": "req_1",
        "method": "POST",
        "route": "/api/chat",
        "status": 502,
        "duration_ms": 10.0,
        "ttfc_ms": 2.5,
        "stream": True,
        "bytes": 99,
        "attempts": 2,
        "model": "llama3",
        "backend": "main",
        "prompt_tokens": 5,
        "completion_tokens": 7,
        "error": "backend",
    }


async def test_paths_queries_and_headers_stay_out_of_the_line(aiohttp_client: AiohttpClient, log: BytesIO) -> None:
    client = await aiohttp_client(build(answering()))
    headers = {"Authorization": "Bearer private-1", "User-Agent": "private-2"}
    await client.get("/answers?api_key=private-3", headers=headers)
    await client.get("/private-4", headers=headers)
    assert [line["route"] for line in requests_in(log)] == ["/answers", "other"]
    assert b"private" not in log.getvalue()


async def test_a_name_from_a_client_can_neither_break_nor_fill_the_log(
    aiohttp_client: AiohttpClient, log: BytesIO
) -> None:
    def names_model(routes: RouteTable) -> None:
        async def answer(request: web.Request) -> web.Response:
            request[EXCHANGE].model = 'x\n{"event":"forged"}\ud800' + "y" * 5000
            return web.Response()

        routes.add("GET", "/named", answer, dialect=Dialect.OLLAMA)

    client = await aiohttp_client(build(names_model))
    await client.get("/named")
    (line,) = requests_in(log)
    assert line["model"].startswith("x\n{")
    assert len(line["model"]) == 200


async def test_an_error_names_its_kind(aiohttp_client: AiohttpClient, log: BytesIO) -> None:
    client = await aiohttp_client(build(raising(ValueError("private"))))
    await client.post("/fails")
    await client.get("/nowhere")
    assert [(line["status"], line["error"]) for line in requests_in(log)] == [(500, "internal"), (404, "not_found")]


async def test_a_client_that_left_is_logged_as_499(aiohttp_server: AiohttpServer, log: BytesIO) -> None:
    started = asyncio.Event()

    def waits(routes: RouteTable) -> None:
        async def wait(request: web.Request) -> web.Response:
            started.set()
            await asyncio.Event().wait()
            return web.Response()

        routes.add("GET", "/waits", wait, dialect=Dialect.OLLAMA)

    server = await aiohttp_server(build(waits))
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await started.wait()
    writer.close()
    async with asyncio.timeout(10):
        while not requests_in(log):
            await asyncio.sleep(0.01)
    (line,) = requests_in(log)
    assert (line["status"], line["error"]) == (499, "client_gone")


async def test_no_record_is_built_when_the_level_is_above_info(aiohttp_client: AiohttpClient) -> None:
    with captured_logging("WARNING") as quiet:
        client = await aiohttp_client(build(answering()))
        response = await client.get("/answers")
    assert response.status == 200
    assert quiet.getvalue() == b""
