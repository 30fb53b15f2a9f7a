"""Clients that send slowly or not at all: cut off after a time that does not grow with what they send; others wait not.

The deadline of a body is tested with the reading of bodies, in tests/handlers/test_body.py.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.app import create_app
from gateway.config import Config
from gateway.server import runner_options
from tests.middlewares.application import talk
from tests.support.answers import stream
from tests.support.backend import LONG_S, ScriptedBackend
from tests.telemetry.capture import captured_logging

WITHIN_S = 0.4
"""The time for headers in these tests."""
PAUSE_S = 0.05
ASKED = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
KEPT = ASKED.replace(b"Connection: close\r\n", b"")
BODY = b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":false}'


@asynccontextmanager
async def impatient(backend: ScriptedBackend) -> AsyncIterator[int]:
    """Run a gateway that waits a shorter time than usual for headers; yield its port."""
    config = Config.from_mapping({"OPENAI_API_BASE_URL": backend.url})
    options = runner_options(config)
    options["keepalive_timeout"] = WITHIN_S
    with captured_logging("ERROR"):
        runner = web.AppRunner(create_app(config), **options)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


async def drip(port: int, before: bytes, drops: bytes) -> bytes:
    """Send `before`, then `drops` one by one, for ever, until the gateway closes; return what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(before)

    async def send() -> None:
        while True:
            for drop in drops:
                writer.write(bytes([drop]))
                await asyncio.sleep(PAUSE_S)

    sending = asyncio.create_task(send())
    said = b""
    try:
        async with asyncio.timeout(LONG_S):
            # In pieces: what was said before a reset counts. Who closes on a sender resets the connection.
            while piece := await reader.read(65536):
                said += piece
    except ConnectionError:
        pass
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
    return said


def test_a_client_has_75_seconds_for_its_headers_and_no_more() -> None:
    config = Config.from_mapping({"OPENAI_API_BASE_URL": "http://127.0.0.1:1/v1"})
    assert runner_options(config)["keepalive_timeout"] == 75
    chosen = Config.from_mapping({"OPENAI_API_BASE_URL": "http://127.0.0.1:1/v1", "CLIENT_IDLE_TIMEOUT": "620"})
    assert runner_options(chosen)["keepalive_timeout"] == 620


SLOW = [
    (b"GET /", b"a"),
    (b"GET /api/version HTTP/1.1\r\nHost: localhost\r\nX-A: ", b"a"),
    (b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n"),
    (b"", b"\r\n"),
]


async def test_slow_headers_are_cut_off_however_they_come(backend: ScriptedBackend) -> None:
    async with impatient(backend) as port:
        said = await asyncio.gather(talk(port, b""), *(drip(port, before, drops) for before, drops in SLOW))
    assert not any(b" 200 " in answer for answer in said)


async def test_slow_headers_are_cut_off_after_a_request_too(backend: ScriptedBackend) -> None:
    async with impatient(backend) as port:
        said = await drip(port, KEPT + b"GET / HTTP/1.1\r\nX-A: ", b"a")
        assert said.count(b"HTTP/1.1 200 ") == 1


async def test_slow_headers_behind_a_running_request_do_not_end_it(backend: ScriptedBackend) -> None:
    go_on = asyncio.Event()

    async def wait(_call: object) -> None:
        await go_on.wait()

    backend.play([wait, *stream()])
    async with impatient(backend) as port:
        head = b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(BODY)
        asking = asyncio.create_task(drip(port, head + BODY, b"GET / HTTP/1.1\r\nX-A: " + b"a" * 1000))
        await backend.call()
        await asyncio.sleep(2 * WITHIN_S)
        go_on.set()
        assert (await asking).count(b'"done":true') == 1


async def test_others_are_served_while_many_send_slowly(backend: ScriptedBackend) -> None:
    async with impatient(backend) as port:
        slow = [
            asyncio.create_task(drip(port, b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nX-A: ", b"a"))
            for _ in range(200)
        ]
        served = 0
        while not all(task.done() for task in slow):
            answer = await talk(port, ASKED)
            assert answer.startswith(b"HTTP/1.1 200 ") or not answer  # a busy machine may be slow itself
            served += bool(answer)
        assert served > 0
        assert not any(b" 200 " in said for said in await asyncio.gather(*slow))
