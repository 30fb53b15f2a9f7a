"""The bound on connections: new ones are told to come again, those that are there are served on."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from gateway.connections import MOST_CONNECTIONS, BoundedServer, most_connections
from tests.support.backend import LONG_S
from tests.telemetry.capture import captured_logging

type Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

ASKED = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(("files", "most"), [(None, MOST_CONNECTIONS), (1024, 768), (20_000, 15_000), (1, 1), (0, 1)])
def test_a_quarter_of_the_descriptors_is_kept_for_backends(files: int | None, most: int) -> None:
    assert most_connections(files) == most


def test_many_descriptors_are_no_reason_for_endless_connections() -> None:
    assert most_connections(2**30) == MOST_CONNECTIONS


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_process_may_open_as_many_files_as_the_system_lets_it() -> None:
    code = (
        "import resource as r; from gateway.connections import raise_file_limit\n"
        "r.setrlimit(r.RLIMIT_NOFILE, (100, 200)); print(raise_file_limit(), *r.getrlimit(r.RLIMIT_NOFILE))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["200", "200", "200"]


@asynccontextmanager
async def serving(most: int) -> AsyncIterator[int]:
    """Serve with so many connections at most; yield the port."""

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="served")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    assert runner.server is not None
    server = await asyncio.get_running_loop().create_server(BoundedServer(runner.server, most), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await runner.cleanup()


async def asked(connection: Connection) -> bytes:
    """Ask on a connection that stays open."""
    reader, writer = connection
    writer.write(ASKED)
    async with asyncio.timeout(LONG_S):
        return await reader.readuntil(b"served")


async def refused(port: int) -> bytes:
    """Connect, and read to the end what there is to read without having asked."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(LONG_S):
        said = await reader.read()
    writer.close()
    return said


async def test_one_too_many_is_told_to_come_again_and_the_others_are_served_on() -> None:
    with captured_logging("INFO") as log:
        async with serving(3) as port:
            there = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            for connection in there:
                assert (await asked(connection)).startswith(b"HTTP/1.1 200 ")
            for _ in range(2):
                head, _, body = (await refused(port)).partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 503 ")
                assert b"\r\nRetry-After: 1\r\n" in head
                assert b"\r\nContent-Length: %d\r\n" % len(body) in head
                assert "busy" in json.loads(body)["error"]
            assert (await asked(there[0])).startswith(b"HTTP/1.1 200 ")
            for _, writer in there:
                writer.close()
    said = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["level"], line["connections"]) for line in said] == [("warning", 3)]


async def test_who_leaves_makes_room() -> None:
    with captured_logging("INFO"):
        async with serving(2) as port:
            for _ in range(5):
                there = [await admitted(port) for _ in range(2)]
                assert (await refused(port)).startswith(b"HTTP/1.1 503 ")
                for _, writer in there:
                    writer.close()


async def admitted(port: int) -> Connection:
    """Connect again and again, until one is served."""
    async with asyncio.timeout(LONG_S):
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                writer.write(ASKED)
                await reader.readuntil(b"served")
                return reader, writer
            writer.close()
            await asyncio.sleep(0.01)
