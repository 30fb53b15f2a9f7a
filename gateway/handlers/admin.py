"""For administrators: read the backends file again. These routes exist where ADMIN_KEY is set, and want it."""

import msgspec
from aiohttp import web

from gateway.errors import RequestError
from gateway.exchange import Dialect
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response
from gateway.lifecycle import Reload
from gateway.settings_text import ConfigError


class AdminHandler:
    """`POST /admin/reload`: what SIGHUP does, with an answer."""

    def __init__(self, reload: Reload) -> None:
        self._reload = reload

    def register(self, routes: RouteTable) -> None:
        """Add the routes."""
        routes.add("POST", "/admin/reload", self.reload, dialect=Dialect.OPENAI, admin=True)

    async def reload(self, request: web.Request) -> web.Response:
        """Answer with the backends that are asked from now on. Raises RequestError for a wrong configuration."""
        try:
            backends = await self._reload()
        except ConfigError as error:
            raise RequestError("; ".join(error.lines), code="bad_configuration") from None
        return json_response(msgspec.json.encode({"status": "reloaded", "backends": backends}))
