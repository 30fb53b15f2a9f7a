"""`/api/embed` and the deprecated `/api/embeddings`."""

from collections.abc import Sequence
from time import monotonic_ns
from typing import Any

from aiohttp import web

from gateway.backends.asking import Asks
from gateway.catalog.catalog import Catalog
from gateway.codecs.capabilities import able
from gateway.codecs.contract import Target
from gateway.codecs.embed_questions import EmbedQuestion
from gateway.codecs.embed_writer import embed_body, embedding_body
from gateway.codecs.events import Failure, Usage, Vectors
from gateway.codecs.ollama_writer import Clocks
from gateway.codecs.requests import read_request
from gateway.errors import UpstreamStatusError
from gateway.exchange import EXCHANGE, Dialect, Exchange
from gateway.handlers.admitting import Admits, place_for
from gateway.handlers.body import read_body
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response
from gateway.schemas.ollama import EmbeddingsRequest, EmbedRequest
from gateway.telemetry.waiting import waiting

AMENDMENTS = 10
"""How often a refused question is asked again in another form: ten halvings leave a thousandth of a text."""


class EmbedHandler:
    """Embeds texts: `/api/embed` normalises the vectors, `/api/embeddings` gives them as the backend does."""

    def __init__(
        self,
        path: str,
        schema: type[EmbedRequest] | type[EmbeddingsRequest],
        catalog: Catalog,
        pool: Asks,
        admission: Admits,
    ) -> None:
        self._path = path
        self._schema = schema
        self._catalog = catalog
        self._pool = pool
        self._admission = admission

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("POST", self._path, self.post, dialect=Dialect.OLLAMA)

    async def post(self, request: web.Request) -> web.Response:
        """Answer one request; no input means: load the model, which is answered here."""
        exchange = request[EXCHANGE]
        question = EmbedQuestion(read_request(self._schema, await read_body(request), charset=request.charset))
        exchange.model = question.model
        candidates: Sequence[Target] | None = self._catalog.resolved(question.model, exchange.client_key)
        if candidates is None:
            candidates = await waiting(exchange, self._catalog.resolve(question.model, exchange.client_key))
        if not candidates:
            raise question.unknown_model()
        candidates = able(candidates, question)
        question.model = question.model or candidates[0].stand_in
        question.settle()
        if not question.inputs:
            return self._reply(exchange, question, [])
        async with place_for(request, self._admission, question, candidates):
            vectors, tokens = await self._embed(exchange, candidates, question)
            exchange.prompt_tokens = _total(tokens)
            return self._reply(exchange, question, vectors)

    def _reply(self, exchange: Exchange, question: EmbedQuestion, vectors: list[Any]) -> web.Response:
        if question.legacy:
            return json_response(embedding_body(vectors, several=question.several))
        clocks = Clocks(exchange.started_ns, exchange.asked_ns or monotonic_ns(), ended_ns=monotonic_ns())
        return json_response(embed_body(question.model, vectors, exchange.prompt_tokens, clocks, question.dimensions))

    async def _embed(
        self, exchange: Exchange, candidates: Sequence[Target], question: EmbedQuestion
    ) -> tuple[list[Any], list[int | None]]:
        """Ask for all batches; return the vectors and each batch's count of tokens."""
        vectors: list[Any] = []
        tokens: list[int | None] = []
        for batch in question.batches(min(target.profile.embedding_batch for target in candidates)):
            found, usage, answered = await self._ask(exchange, candidates, batch)
            # One request, one model: whoever serves it under the same name may go on where another failed.
            candidates = [target for target in candidates if target.model == answered.model]
            vectors += found
            tokens.append(usage.prompt_tokens if usage is not None else None)
        return vectors, tokens

    async def _ask(
        self, exchange: Exchange, candidates: Sequence[Target], question: EmbedQuestion
    ) -> tuple[list[Any], Usage | None, Target]:
        """Ask for one batch; a refusal that another form of it can cure is met with that form."""
        for _ in range(AMENDMENTS):
            try:
                return await self._ask_once(exchange, candidates, question)
            except UpstreamStatusError as refusal:
                amended = question.amended(refusal)
                if amended is None:
                    raise
                question = amended
        return await self._ask_once(exchange, candidates, question)

    async def _ask_once(
        self, exchange: Exchange, candidates: Sequence[Target], question: EmbedQuestion
    ) -> tuple[list[Any], Usage | None, Target]:
        vectors: list[Any] = []
        usage: Usage | None = None
        async with self._pool.attempts(exchange, candidates, question) as answer:
            while (events := await answer.next()) is not None:
                for event in events:
                    if isinstance(event, Vectors):
                        vectors = event.vectors
                    elif isinstance(event, Usage):
                        usage = event
                    elif isinstance(event, Failure):
                        raise event.error
            return vectors, usage, answer.target


def _total(tokens: list[int | None]) -> int | None:
    """Return the sum, None where one batch was not counted: part of a count is no count."""
    known = [count for count in tokens if count is not None]
    return sum(known) if tokens and len(known) == len(tokens) else None


def embed_handlers(catalog: Catalog, pool: Asks, admission: Admits) -> list[EmbedHandler]:
    """Return the handlers of both routes."""
    return [
        EmbedHandler("/api/embed", EmbedRequest, catalog, pool, admission),
        EmbedHandler("/api/embeddings", EmbeddingsRequest, catalog, pool, admission),
    ]
