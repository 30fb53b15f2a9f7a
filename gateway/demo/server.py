"""The demo backend's server: OpenAI's routes on an ephemeral port of 127.0.0.1."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from pydantic import BaseModel, ValidationError
from yarl import URL

from gateway.demo.chat import chat_body, chat_chunks, reply_to
from gateway.demo.completions import text_body, text_chunks, text_reply_to
from gateway.demo.embeddings import embedding_body
from gateway.demo.models import MODELS, find_model, require
from gateway.demo.problems import DemoError, problem_of
from gateway.demo.requests import ChatRequest, CompletionRequest, EmbeddingRequest, Generation
from gateway.demo.streaming import stream

DEFAULT_PACE_S = 0.025
"""Between two words: quick, and still seen as they come."""

_MAX_BODY_BYTES = 32 * 1024 * 1024
_STOP_WITHIN_S = 0.1

type _Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DemoBackend:
    """The handlers of the demo backend."""

    def __init__(self, *, pace_s: float = DEFAULT_PACE_S) -> None:
        """`pace_s` is the time between two words of a stream; plain answers come at once."""
        self._pace_s = pace_s

    def register(self, app: web.Application) -> None:
        """Adds the routes under /v1."""
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/v1/models/{id:.+}", self.model)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/completions", self.completions)
        app.router.add_post("/v1/embeddings", self.embeddings)

    async def models(self, request: web.Request) -> web.Response:
        """The list of models."""
        return web.json_response({"object": "list", "data": [model.entry() for model in MODELS]})

    async def model(self, request: web.Request) -> web.Response:
        """One model."""
        return web.json_response(find_model(request.match_info["id"]).entry())

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """A chat answer, streamed or whole."""
        body = await _read(request, ChatRequest)
        _check_stream_options(body)
        if body.top_logprobs is not None and not body.logprobs:
            raise DemoError("top_logprobs needs logprobs to be true.", param="top_logprobs")
        reply = reply_to(body, find_model(body.model))
        if body.stream:
            return await stream(request, chat_chunks(reply, include_usage=body.include_usage), self._pace_s)
        return web.json_response(chat_body(reply))

    async def completions(self, request: web.Request) -> web.StreamResponse:
        """A completion, streamed or whole."""
        body = await _read(request, CompletionRequest)
        _check_stream_options(body)
        reply = text_reply_to(body, find_model(body.model))
        if body.stream:
            return await stream(request, text_chunks(reply, include_usage=body.include_usage), self._pace_s)
        return web.json_response(text_body(reply))

    async def embeddings(self, request: web.Request) -> web.Response:
        """A vector for each input."""
        body = await _read(request, EmbeddingRequest)
        require(find_model(body.model), "embedding")
        return web.json_response(embedding_body(body))


async def _read[T: BaseModel](request: web.Request, schema: type[T]) -> T:
    try:
        return schema.model_validate_json(await request.read())
    except web.RequestPayloadError:
        raise DemoError("The body could not be read.", code="invalid_body") from None
    except ValidationError as error:
        raise problem_of(error) from None


def _check_stream_options(body: Generation) -> None:
    if body.stream_options is not None and not body.stream:
        raise DemoError("stream_options is only allowed when stream is true.", param="stream_options")


@web.middleware
async def _errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Every refusal as OpenAI's error object, aiohttp's own included."""
    try:
        return await handler(request)
    except DemoError as problem:
        return web.json_response(problem.body(), status=problem.status)
    except web.HTTPClientError as error:
        refusal = DemoError(f"{error.reason}: {request.method} {request.path}", status=error.status)
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return web.json_response(refusal.body(), status=error.status, headers=headers)


def create_demo_app(*, pace_s: float = DEFAULT_PACE_S) -> web.Application:
    """The demo backend as an application; `pace_s` is the time between two words of a stream."""
    app = web.Application(middlewares=[_errors], client_max_size=_MAX_BODY_BYTES)
    DemoBackend(pace_s=pace_s).register(app)
    return app


@asynccontextmanager
async def run_demo(*, pace_s: float = DEFAULT_PACE_S) -> AsyncIterator[URL]:
    """Serves the demo backend while the context is open; yields its base URL, http://127.0.0.1:PORT/v1."""
    runner = web.AppRunner(
        create_demo_app(pace_s=pace_s), access_log=None, handler_cancellation=True, shutdown_timeout=_STOP_WITHIN_S
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield URL.build(scheme="http", host="127.0.0.1", port=site.port, path="/v1")
    finally:
        await runner.cleanup()
