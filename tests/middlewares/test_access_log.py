import asyncio
from io import BytesIO
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from gateway.exchange import EXCHANGE, Dialect, Exchange
from gateway.handlers.routing import RouteTable
from gateway.middlewares.access_log import Sampler, add_access
from gateway.telemetry.logging import get_logger, set_level
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


def inference() -> Exchange:
    """Return all that can be known of a request."""
    return Exchange(
        "req_1", "POST", route="/api/chat", started_ns=1_000_000, first_chunk_ns=3_500_000, model="llama3",
        backend="main", attempts=2, stream=True, prompt_tokens=5, completion_tokens=7, error_kind="backend",
        retry_causes=["status_503"], trace_id="ab" * 16, reasoning_tokens=3, waited_ns=4_000_000, queued_ns=2_000_000,
        translation_ns=500_000, backend_model="llama-3.1", facts={"messages": 1}, heartbeats=1, chunks=4,
        received_bytes=77, delivery="live", key_name="alice", clock="idle", cache="miss",
    )  # fmt: skip


MINIMAL = {
    "request_id": "req_1",
    "trace_id": "ab" * 16,
    "method": "POST",
    "route": "/api/chat",
    "status": 502,
    "duration_ms": 10.0,
    "error": "backend",
}
NORMAL = {
    **MINIMAL,
    "stream": True,
    "bytes": 99,
    "attempts": 2,
    "retries": ["status_503"],
    "model": "llama3",
    "backend": "main",
    "key": "alice",
    "queued_ms": 2.0,
    "ttfc_ms": 2.5,
    "clock": "idle",
    "cache": "miss",
    "prompt_tokens": 5,
    "completion_tokens": 7,
    "reasoning_tokens": 3,
}
VERBOSE = {
    **NORMAL,
    "dialect": "ollama",
    "chunks": 4,
    "heartbeats": 1,
    "received_bytes": 77,
    "overhead_ms": 4.0,
    "translation_ms": 0.5,
    "backend_model": "llama-3.1",
    "delivery": "live",
    "asked": {"messages": 1},
}


@pytest.mark.parametrize(("detail", "expected"), [("minimal", MINIMAL), ("normal", NORMAL), ("verbose", VERBOSE)])
def test_the_line_says_as_much_of_an_inference_as_is_wanted(detail: str, expected: dict[str, object]) -> None:
    record: dict[str, object] = {}
    add_access(record, inference(), 502, 99, 11_000_000, detail=detail)
    assert record == expected


async def test_only_the_verbose_line_wants_to_know_what_was_asked(aiohttp_client: AiohttpClient, log: BytesIO) -> None:
    wants: list[bool] = []

    def asks(routes: RouteTable) -> None:
        async def answer(request: web.Request) -> web.Response:
            await request.read()
            wants.append(request[EXCHANGE].wants_facts)
            return web.Response()

        routes.add("POST", "/asks", answer, dialect=Dialect.OLLAMA)

    for detail in ("minimal", "normal", "verbose"):
        client = await aiohttp_client(build(asks, detail=detail))
        await client.post("/asks", data=b"x" * 12)
    assert wants == [False, False, True]
    assert [line.get("request_bytes") for line in requests_in(log)] == [None, None, 12]


def test_successes_are_left_out_over_the_bound_and_counted() -> None:
    sampler = Sampler(2)
    second_ns = 1_000_000_000
    assert [sampler.lets_through(7 * second_ns + at) for at in range(5)] == [True, True, False, False, False]
    assert sampler.lets_through(8 * second_ns)
    assert (sampler.take(), sampler.take()) == (3, 0)
    assert all(Sampler(0).lets_through(at) for at in range(1000))


async def test_under_load_failures_are_logged_and_say_what_was_left_out(
    aiohttp_client: AiohttpClient, log: BytesIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.middlewares.line.monotonic_ns", lambda: 5_000_000_000)
    client = await aiohttp_client(build(answering(), raising(ValueError()), per_second=2))
    for _ in range(6):
        await client.get("/answers")
    for _ in range(2):
        await client.post("/fails")
    lines = requests_in(log)
    assert [line["route"] for line in lines] == ["/answers", "/answers", "/fails", "/fails"]
    assert [line.get("left_out") for line in lines] == [None, None, 4, None]


async def test_the_level_counts_that_is_set_when_the_request_ends(aiohttp_client: AiohttpClient, log: BytesIO) -> None:
    client = await aiohttp_client(build(answering()))
    set_level("ERROR")
    await client.get("/answers")
    assert requests_in(log) == []
    set_level("INFO")
    await client.get("/answers")
    assert len(requests_in(log)) == 1


async def test_what_is_logged_for_a_request_has_its_id(aiohttp_client: AiohttpClient, log: BytesIO) -> None:
    def says(routes: RouteTable) -> None:
        async def answer(request: web.Request) -> web.Response:
            get_logger("pool").info("something")
            return web.Response()

        routes.add("GET", "/says", answer, dialect=Dialect.OLLAMA)

    client = await aiohttp_client(build(says))
    await client.get("/says", headers={"X-Request-ID": "mine"})
    get_logger("pool").info("something")
    said = [line for line in json_lines(log.getvalue()) if line["event"] == "something"]
    assert [line.get("request_id") for line in said] == ["mine", None]


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
