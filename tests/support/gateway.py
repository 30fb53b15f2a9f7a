"""A gateway on a real socket in front of a scripted backend, and what its clients and its log show."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDictProxy

from gateway.app import create_app
from gateway.backends import POOL
from gateway.catalog import CATALOG
from gateway.config import Config
from gateway.exchange import EXCHANGE
from gateway.lifecycle import Lifecycle
from gateway.middlewares.headers import name_no_server
from gateway.server import runner_options
from tests.support.backend import LONG_S, ScriptedBackend
from tests.support.secrets import EVIDENCE
from tests.telemetry.capture import captured_logging


class Reply(NamedTuple):
    """A whole answer; `cut` tells that it ended without its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    cut: bool = False

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """The lines of an NDJSON body, decoded: there must be no blank one."""
        assert self.body.endswith(b"\n")
        return [json.loads(line) for line in self.body[:-1].split(b"\n")]

    @property
    def events(self) -> list[str]:
        """The data of a stream's events, as text; comments left out."""
        blocks = self.text.replace("\r\n", "\n").split("\n\n")
        return [block.removeprefix("data: ") for block in blocks if block.startswith("data:")]


@dataclass
class Gateway:
    """A running gateway. `log` has its log lines."""

    url: str
    port: int
    app: web.Application
    config: Config
    client: aiohttp.ClientSession
    log: BytesIO

    async def ask(
        self,
        path: str,
        body: object = None,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a body (bytes as they are, anything else as JSON) and read the whole answer."""
        async with asyncio.timeout(LONG_S), self.opened(path, body, method=method, headers=headers) as response:
            return await read_reply(response)

    @asynccontextmanager
    async def opened(
        self,
        path: str,
        body: object = None,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a body and hand the answer over unread; the connection is closed where it is not read to its end."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        async with self.client.request(
            method, self.url + path, data=None if data is None else BytesIO(data), headers=headers
        ) as response:
            yield response

    @asynccontextmanager
    async def unread(self, path: str, body: object) -> AsyncIterator[socket.socket]:
        """POST a body as JSON over a socket with next to no room for the answer, of which nothing is read here."""
        data = json.dumps(body).encode()
        headers = f"Host: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(data)}"
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", self.port))
            await loop.sock_sendall(client, f"POST {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode() + data)
            yield client

    def said(self) -> list[dict[str, Any]]:
        """Return all log lines so far."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    async def record(self, number: int = 0) -> dict[str, Any]:
        """Wait for the log line of the request with that number (GETs are not counted)."""
        async with asyncio.timeout(LONG_S):
            while True:
                lines = [line for line in self.said() if line["event"] == "request" and line["method"] != "GET"]
                if len(lines) > number:
                    return lines[number]
                await asyncio.sleep(0.005)


async def read_reply(response: aiohttp.ClientResponse) -> Reply:
    """Read an answer to its end, or to where it was cut."""
    pieces: list[bytes] = []
    cut = False
    try:
        while piece := await response.content.readany():
            pieces.append(piece)
    except aiohttp.ClientError:
        cut = True
    reply = Reply(response.status, response.headers, b"".join(pieces), cut)
    _hear("answer", f"{response.status} {dict(response.headers)}")
    _hear("answer", reply.body)
    return reply


@asynccontextmanager
async def running_gateway(
    backend: ScriptedBackend | str, settings: Mapping[str, str] | None = None, lifecycle: Lifecycle | None = None
) -> AsyncIterator[Gateway]:
    """Run a gateway in front of `backend`; without retries and with all logging unless `settings` say otherwise."""
    base_url = backend if isinstance(backend, str) else backend.url
    defaults = {"OPENAI_API_BASE_URL": base_url, "MAX_RETRIES": "0", "LOG_LEVEL": "DEBUG"}
    config = Config.from_mapping({**defaults, **(settings or {})})
    with captured_logging(config.log.effective_level, config.secrets()) as log:
        app = create_app(config, lifecycle)
        app.on_response_prepare.append(_hear_exchange)
        app.middlewares.append(_hear_what_is_answered_whole)
        # A test that fails with an open stream must not hold up the others.
        options = runner_options(config)
        options["shutdown_timeout"] = 1.0
        runner = web.AppRunner(app, **options)
        await runner.setup()
        assert runner.server is not None
        name_no_server(runner.server)
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LONG_S)) as client:
                gateway = Gateway(f"http://127.0.0.1:{port}", port, app, config, client, log)
                yield gateway
                await _hear_numbers(gateway)
        finally:
            await runner.cleanup()
            _hear("log", log.getvalue())
            _hear("repr", repr(config), str(config), repr(app[POOL]), repr(vars(app[POOL])), repr(app[CATALOG]))


async def assert_no_task_is_left(before: set[asyncio.Task[Any]]) -> None:
    """Fail where a gateway that has stopped left a task behind; what ends by itself gets a moment."""
    ours = {*before, asyncio.current_task()}
    left = {task for task in asyncio.all_tasks() - ours if task.get_name() != "scripted-backend"}
    if left:
        _, left = await asyncio.wait(left, timeout=1)
    assert not left, f"the gateway left tasks behind: {left}"


async def _hear_numbers(gateway: Gateway) -> None:
    """Keep what the metrics say."""
    if not gateway.config.metrics.enabled:
        return
    keys = gateway.config.access.api_keys
    key = {"x-api-key": keys[0].get_secret_value()} if keys else {}
    # Once as text, once as a summary: it is done after each test, and a page of text takes a while.
    for path, accept in (("/metrics", "*/*"), (gateway.config.metrics.path, "application/json")):
        async with gateway.client.get(gateway.url + path, headers={**key, "Accept": accept}) as response:
            assert response.status == 200
            _hear("metrics", await response.read())


async def _hear_exchange(request: web.Request, _response: web.StreamResponse) -> None:
    _hear("repr", repr(request.get(EXCHANGE)))


@web.middleware
async def _hear_what_is_answered_whole(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    await _hear_exchange(request, response)
    return response


def _hear(source: str, *texts: str | bytes) -> None:
    for text in texts:
        EVIDENCE.add(source, text, os.environ.get("PYTEST_CURRENT_TEST", ""))
