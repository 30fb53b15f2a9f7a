"""What there is: `/api/tags`, `/api/show`, `/api/ps`."""

from aiohttp import web

from gateway.catalog.catalog import Catalog
from gateway.codecs.model_bodies import ps_body, show_body, tags_body
from gateway.codecs.models import ModelInfo
from gateway.codecs.names import is_ollama_name, shortest_with_tag
from gateway.codecs.requests import read_request
from gateway.errors import ModelNotFoundError, ProxyException, RequestError, TranslationError, UpstreamError
from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.body import read_body
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response
from gateway.schemas.ollama import ShowRequest


class TagsHandler:
    """Lists the backend's models under its own ids, and those of the mapping file under theirs."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._written: tuple[tuple[ModelInfo, ...], bytes] | None = None

    def register(self, routes: RouteTable) -> None:
        """Add the routes."""
        for method in ("GET", "HEAD"):
            routes.add(method, "/api/tags", self.get, dialect=Dialect.OLLAMA)

    async def get(self, request: web.Request) -> web.Response:
        """Answer with all models. Raises UpstreamError when the backend's list cannot be read."""
        return json_response(self._body(await self._catalog.models(request[EXCHANGE].client_key)))

    def _body(self, models: tuple[ModelInfo, ...]) -> bytes:
        # Clients ask in bursts, and some backends have thousands of models: a body is written once for each list.
        if self._written is None or self._written[0] is not models:
            self._written = models, tags_body(models)
        return self._written[1]


class ShowHandler:
    """Says what is known of one model, by any name that resolves; of an unknown context, `default_context_length`."""

    def __init__(self, catalog: Catalog, default_context_length: int) -> None:
        self._catalog = catalog
        self._default_context_length = default_context_length

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("POST", "/api/show", self.post, dialect=Dialect.OLLAMA)

    async def post(self, request: web.Request) -> web.Response:
        """Answer one request. Raises ModelNotFoundError for a model that nobody serves."""
        exchange = request[EXCHANGE]
        name = read_request(ShowRequest, await read_body(request), charset=request.charset).model_name
        exchange.model = name
        model = await self._catalog.find(name, exchange.client_key)
        if model is None:
            raise _unknown(name)
        return json_response(show_body(model, name.strip() or model.id, self._default_context_length))


class PsHandler:
    """Lists the models of which the backend says that they are loaded: none where it does not say."""

    def __init__(self, catalog: Catalog, default_context_length: int) -> None:
        self._catalog = catalog
        self._default_context_length = default_context_length

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("GET", "/api/ps", self.get, dialect=Dialect.OLLAMA)

    async def get(self, request: web.Request) -> web.Response:
        """Answer with a list, an empty one where the backend's cannot be read: then none is known to run."""
        try:
            models = await self._catalog.models(request[EXCHANGE].client_key)
        except (UpstreamError, TranslationError):
            models = ()
        return json_response(ps_body(models, self._default_context_length))


def _unknown(name: str) -> ProxyException:
    if not name.strip():
        return RequestError("model is required")
    # Only now: the id of a backend's model may break Ollama's grammar, and is found all the same.
    if not is_ollama_name(name):
        return RequestError("invalid model name")
    return ModelNotFoundError(f"model '{shortest_with_tag(name)}' not found", code="model_not_found")
