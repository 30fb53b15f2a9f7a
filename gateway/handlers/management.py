"""Models belong to the backend: pull, push and delete succeed, copy and create say what to do instead."""

import json

from aiohttp import web

from gateway.codecs.go_texts import go_quote
from gateway.codecs.requests import read_request
from gateway.errors import NotImplementedHereError, RequestError
from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.body import read_body
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response
from gateway.schemas.ollama import CopyRequest, CreateRequest, DeleteRequest, PullRequest, PushRequest

# The content types of Ollama's progress answers, a charset in neither.
_NDJSON = "application/x-ndjson"
_JSON = "application/json"

_PULL_STATUSES = ("pulling manifest", "verifying sha256 digest", "writing manifest", "success")
_PUSH_STATUSES = ("retrieving manifest", "pushing manifest", "success")


class ProgressHandler:
    """Reports success step by step: clients pull what they do not find, and go on when they read `success`.

    `statuses` are the steps, the last of them `success`; `nameless` is Ollama's text for a request without a model.
    """

    def __init__(
        self, path: str, schema: type[PullRequest] | type[PushRequest], *, statuses: tuple[str, ...], nameless: str
    ) -> None:
        self._path = path
        self._schema = schema
        self._nameless = nameless
        lines = [json.dumps({"status": status}, separators=(",", ":")).encode() for status in statuses]
        self._stream = b"".join(line + b"\n" for line in lines)
        self._last = lines[-1]

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("POST", self._path, self.post, dialect=Dialect.OLLAMA)

    async def post(self, request: web.Request) -> web.Response:
        """Answer with every step, or with the last one where `stream` is false."""
        wanted = read_request(self._schema, await read_body(request), charset=request.charset)
        _note_model(request, wanted.model_name, self._nameless)
        if wanted.stream is False:
            return json_response(self._last, content_type=_JSON)
        return json_response(self._stream, content_type=_NDJSON)


class DeleteHandler:
    """Agrees to delete any model; the backend keeps it."""

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("DELETE", "/api/delete", self.delete, dialect=Dialect.OLLAMA)

    async def delete(self, request: web.Request) -> web.Response:
        """Answer 200 without a body: SDKs take any other success for a failure."""
        wanted = read_request(DeleteRequest, await read_body(request), charset=request.charset)
        _note_model(request, wanted.model_name, "model is required")
        return web.Response()


class CopyHandler:
    """Refuses to copy, and names the setting that gives a model another name."""

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("POST", "/api/copy", self.post, dialect=Dialect.OLLAMA)

    async def post(self, request: web.Request) -> web.Response:
        """Raise NotImplementedHereError, or RequestError for a body that Ollama would refuse as well."""
        wanted = read_request(CopyRequest, await read_body(request), charset=request.charset)
        for field, name in (("source", wanted.source), ("destination", wanted.destination)):
            if not name.strip():
                raise RequestError(f"{field} {go_quote(name)} is invalid")
        request[EXCHANGE].model = wanted.source
        raise NotImplementedHereError(
            "models cannot be copied here: they belong to the backend."
            " To give one another name, map that name in the file MODEL_MAPPING_FILE points to"
        )


class CreateHandler:
    """Refuses to create, and says where models can be made and named."""

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("POST", "/api/create", self.post, dialect=Dialect.OLLAMA)

    async def post(self, request: web.Request) -> web.Response:
        """Raise NotImplementedHereError, or RequestError for a body that Ollama would refuse as well."""
        wanted = read_request(CreateRequest, await read_body(request), charset=request.charset)
        _note_model(request, wanted.model_name, "invalid model name")
        raise NotImplementedHereError(
            "models cannot be created here: add them to the backend."
            " To give one another name, map that name in the file MODEL_MAPPING_FILE points to"
        )


def management_handlers() -> list[ProgressHandler | DeleteHandler | CopyHandler | CreateHandler]:
    """Return the handlers of all routes."""
    return [
        ProgressHandler("/api/pull", PullRequest, statuses=_PULL_STATUSES, nameless="invalid model name"),
        ProgressHandler("/api/push", PushRequest, statuses=_PUSH_STATUSES, nameless="model is required"),
        DeleteHandler(),
        CopyHandler(),
        CreateHandler(),
    ]


def _note_model(request: web.Request, name: str, nameless: str) -> None:
    request[EXCHANGE].model = name
    if not name.strip():
        raise RequestError(nameless)
