"""A backend that takes only what a test lets it take, says so as OpenAI does, and remembers what it was asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

type Body = dict[str, Any]

BASIC = frozenset({"model", "messages", "stream", "stream_options", "max_tokens", "input"})


def refusal(status: int, message: str, param: str | None = None, code: str | None = None) -> web.Response:
    """Return an error as OpenAI does."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return web.json_response({"error": error}, status=status)


def answer(message: Mapping[str, Any], **choice: Any) -> Body:
    """Return a plain answer."""
    return {
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop", **choice}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


@dataclass
class StrictBackend:
    """`takes`: the parameters it knows. `models`: what it lists. `key`: what chats want, `list_key`: and the list."""

    takes: frozenset[str] = BASIC
    models: tuple[Body, ...] = ({"id": "m"},)
    key: str | None = None
    list_key: str | None = None
    text: str = "Hello."
    echo_key: bool = False
    broken: frozenset[str] = frozenset()
    """Parameters that make it fail with 500."""
    asked: list[Body] = field(default_factory=list)
    requests: int = 0

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.router.add_get("/v1/models", self.list_models)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/embeddings", self.embeddings)
        app.router.add_get("/", self.root)
        return app

    async def root(self, request: web.Request) -> web.Response:
        self.requests += 1
        return web.Response(text="hello")

    async def list_models(self, request: web.Request) -> web.Response:
        self.requests += 1
        if (refused := self._refused(request, self.list_key)) is not None:
            return refused
        return web.json_response({"object": "list", "data": list(self.models)})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        body = json.loads(await request.read())
        self.asked.append(body)
        if (refused := self._refused(request, self.key)) is not None:
            return refused
        if self.broken & body.keys():
            return refusal(500, "it broke")
        for name in body:
            if name not in self.takes:
                return refusal(400, f"Unrecognized request argument supplied: {name}", name)
        if not body.get("stream"):
            return web.json_response(self.plain(body))
        return await self._stream(request, body)

    def plain(self, body: Body) -> Body:
        """Return what is answered in one piece."""
        return answer({"content": self.text})

    async def embeddings(self, request: web.Request) -> web.Response:
        self.requests += 1
        return refusal(404, "no embeddings here")

    async def _stream(self, request: web.Request, body: Body) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        choice = {"index": 0, "delta": {"content": self.text}, "finish_reason": None}
        chunks: list[Body] = [{"choices": [choice]}, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
        if body.get("stream_options"):
            chunks.append({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
        for chunk in chunks:
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    def _refused(self, request: web.Request, key: str | None) -> web.Response | None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if key is None or given == key:
            return None
        return refusal(401, f"Incorrect API key provided: {given if self.echo_key else '***'}")
