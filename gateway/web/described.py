"""`/openapi.json` and `/openapi.yaml`: the document of the routes this gateway has, made when it is first asked for."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import hdrs, web

from gateway.exchange import ROUTES, Dialect
from gateway.web.entity import Entity, entity, send

if TYPE_CHECKING:
    from gateway.handlers.routing import RouteTable

JSON_PATH = "/openapi.json"
YAML_PATH = "/openapi.yaml"
_JSON: Mapping[str, str] = {hdrs.CONTENT_TYPE: "application/json; charset=utf-8"}
_YAML: Mapping[str, str] = {hdrs.CONTENT_TYPE: "application/yaml; charset=utf-8"}


class Forms(NamedTuple):
    """The document in both forms."""

    json: Entity
    yaml: Entity


class DescriptionHandler:
    """Serves the document to who may use the gateway. `wants_key`: whether they must show a key.

    What makes it is imported for the first who asks, and works in a thread: streams go on meanwhile.
    """

    def __init__(self, version: str, metrics_path: str, *, wants_key: bool) -> None:
        self._version = version
        self._metrics_path = metrics_path
        self._wants_key = wants_key
        self._forms: Forms | None = None
        self._making = asyncio.Lock()

    def register(self, routes: "RouteTable") -> None:
        """Add the routes."""
        for method in ("GET", "HEAD"):
            routes.add(method, JSON_PATH, self.json, dialect=Dialect.OLLAMA)
            routes.add(method, YAML_PATH, self.yaml, dialect=Dialect.OLLAMA)

    async def json(self, request: web.Request) -> web.Response:
        """Answer in JSON."""
        return await send(request, (await self._made(request.app)).json, _JSON)

    async def yaml(self, request: web.Request) -> web.Response:
        """Answer in YAML."""
        return await send(request, (await self._made(request.app)).yaml, _YAML)

    async def _made(self, app: web.Application) -> Forms:
        async with self._making:
            if self._forms is None:
                self._forms = await asyncio.to_thread(self._make, app)
            return self._forms

    def _make(self, app: web.Application) -> Forms:
        from gateway.openapi.document import build
        from gateway.openapi.written import as_json, as_yaml, routes_of

        document = build(
            routes_of(app[ROUTES]), self._version, metrics_path=self._metrics_path, wants_key=self._wants_key
        )
        return Forms(entity(as_json(document).encode()), entity(as_yaml(document).encode()))
