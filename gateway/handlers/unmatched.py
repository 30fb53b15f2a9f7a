"""Paths that no route matches as they are: doubled slashes work, a slash at the end is redirected, as Ollama does."""

import re
from collections.abc import Iterator

from aiohttp import hdrs, web
from aiohttp.web_urldispatcher import _InfoDict
from yarl import URL

_slashes = re.compile("/{2,}")
_LOCATION = "location"


def register_unmatched(app: web.Application) -> None:
    """Add the resource that sees what no other matched. Call last: resources are asked in their order."""
    app.router.register_resource(UnmatchedPaths(app.router))


class UnmatchedPaths(web.AbstractResource):
    """Looks the cleaned path up in the router. The request itself, its body included, stays as it is."""

    def __init__(self, router: web.UrlDispatcher) -> None:
        super().__init__()
        self._router = router
        self._redirect = web.ResourceRoute(hdrs.METH_ANY, redirect, self)

    @property
    def canonical(self) -> str:
        """The router's index key: below the root, where every look-up ends."""
        return "/"

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Return the match of the cleaned path, else the methods it would take."""
        path = request.rel_url.raw_path
        clean = _slashes.sub("/", path)
        bare = clean.rstrip("/")
        if clean != path:
            match = await self._match(request, clean)
            if match.http_exception is None:
                return match, set()
            if isinstance(match.http_exception, web.HTTPMethodNotAllowed):
                return None, set(match.http_exception.allowed_methods)
        if bare and bare != clean and (await self._match(request, bare)).http_exception is None:
            # The cleaned path, never the one sent: `//host/` would lead elsewhere.
            location = URL.build(path=bare, query_string=request.rel_url.raw_query_string, encoded=True)
            return web.UrlMappingMatchInfo({_LOCATION: str(location)}, self._redirect), set()
        return None, set()

    async def _match(self, request: web.Request, path: str) -> web.UrlMappingMatchInfo:
        return await self._router.resolve(request.clone(rel_url=URL.build(path=path, encoded=True)))

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(())

    def url_for(self, **kwargs: str) -> URL:
        """Refuse: this is no path."""
        raise RuntimeError("no path leads to unmatched paths")

    def add_prefix(self, prefix: str) -> None:
        """Refuse: this belongs to the root application."""
        raise RuntimeError("unmatched paths have no prefix")

    def get_info(self) -> _InfoDict:
        """Return nothing to know."""
        return {}

    def raw_match(self, path: str) -> bool:
        """Match nothing: no route may be added here."""
        return False


async def redirect(request: web.Request) -> web.Response:
    """Send the client to the path without the slash: 301 for GET, 307 for others, whose method and body must stay."""
    status = 301 if request.method == hdrs.METH_GET else 307
    return web.Response(status=status, headers={hdrs.LOCATION: request.match_info[_LOCATION]})
