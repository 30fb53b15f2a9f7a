"""A gateway in memory with routes of models alone, behind the real middlewares."""

from collections.abc import Iterable
from typing import Protocol

from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from gateway.handlers.body import BODY_TIMEOUT_S
from gateway.handlers.routing import RouteTable
from tests.middlewares.application import build

type Client = TestClient[web.Request, web.Application]


class Registers(Protocol):
    """A handler, as the application sees it."""

    def register(self, routes: RouteTable) -> None:
        """Add its routes."""
        ...


async def serve(aiohttp_client: AiohttpClient, handlers: Iterable[Registers]) -> Client:
    """Return a client of a running application with these handlers."""
    app = build(*(handler.register for handler in handlers))
    app[BODY_TIMEOUT_S] = 10.0
    return await aiohttp_client(app)
