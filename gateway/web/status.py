"""`/ui`: the status page, and `/ui/events`, which keeps it up to date."""

from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from aiohttp_sse import EventSourceResponse, sse_response

from gateway.exchange import Dialect
from gateway.web.feed import Feed, Viewer
from gateway.web.page import read_page

if TYPE_CHECKING:
    from gateway.handlers.routing import RouteTable

PATH = "/ui"
EVENTS_PATH = "/ui/events"
SEND_TIMEOUT_S = 30.0
"""How long a viewer may take nothing before its connection is closed."""


class StatusPageHandler:
    """Serves the page to everybody, since it holds nothing, and the events to who may use the gateway."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._page = read_page()

    def register(self, routes: "RouteTable") -> None:
        """Add the routes."""
        for method in ("GET", "HEAD"):
            routes.add(method, PATH, self.page, dialect=Dialect.OLLAMA, exempt=True)
        routes.add("GET", EVENTS_PATH, self.events, dialect=Dialect.OLLAMA)

    async def page(self, request: web.Request) -> web.Response:
        """Answer with the page, or with 304 for a browser that has it."""
        page = self._page
        headers = {
            hdrs.ETAG: f'"{page.etag}"',
            hdrs.CACHE_CONTROL: "no-cache",
            hdrs.VARY: hdrs.ACCEPT,
            "Content-Security-Policy": page.policy,
        }
        if any(tag.value in (page.etag, "*") for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=page.body, headers={**headers, hdrs.CONTENT_TYPE: "text/html; charset=utf-8"})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send a snapshot a second, until the viewer leaves or the process stops. Raises OverloadedError."""
        with self._feed.viewer() as viewer:
            stream: EventSourceResponse | None = None
            try:
                async with sse_response(request, sep="\n", send_timeout=SEND_TIMEOUT_S) as stream:
                    await _tell(viewer, stream)
            except OSError:
                # The viewer left, or took nothing for too long; TimeoutError is one too.
                if stream is None:
                    raise
            return stream


async def _tell(viewer: Viewer, stream: EventSourceResponse) -> None:
    await stream.send(viewer.history, event="history")
    while (said := await viewer.next()) is not None:
        await stream.send(said, event="snapshot")
