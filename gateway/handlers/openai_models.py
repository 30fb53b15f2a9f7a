"""OpenAI's view of what there is: `/v1/models` and `/v1/models/{id}`."""

from aiohttp import web

from gateway.catalog.catalog import Catalog
from gateway.codecs.model_bodies import model_body, models_body
from gateway.codecs.models import ModelInfo
from gateway.errors import ModelNotFoundError
from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response


class OpenAIModelsHandler:
    """Lists the backend's models, and shows one; both raise UpstreamError when the backend's list cannot be read."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._written: tuple[tuple[ModelInfo, ...], bytes] | None = None

    def register(self, routes: RouteTable) -> None:
        """Add the routes."""
        routes.add("GET", "/v1/models", self.list_all, dialect=Dialect.OPENAI)
        # Ids have slashes, sent as they are or as %2F; what has line ends is a name too, though nobody's.
        routes.add("GET", r"/v1/models/{model:[\s\S]+}", self.retrieve, dialect=Dialect.OPENAI)

    async def list_all(self, request: web.Request) -> web.Response:
        """Answer with all models."""
        models = await self._catalog.models(request[EXCHANGE].client_key)
        if self._written is None or self._written[0] is not models:
            self._written = models, models_body(models)
        return json_response(self._written[1])

    async def retrieve(self, request: web.Request) -> web.Response:
        """Answer with one model, listed or mapped. Raises ModelNotFoundError, whatever DEFAULT_MODEL is."""
        exchange = request[EXCHANGE]
        name = exchange.model = request.match_info["model"]
        model = await self._catalog.listed(name, exchange.client_key)
        if model is None:
            raise ModelNotFoundError(f"model '{name}' not found", param="model", code="model_not_found")
        return json_response(model_body(model, name))
