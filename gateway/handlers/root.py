"""GET and HEAD `/`: the text health probes of Ollama clients compare, a description of the gateway, or its page."""

import msgspec
from aiohttp import hdrs, web

from gateway.exchange import EXCHANGE, ROUTES, Dialect
from gateway.handlers.negotiation import names_html, prefers_json
from gateway.handlers.routing import Handler, RouteTable
from gateway.handlers.writers import json_response
from gateway.version import NAME

TEXT = "Ollama is running"


class RootHandler:
    """Answers at the root of the server. `page` answers browsers; None where there is no page."""

    def __init__(self, version: str, page: Handler | None = None) -> None:
        self._version = version
        self._page = page

    def register(self, routes: RouteTable) -> None:
        """Add the routes."""
        routes.add("GET", "/", self.root, dialect=Dialect.OLLAMA, exempt=True)
        routes.add("HEAD", "/", self.text, dialect=Dialect.OLLAMA, exempt=True)

    async def root(self, request: web.Request) -> web.StreamResponse:
        """Answer with the text, the description for a client that prefers JSON and may see it, or browsers' page."""
        accept = ",".join(request.headers.getall(hdrs.ACCEPT, ()))
        if self._page is not None and names_html(accept):
            return await self._page(request)
        if request[EXCHANGE].authenticated and prefers_json(accept):
            return json_response(self._description(request.app))
        return await self.text(request)

    async def text(self, request: web.Request) -> web.Response:
        """Answer with the text."""
        return web.Response(text=TEXT, headers={hdrs.CONTENT_TYPE: "text/plain; charset=utf-8"})

    def _description(self, app: web.Application) -> bytes:
        endpoints: dict[str, list[str]] = {}
        for route, info in app[ROUTES].items():
            endpoints.setdefault(info.label, []).append(route.method)
        return msgspec.json.encode({"name": NAME, "version": self._version, "endpoints": endpoints})
