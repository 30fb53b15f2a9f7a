"""Attempts to use up memory, descriptors or time: refused or survived, and others are served meanwhile."""

import asyncio
import json
import re
import resource
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.e2e import processes
from tests.e2e.processes import Program
from tests.security.attacked import forget_the_peak, memory_bytes, others_are_served
from tests.support.backend import LONG_S

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]

MB = 1_000_000
IDLE = 5_000
BODY_BYTES = 10_485_760
"""REQUEST_MAX_SIZE, as it is when nothing is configured."""
LISTENS = re.compile(r"^Ollama API at (http://[^\s,]+),", re.MULTILINE)
ASKED = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHAT = json.dumps({"model": "demo", "messages": [{"role": "user", "content": "hi"}], "stream": False}).encode()
MESSAGE = b'"messages":[{"role":"user","content":"x"}]'


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """A gateway in front of nothing."""
    nowhere = {"OPENAI_API_BASE_URL": "http://127.0.0.1:1/v1", "MAX_RETRIES": "0", "REQUEST_TIMEOUT": "3"}
    with processes.gateway(tmp_path, LOG_LEVEL="ERROR", **nowhere) as running:
        yield running


def connect(program: Program) -> socket.socket:
    """Return a connection that has sent nothing."""
    where = urlsplit(program.url)
    return socket.create_connection((where.hostname, where.port), timeout=LONG_S)


def status(connection: socket.socket) -> bytes:
    """Ask for the version; return the status, nothing where the connection is closed."""
    try:
        connection.sendall(ASKED)
        return connection.recv(4096)[9:12]
    except ConnectionError:
        return b""


async def test_five_thousand_idle_connections_take_little_memory(program: Program) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < IDLE * 3 // 2:
        pytest.skip(f"this machine lets a process open {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 500), hard))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        idle: list[socket.socket] = []
        async with others_are_served(program.url):
            for number in range(IDLE):
                idle.append(stack.enter_context(connect(program)))
                if number % 50 == 0:
                    await asyncio.sleep(0)
            for connection in idle[::10]:
                assert await asyncio.to_thread(status, connection) == b"200"
            assert memory_bytes(program) < 150 * MB


async def test_without_descriptors_those_connected_are_served_on_and_backends_are_asked(tmp_path: Path) -> None:
    command = ["tests.security.limited", "120", "gateway", "--demo", "--port", str(processes.free_port())]
    with processes.running(command, LISTENS, cwd=tmp_path, LOG_LEVEL="WARNING") as program, ExitStack() as stack:
        there = [stack.enter_context(connect(program)) for _ in range(70)]
        assert {await asyncio.to_thread(status, connection) for connection in there} == {b"200"}
        crowd = [stack.enter_context(connect(program)) for _ in range(200)]
        assert await asyncio.to_thread(status, crowd[-1]) in (b"503", b"")
        assert {await asyncio.to_thread(status, connection) for connection in there} == {b"200"}
        there[0].sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(CHAT) + CHAT)
        assert (await asyncio.to_thread(there[0].recv, 4096)).startswith(b"HTTP/1.1 200 ")
        for connection in crowd:
            connection.close()
        async with asyncio.timeout(LONG_S):
            while await asyncio.to_thread(status, stack.enter_context(connect(program))) != b"200":
                await asyncio.sleep(0.05)


async def a_hundred_megabytes() -> AsyncIterator[bytes]:
    """Yield a body in pieces: it says no length."""
    for _ in range(100):
        yield b" " * MB


async def post(program: Program, path: str, body: bytes | AsyncIterator[bytes]) -> int:
    """Send a body; return the status, 413 where the gateway closed while it was still being sent."""
    data = BytesIO(body) if isinstance(body, bytes) else body
    try:
        async with aiohttp.ClientSession() as client, client.post(program.url + path, data=data) as reply:
            await reply.read()
            return reply.status
    except aiohttp.ClientConnectionError:
        return 413


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
async def test_a_hundred_megabytes_are_refused_and_never_held(program: Program, path: str) -> None:
    forget_the_peak(program)
    before = memory_bytes(program, "VmHWM")
    async with others_are_served(program.url):
        statuses = await asyncio.gather(*(post(program, path, a_hundred_megabytes()) for _ in range(4)))
        assert set(statuses) == {413}
        assert await post(program, path, b" " * 100 * MB) == 413
    assert memory_bytes(program, "VmHWM") - before < 4 * 3 * BODY_BYTES


def repeated(before: bytes, unit: bytes, after: bytes) -> bytes:
    """Return JSON of almost the size that is allowed, with as many units as fit."""
    return before + unit * ((BODY_BYTES - len(before) - len(after)) // len(unit) - 1) + unit.rstrip(b",") + after


FEWER = b'{"a":"' + b"x" * 34 + b'"},'
"""Of these just so many fit as are allowed."""
TINY = {
    "objects-just-allowed": repeated(b'{"model":"m",' + MESSAGE + b',"tools":[', FEWER, b"]}"),
    "messages": repeated(b'{"model":"m","messages":[', b"{},", b"]}"),
    "whole-messages": repeated(b'{"model":"m","messages":[', b'{"role":"user","content":"x"},', b"]}"),
    "tools": repeated(b'{"model":"m",' + MESSAGE + b',"tools":[', b"{},", b"]}"),
    "a-schema": repeated(b'{"model":"m",' + MESSAGE + b',"format":{"a":[', b"{},", b"]}}"),
    "what-nobody-knows": repeated(b'{"model":"m",' + MESSAGE + b',"x":[', b"[],", b"]}"),
    "names": b'{"model":"m",' + MESSAGE + b"," + b",".join(b'"%x":0' % number for number in range(900_000)) + b"}",
}


@pytest.mark.parametrize("body", TINY.values(), ids=TINY)
async def test_ten_megabytes_of_tiny_values_take_bounded_memory(program: Program, body: bytes) -> None:
    for path in ("/api/chat", "/v1/chat/completions"):
        forget_the_peak(program)
        before = memory_bytes(program, "VmHWM")
        async with others_are_served(program.url):
            assert await post(program, path, body) in (400, 413, 502)
        assert memory_bytes(program, "VmHWM") - before < 25 * BODY_BYTES


SLOW = {
    "headers": ("-H", "-x", "24"),
    "bodies": ("-B", "-s", "100000", "-x", "10"),
    "readers": ("-X", "-w", "1", "-y", "2", "-n", "1", "-z", "1", "-k", "3"),
}


@pytest.mark.skipif(
    shutil.which("slowhttptest") is None, reason="slowhttptest is not installed (apt-get install slowhttptest)"
)
@pytest.mark.parametrize("options", SLOW.values(), ids=SLOW)
async def test_slowhttptest_keeps_nobody_else_waiting(program: Program, options: tuple[str, ...]) -> None:
    path = "/api/version" if "-X" in options else "/api/chat"
    command = ["slowhttptest", "-c", "500", "-r", "250", "-i", "1", "-p", "10", "-l", "8", *options]
    async with others_are_served(program.url) as served:
        attack = await asyncio.create_subprocess_exec(
            *command, "-u", program.url + path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(60):
            said, _ = await attack.communicate()
    assert b"service available:" in re.sub(rb"\x1b\[[0-9;]*m", b"", said)
    assert len(served.statuses) > 20
    assert memory_bytes(program) < 150 * MB
