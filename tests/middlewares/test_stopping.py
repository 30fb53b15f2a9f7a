import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientSession, web
from pytest_aiohttp.plugin import AiohttpClient

from gateway.exchange import Dialect
from gateway.handlers.routing import RouteTable
from gateway.lifecycle import Lifecycle
from tests.middlewares.application import build

PATIENCE_S = 30.0


def stoppable(
    lifecycle: Lifecycle, handler: Callable[[web.Request], Awaitable[web.StreamResponse]], dialect: Dialect
) -> web.Application:
    """Return an application with `handler` at /slow."""

    def register(routes: RouteTable) -> None:
        routes.add("POST", "/slow", handler, dialect=dialect)

    return build(register, lifecycle=lifecycle)


@pytest.mark.parametrize("dialect", [Dialect.OLLAMA, Dialect.OPENAI])
async def test_a_request_that_has_shown_nothing_gets_503_in_its_dialect(
    aiohttp_client: AiohttpClient, dialect: Dialect
) -> None:
    lifecycle, waiting, cleaned = Lifecycle(), asyncio.Event(), asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        waiting.set()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.Event().wait()
        finally:
            cleaned.set()
        return web.Response()

    client = await aiohttp_client(stoppable(lifecycle, wait, dialect))
    asked = asyncio.create_task(client.post("/slow"))
    await waiting.wait()
    lifecycle.end_live()
    response = await asyncio.wait_for(asked, PATIENCE_S)
    assert (response.status, response.headers["Retry-After"], response.headers["Connection"]) == (503, "1", "close")
    error = json.loads(await response.read())["error"]
    assert "stopping" in (error if dialect is Dialect.OLLAMA else error["message"])
    assert cleaned.is_set()
    assert not lifecycle.live


async def test_a_stream_that_has_begun_is_left_to_end_itself(aiohttp_client: AiohttpClient) -> None:
    lifecycle, begun, told = Lifecycle(), asyncio.Event(), asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        begun.set()
        await told.wait()
        await response.write(b"the last line\n")
        return response

    client = await aiohttp_client(stoppable(lifecycle, stream, Dialect.OLLAMA))
    asked = asyncio.create_task(client.post("/slow"))
    await begun.wait()
    lifecycle.end_live()
    told.set()
    assert await (await asyncio.wait_for(asked, PATIENCE_S)).text() == "the last line\n"


async def test_a_client_that_left_is_still_one_that_left(aiohttp_client: AiohttpClient) -> None:
    lifecycle, waiting = Lifecycle(), asyncio.Event()
    ended: asyncio.Queue[BaseException] = asyncio.Queue()

    async def wait(_: web.Request) -> web.Response:
        waiting.set()
        await asyncio.Event().wait()
        return web.Response()

    app = stoppable(lifecycle, wait, Dialect.OLLAMA)

    @web.middleware
    async def watch(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except BaseException as error:
            await ended.put(error)
            raise

    app.middlewares.insert(0, watch)
    client = await aiohttp_client(app, server_kwargs={"handler_cancellation": True})
    async with ClientSession() as leaving:
        asked = asyncio.create_task(leaving.post(client.make_url("/slow")))
        await waiting.wait()
        asked.cancel()
        error = await asyncio.wait_for(ended.get(), PATIENCE_S)
    assert isinstance(error, asyncio.CancelledError)
    assert not lifecycle.live
