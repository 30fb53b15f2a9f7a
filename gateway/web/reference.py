"""`/docs` and `/redoc`: the API reference, to be tried and to be read, with all it needs under `/docs/`."""

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import hdrs, web

from gateway.errors import ProxyException, UnauthorizedError
from gateway.exchange import EXCHANGE, Dialect
from gateway.web.entity import Entity, ask_for_key, entity, send, tag_of

if TYPE_CHECKING:
    from gateway.handlers.routing import RouteTable

TRY_PATH = "/docs"
READ_PATH = "/redoc"
PART_PATH = "/docs/{part}"
_HTML = "text/html; charset=utf-8"
_CSS = "text/css; charset=utf-8"
_SCRIPT = "text/javascript; charset=utf-8"
_BASE = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REDOC_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
)
"""The two styles that Redoc writes into the page: an empty one, which it fills rule by rule, and that of its scrollbar.

The browser names the second one in its console, where a newer Redoc has another.
"""

PART_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""Of what a page loads, where somebody opens it by itself."""


class Kept(NamedTuple):
    """A file of the package and how it is sent. One of `vendored` is kept compressed."""

    folder: str
    name: str
    content_type: str
    policy: str = PART_POLICY


TRY_PAGE = Kept("assets", "docs.html", _HTML, f"{_BASE}; style-src 'self'")
READ_PAGE = Kept("assets", "redoc.html", _HTML, f"{_BASE}; style-src 'self' {_REDOC_STYLES}; worker-src blob:")
PARTS = {
    "reference.css": Kept("assets", "reference.css", _CSS),
    "document.js": Kept("assets", "document.js", _SCRIPT),
    "streams.js": Kept("assets", "streams.js", _SCRIPT),
    "docs.js": Kept("assets", "docs.js", _SCRIPT),
    "redoc.js": Kept("assets", "redoc.js", _SCRIPT),
    "swagger-ui.css": Kept("vendored", "swagger-ui.css.gz", _CSS),
    "swagger-ui-bundle.js": Kept("vendored", "swagger-ui-bundle.js.gz", _SCRIPT),
    "redoc.standalone.js": Kept("vendored", "redoc.standalone.js.gz", _SCRIPT),
}


class NoSuchPartError(ProxyException):
    """The pages have no such part."""

    status = 404
    kind = "not_found"


class ReferenceHandler:
    """Serves the pages, and what they load, to everybody: they hold nothing but a question for the key.

    Where a key is wanted, a page that comes without one is a refusal. Its parts cannot be: browsers show no key for
    scripts. A file is read when it is first asked for, and kept compressed.
    """

    def __init__(self) -> None:
        self._read: dict[Kept, Entity] = {}

    def register(self, routes: "RouteTable") -> None:
        """Add the routes."""
        for method in ("GET", "HEAD"):
            routes.add(method, TRY_PATH, self.trying, dialect=Dialect.OLLAMA, asks=True)
            routes.add(method, READ_PATH, self.reading, dialect=Dialect.OLLAMA, asks=True)
            routes.add(method, PART_PATH, self.part, dialect=Dialect.OLLAMA, exempt=True)

    async def trying(self, request: web.Request) -> web.Response:
        """Answer with the page that lets people try each route."""
        return await self._page(request, TRY_PAGE)

    async def reading(self, request: web.Request) -> web.Response:
        """Answer with the page that is to be read."""
        return await self._page(request, READ_PAGE)

    async def part(self, request: web.Request) -> web.Response:
        """Answer with a part of the pages. Raises NoSuchPartError for a name that none has."""
        kept = PARTS.get(request.match_info["part"])
        if kept is None:
            raise NoSuchPartError("the pages have no such part")
        return await send(request, await self._entity(kept), _about(kept))

    async def _page(self, request: web.Request, kept: Kept) -> web.Response:
        page = await self._entity(kept)
        if request[EXCHANGE].authenticated:
            return await send(request, page, _about(kept))
        request[EXCHANGE].error_kind = UnauthorizedError.kind
        return await ask_for_key(request, page, _about(kept))

    async def _entity(self, kept: Kept) -> Entity:
        if kept not in self._read:
            self._read[kept] = await asyncio.to_thread(read, kept)
        return self._read[kept]


def _about(kept: Kept) -> dict[str, str]:
    return {hdrs.CONTENT_TYPE: kept.content_type, "Content-Security-Policy": kept.policy}


def read(kept: Kept) -> Entity:
    """Return a file of the package."""
    data = (files("gateway.web") / kept.folder / kept.name).read_bytes()
    return Entity(data, tag_of(data)) if kept.folder == "vendored" else entity(data)
