"""`/api/embed` and the deprecated `/api/embeddings`."""

from time import monotonic_ns

from aiohttp import web

from gateway.backends.pool import Pool
from gateway.catalog.catalog import Catalog
from gateway.codecs.embed_writer import embed_body, embedding_body
from gateway.codecs.events import Failure, Usage, Vectors
from gateway.codecs.ollama_questions import EmbedQuestion
from gateway.codecs.ollama_writer import Clocks
from gateway.codecs.requests import read_request
from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.body import read_body
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response
from gateway.schemas.ollama import EmbeddingsRequest, EmbedRequest


class EmbedHandler:
    """Embeds texts: `/api/embed` takes many and normalises, `/api/embeddings` takes one and does not."""

    def __init__(
        self, path: str, schema: type[EmbedRequest] | type[EmbeddingsRequest], catalog: Catalog, pool: Pool
    ) -> None:
        self._path = path
        self._schema = schema
        self._catalog = catalog
        self._pool = pool

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("POST", self._path, self.post, dialect=Dialect.OLLAMA)

    async def post(self, request: web.Request) -> web.Response:
        """Answer one request; no input means: load the model, which is answered here."""
        exchange = request[EXCHANGE]
        question = EmbedQuestion(read_request(self._schema, await read_body(request), charset=request.charset))
        exchange.model = question.model
        candidates = await self._catalog.resolve(question.model, exchange.client_key)
        if not candidates:
            raise question.unknown_model()
        question.settle()
        clocks = Clocks(exchange.started_ns, monotonic_ns())
        vectors: list[object] = []
        usage: Usage | None = None
        if question.inputs:
            async with self._pool.attempts(exchange, candidates, question) as answer:
                while (events := await answer.next()) is not None:
                    for event in events:
                        if isinstance(event, Vectors):
                            vectors = event.vectors
                        elif isinstance(event, Usage):
                            usage = event
                        elif isinstance(event, Failure):
                            raise event.error
        clocks.ended_ns = monotonic_ns()
        if question.legacy:
            return json_response(embedding_body(vectors))
        return json_response(embed_body(question.model, vectors, usage, clocks, question.dimensions))


def embed_handlers(catalog: Catalog, pool: Pool) -> list[EmbedHandler]:
    """Return the handlers of both routes."""
    return [
        EmbedHandler("/api/embed", EmbedRequest, catalog, pool),
        EmbedHandler("/api/embeddings", EmbeddingsRequest, catalog, pool),
    ]
