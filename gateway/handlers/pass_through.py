"""`/v1/chat/completions`, `/v1/completions`, `/v1/embeddings`: checked, then passed on byte for byte."""

from collections.abc import Sequence

from aiohttp import hdrs, web
from multidict import CIMultiDict

from gateway.answers import WholeAnswer
from gateway.backends.asking import Answering, Asks
from gateway.backends.responses import passed_headers
from gateway.catalog.catalog import Catalog
from gateway.codecs.capabilities import able
from gateway.codecs.contract import Target
from gateway.codecs.openai_questions import OpenAIRequest, PassThroughQuestion
from gateway.codecs.requests import in_utf8, read_openai_request
from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.admitting import Admits, admitted_attempts
from gateway.handlers.body import charset_of, read_body
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import RawForm, split_raw, stream_answer
from gateway.schemas.openai import ChatCompletionRequest, CompletionRequest, EmbeddingRequest
from gateway.telemetry.waiting import waiting

ROUTES: tuple[tuple[str, type[OpenAIRequest]], ...] = (
    ("/chat/completions", ChatCompletionRequest),
    ("/completions", CompletionRequest),
    ("/embeddings", EmbeddingRequest),
)
"""Path below /v1 (the same below the backend's base URL) and schema."""


class PassThroughHandler:
    """Checks a body against OpenAI's schema, then passes the original bytes to a backend and its bytes back."""

    def __init__(self, path: str, schema: type[OpenAIRequest], catalog: Catalog, pool: Asks, admission: Admits) -> None:
        self._path = path
        self._schema = schema
        self._catalog = catalog
        self._pool = pool
        self._admission = admission

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("POST", f"/v1{self._path}", self.post, dialect=Dialect.OPENAI)

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        exchange = request[EXCHANGE]
        body = await read_body(request)
        charset = charset_of(request)
        asked = read_openai_request(self._schema, body, charset=charset)
        question = PassThroughQuestion(self._path, in_utf8(body, charset), asked)
        exchange.model = question.model
        exchange.stream = not question.whole
        candidates: Sequence[Target] | None = self._catalog.resolved(question.model, exchange.client_key)
        if candidates is None:
            candidates = await waiting(exchange, self._catalog.resolve(question.model, exchange.client_key))
        if not candidates:
            raise question.unknown_model()
        candidates = able(candidates, question)
        attempts = admitted_attempts(request, self._admission, self._pool, question, candidates)
        if not question.whole:
            return await stream_answer(request, RawForm(), attempts)
        async with attempts as answer:
            headers = passed_headers(answer.headers)
            headers[hdrs.CONTENT_TYPE] = "application/json"
            return await _whole(answer, headers)


async def _whole(answer: Answering, headers: CIMultiDict[str]) -> web.Response:
    pieces: list[bytes] = []
    while (events := await answer.next()) is not None:
        data, failure = split_raw(events)
        if failure is not None:
            raise failure
        pieces.append(data)
    return WholeAnswer(b"".join(pieces), headers)


def pass_through_handlers(catalog: Catalog, pool: Asks, admission: Admits) -> list[PassThroughHandler]:
    """Return the handlers of all three routes."""
    return [PassThroughHandler(path, schema, catalog, pool, admission) for path, schema in ROUTES]
