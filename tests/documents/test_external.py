"""The check of links to other places: what it takes for broken."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.documents.external import ATTEMPTS, broken, external_links


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """A server that has one page, forbids another, and is busy at first with a third."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        busy = 503 if asked.count("/busy") < ATTEMPTS else 200
        statuses = {"/here": 200, "/forbidden": 403, "/busy": busy, "/down": 500}
        return web.Response(status=statuses.get(request.path, 404))

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    running = TestServer(app)
    async with running:
        yield running


async def test_what_is_not_there_or_stays_broken_is_told(server: TestServer) -> None:
    paths = ["/here", "/forbidden", "/busy", "/down", "/nowhere"]
    found = await broken([str(server.make_url(path)) for path in paths], pause_s=0)
    assert found == {str(server.make_url("/down")): "500", str(server.make_url("/nowhere")): "404"}


async def test_a_server_that_does_not_answer_is_told(server: TestServer) -> None:
    address = str(server.make_url("/here"))
    await server.close()
    assert await broken([address], pause_s=0) == {address: "ClientConnectorError"}


def test_links_to_other_places_are_found_with_their_documents() -> None:
    assert "CHANGELOG.md" in external_links()["https://semver.org/"]
