"""An application with all middlewares, as the gateway composes them, around routes of a test."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from gateway.exchange import Dialect
from gateway.handlers.routing import RouteTable
from gateway.handlers.unmatched import register_unmatched
from gateway.keys.store import KeyStore
from gateway.lifecycle import Lifecycle
from gateway.middlewares.access_log import AccessLog
from gateway.middlewares.authentication import AddressOf, authentication_guard, peer_address
from gateway.middlewares.cors import OriginPolicy, install_cors
from gateway.middlewares.headers import set_answer_headers
from gateway.middlewares.line import Observer, line
from gateway.middlewares.metrics import Counting
from gateway.middlewares.origin import origin_guard
from gateway.middlewares.size_limit import size_limit_guard
from gateway.telemetry.metrics import METRICS, Metrics
from gateway.telemetry.recent import Recent

MAX_BYTES = 1000


def build(
    *register: Callable[[RouteTable], None],
    api_keys: Sequence[str] = (),
    origins: Sequence[str] | None = None,
    listen_host: str = "127.0.0.1",
    admin_key: str | None = None,
    keys: KeyStore | None = None,
    address: AddressOf = peer_address,
    detail: str = "normal",
    per_second: int = 0,
    recent: Recent | None = None,
    lifecycle: Lifecycle | None = None,
) -> web.Application:
    """Return an application with the routes that `register` adds. Configure logging before."""
    metrics = Metrics("1.2.3")
    policy = OriginPolicy(origins)
    observers: list[Observer] = [AccessLog(detail=detail, per_second=per_second), Counting(metrics, recent)]
    guards = [
        origin_guard(policy, listen_host),
        authentication_guard(
            [SecretStr(key) for key in api_keys],
            SecretStr(admin_key) if admin_key is not None else None,
            keys=keys,
            address=address,
        ),
        size_limit_guard(MAX_BYTES),
    ]
    app = web.Application(middlewares=[line(observers, guards, lifecycle or Lifecycle())])
    app[METRICS] = metrics
    install_cors(app, policy)
    app.on_response_prepare.append(set_answer_headers)
    routes = RouteTable(app)
    for add in register:
        add(routes)
    register_unmatched(app)
    return app


def raising(
    error: Exception, *, dialect: Dialect = Dialect.OLLAMA, path: str = "/fails"
) -> Callable[[RouteTable], None]:
    """Return a registration of a POST route that raises `error`."""

    async def fail(request: web.Request) -> web.Response:
        raise error

    return lambda routes: _add(routes, "POST", path, fail, dialect)


def answering(
    method: str = "GET", path: str = "/answers", *, dialect: Dialect = Dialect.OLLAMA
) -> Callable[[RouteTable], None]:
    """Return a registration of a route that answers `{}`."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({})

    return lambda routes: _add(routes, method, path, answer, dialect)


def _add(routes: RouteTable, method: str, path: str, handler: Any, dialect: Dialect) -> None:
    routes.add(method, path, handler, dialect=dialect)


async def talk(port: int, request: bytes) -> bytes:
    """Send bytes to 127.0.0.1 and return everything that comes back until the connection closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


def json_lines(data: bytes) -> list[dict[str, Any]]:
    """Return the log lines in `data`."""
    return [json.loads(line) for line in data.splitlines()]
