"""`/api/chat` and `/api/generate`: one handler; what differs is the question its route makes of the body."""

from collections.abc import Callable, Sequence
from time import monotonic_ns, time_ns

from aiohttp import web

from gateway.backends.asking import Answering, Asks
from gateway.catalog.catalog import Catalog
from gateway.codecs.capabilities import able
from gateway.codecs.contract import Target
from gateway.codecs.multipart import RequestParts, attach_images
from gateway.codecs.ollama_questions import ChatQuestion, GenerateQuestion, GenerationQuestion
from gateway.codecs.ollama_writer import Clocks, JsonBody, NdjsonWriter
from gateway.codecs.requests import read_request
from gateway.errors import UpstreamStatusError
from gateway.exchange import EXCHANGE, Dialect, Exchange
from gateway.handlers.admitting import Admits, admitted_attempts
from gateway.handlers.body import read_parts
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import NdjsonForm, json_response, stream_answer
from gateway.schemas.ollama import ChatRequest, GenerateRequest
from gateway.telemetry.waiting import waiting

ReadQuestion = Callable[[RequestParts], GenerationQuestion]
"""Makes a question of a request and the images that came beside it."""


class GenerationHandler:
    """Reads the body, asks a backend, writes Ollama's lines or one object."""

    def __init__(self, path: str, read_question: ReadQuestion, catalog: Catalog, pool: Asks, admission: Admits) -> None:
        self._path = path
        self._read_question = read_question
        self._catalog = catalog
        self._pool = pool
        self._admission = admission

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("POST", self._path, self.post, dialect=Dialect.OLLAMA)

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; errors before the first output have a status, later ones a last line."""
        exchange = request[EXCHANGE]
        question = self._read_question(await read_parts(request))
        exchange.model = question.model
        exchange.stream = not question.whole
        candidates: Sequence[Target] | None = self._catalog.resolved(question.model, exchange.client_key)
        if candidates is None:
            candidates = await waiting(exchange, self._catalog.resolve(question.model, exchange.client_key))
        if not candidates:
            raise question.unknown_model()
        candidates = able(candidates, question)
        question.model = question.model or candidates[0].stand_in
        if not question.is_unload:
            question.check_capabilities(candidates[0])
            question.settle()
        if (reply := question.local_reply(time_ns())) is not None:
            return json_response(reply)
        try:
            return await self._ask(request, question, candidates)
        except UpstreamStatusError as refusal:
            raise question.worded(refusal) from None

    async def _ask(
        self, request: web.Request, question: GenerationQuestion, candidates: Sequence[Target]
    ) -> web.StreamResponse:
        exchange = request[EXCHANGE]
        attempts = admitted_attempts(request, self._admission, self._pool, question, candidates)
        clocks = Clocks(exchange.started_ns, exchange.started_ns)
        shape, model, conversation = question.shape, question.model, question.conversation
        if question.whole:
            async with attempts as answer:
                body = JsonBody(shape, model, clocks, conversation=conversation)
                return await _whole(exchange, answer, body, clocks)
        sse = request.headers.get("Accept") == "text/event-stream"
        writer = NdjsonWriter(shape, model, clocks, conversation=conversation, sse=sse)
        return await stream_answer(request, NdjsonForm(writer, clocks, exchange, question.worded), attempts)


async def _whole(exchange: Exchange, answer: Answering, body: JsonBody, clocks: Clocks) -> web.Response:
    while (events := await answer.next()) is not None:
        body.add(events)
    clocks.asked_ns = exchange.asked_ns or exchange.started_ns
    clocks.first_ns = exchange.first_output_ns
    clocks.ended_ns = monotonic_ns()
    return json_response(body.body(time_ns()))


def chat_handler(catalog: Catalog, pool: Asks, admission: Admits) -> GenerationHandler:
    """Return the handler of `/api/chat`."""

    def read(parts: RequestParts) -> ChatQuestion:
        asked = read_request(ChatRequest, parts.request, charset=parts.charset)
        attach_images(asked, parts.images)
        return ChatQuestion(asked)

    return GenerationHandler("/api/chat", read, catalog, pool, admission)


def generate_handler(catalog: Catalog, pool: Asks, admission: Admits) -> GenerationHandler:
    """Return the handler of `/api/generate`."""

    def read(parts: RequestParts) -> GenerateQuestion:
        asked = read_request(GenerateRequest, parts.request, charset=parts.charset)
        attach_images(asked, parts.images)
        return GenerateQuestion(asked)

    return GenerationHandler("/api/generate", read, catalog, pool, admission)
