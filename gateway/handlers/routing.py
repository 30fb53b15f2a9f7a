"""RouteTable: registers handlers, and remembers of each route its label, its dialect, its key and its bound."""

import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.exchange import ROUTES, Dialect, RouteInfo

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_PATTERN = re.compile(r":[^}]+\}")


class RouteTable:
    """The routes of one application. Middlewares look them up by the route that matched, never by the raw path."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._infos: dict[web.AbstractRoute, RouteInfo] = {}
        app[ROUTES] = self._infos

    def add(
        self,
        method: str,
        path: str,
        handler: Handler,
        *,
        dialect: Dialect,
        exempt: bool = False,
        admin: bool = False,
        asks: bool = False,
        max_body_bytes: int | None = None,
    ) -> web.AbstractRoute:
        """Register `handler` for exactly this method (GET adds no HEAD).

        `exempt`: answers without a key. `admin`: wants ADMIN_KEY. `asks`: refuses by itself who shows no key.
        `max_body_bytes`: a bound for bodies of its own, not REQUEST_MAX_SIZE.
        """
        route = self._app.router.add_route(method, path, handler)
        self._infos[route] = RouteInfo(
            _PATTERN.sub("}", path), dialect, exempt=exempt, admin=admin, asks=asks, max_body_bytes=max_body_bytes
        )
        return route
