"""Models belong to the backend: here nothing is pulled, pushed, deleted, copied or created.

Static management agrees to what clients do by habit (pull, push, delete) and changes nothing. Strict management gives
Ollama's errors for models the backend does not have, and 501 for what a gateway cannot do.
"""

import json
from collections.abc import Sequence
from hashlib import sha256

from aiohttp import web

from gateway.catalog.catalog import Catalog
from gateway.codecs.go_texts import go_quote
from gateway.codecs.names import check_name, check_source, is_ollama_name, shortest_with_tag
from gateway.codecs.requests import read_request
from gateway.errors import ModelNotFoundError, NotImplementedHereError, RequestError, TranslationError, UpstreamError
from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.body import read_body
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response
from gateway.schemas.ollama import CopyRequest, CreateRequest, DeleteRequest, PullRequest, PushRequest

type Step = dict[str, str | int]
"""One object of a progress answer: its `status` and what belongs to it, or an `error`, which is the last one."""

_INVALID = "invalid model name"
_INSTEAD = "To give one another name, or defaults of its own, describe it in the file MODEL_MAPPING_FILE points to"


class Stock:
    """Says which models there are: in strict management those the backend lists, else any that has a name."""

    def __init__(self, catalog: Catalog, *, strict: bool) -> None:
        self._catalog = catalog
        self.strict = strict

    async def has(self, name: str, request: web.Request, invalid: RequestError | None = None) -> bool:
        """Tell whether there is such a model, whatever DEFAULT_MODEL is. Strict: raises what `Catalog.listed` raises.

        Raises `invalid`, where given, for a name that breaks Ollama's grammar and is no id of a backend's model.
        """
        if invalid is not None:
            _check(name, invalid)
        valid = invalid is None or is_ollama_name(name.strip())
        if valid and not self.strict:
            return True
        try:
            if await self._catalog.listed(name.strip(), request[EXCHANGE].client_key) is not None:
                return True
        except (UpstreamError, TranslationError):
            if self.strict:
                raise
            return True
        if invalid is not None and not valid:
            raise invalid
        return False


class PullHandler:
    """Reports success step by step: clients pull what they do not find, and go on when they read `success`."""

    def __init__(self, stock: Stock) -> None:
        self._stock = stock

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("POST", "/api/pull", self.post, dialect=Dialect.OLLAMA)

    async def post(self, request: web.Request) -> web.Response:
        """Answer with every step, or with the last one where `stream` is false."""
        wanted = read_request(PullRequest, await read_body(request), charset=request.charset)
        name = request[EXCHANGE].model = wanted.model_name
        check_source(name)
        if await self._stock.has(name, request, RequestError(_INVALID)):
            return _progress(request, wanted, _pull_steps(name))
        steps: list[Step] = [{"status": "pulling manifest"}]
        return _progress(request, wanted, [*steps, {"error": "pull model manifest: file does not exist"}])


class PushHandler:
    """Reports success step by step, and sends nothing anywhere."""

    def __init__(self, stock: Stock) -> None:
        self._stock = stock

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("POST", "/api/push", self.post, dialect=Dialect.OLLAMA)

    async def post(self, request: web.Request) -> web.Response:
        """Answer with every step, or with the last one where `stream` is false. Strict: NotImplementedHereError."""
        wanted = read_request(PushRequest, await read_body(request), charset=request.charset)
        name = request[EXCHANGE].model = wanted.model_name
        if not name.strip():
            raise RequestError("model is required")
        if not await self._stock.has(name, request):
            steps: list[Step] = [{"status": "retrieving manifest"}, {"status": "couldn't retrieve manifest"}]
            return _progress(request, wanted, [*steps, {"error": f"model '{name}' not found"}])
        if self._stock.strict:
            raise NotImplementedHereError("models cannot be pushed from here: they belong to the backend")
        return _progress(request, wanted, _push_steps(name))


class DeleteHandler:
    """Agrees to delete any model; the backend keeps it."""

    def __init__(self, stock: Stock) -> None:
        self._stock = stock

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("DELETE", "/api/delete", self.delete, dialect=Dialect.OLLAMA)

    async def delete(self, request: web.Request) -> web.Response:
        """Answer 200 without a body: SDKs take any other success for a failure. Strict: NotImplementedHereError."""
        wanted = read_request(DeleteRequest, await read_body(request), charset=request.charset)
        name = request[EXCHANGE].model = wanted.model_name
        if not name.strip():
            raise RequestError("model is required")
        check_source(name)
        if not await self._stock.has(name, request, RequestError(f"name {go_quote(name)} is invalid")):
            raise ModelNotFoundError(f"model '{name}' not found")
        if self._stock.strict:
            raise NotImplementedHereError(
                "models cannot be deleted here: they belong to the backend, or to the file MODEL_MAPPING_FILE points to"
            )
        return web.Response()


class CopyHandler:
    """Refuses to copy, and names the setting that gives a model another name."""

    def __init__(self, stock: Stock) -> None:
        self._stock = stock

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("POST", "/api/copy", self.post, dialect=Dialect.OLLAMA)

    async def post(self, request: web.Request) -> web.Response:
        """Raise NotImplementedHereError, or what Ollama says to a name that is none or belongs to no model."""
        wanted = read_request(CopyRequest, await read_body(request), charset=request.charset)
        source = request[EXCHANGE].model = wanted.source
        known = await self._stock.has(source, request, RequestError(f"source {go_quote(source)} is invalid"))
        if not is_ollama_name(wanted.destination):
            raise RequestError(f"destination {go_quote(wanted.destination)} is invalid")
        if not known:
            raise ModelNotFoundError(f"model {go_quote(source)} not found")
        raise NotImplementedHereError(f"models cannot be copied here: they belong to the backend. {_INSTEAD}")


class CreateHandler:
    """Refuses to create, and says where models can be made and named."""

    def register(self, routes: RouteTable) -> None:
        """Add the route."""
        routes.add("POST", "/api/create", self.post, dialect=Dialect.OLLAMA)

    async def post(self, request: web.Request) -> web.Response:
        """Raise NotImplementedHereError, or RequestError for a body that Ollama would refuse as well."""
        wanted = read_request(CreateRequest, await read_body(request), charset=request.charset)
        name = request[EXCHANGE].model = wanted.model_name
        if not is_ollama_name(name):
            raise RequestError(_INVALID)
        if not wanted.from_ and not wanted.files:
            raise RequestError("neither 'from' or 'files' was specified")
        raise NotImplementedHereError(f"models cannot be created here: add them to the backend. {_INSTEAD}")


type ManagementHandler = PullHandler | PushHandler | DeleteHandler | CopyHandler | CreateHandler


def management_handlers(catalog: Catalog, *, strict: bool) -> list[ManagementHandler]:
    """Return the handlers of all routes."""
    stock = Stock(catalog, strict=strict)
    return [PullHandler(stock), PushHandler(stock), DeleteHandler(stock), CopyHandler(stock), CreateHandler()]


def _check(name: str, invalid: RequestError) -> None:
    try:
        check_name(name)
    except RequestError:
        raise invalid from None


def _pull_steps(name: str) -> list[Step]:
    return [
        {"status": "pulling manifest"},
        _layer("pulling", name),
        {"status": "verifying sha256 digest"},
        {"status": "writing manifest"},
        {"status": "success"},
    ]


def _push_steps(name: str) -> list[Step]:
    return [
        {"status": "retrieving manifest"},
        _layer("pushing", name),
        {"status": "pushing manifest"},
        {"status": "success"},
    ]


def _layer(verb: str, name: str) -> Step:
    """Return the step that clients draw as a bar: one byte of one, since nothing is moved."""
    digest = sha256(shortest_with_tag(name.strip()).encode(errors="surrogatepass")).hexdigest()
    return {"status": f"{verb} {digest[:12]}", "digest": f"sha256:{digest}", "total": 1, "completed": 1}


def _progress(request: web.Request, wanted: PullRequest, steps: Sequence[Step]) -> web.Response:
    """Return all steps as lines, or the last one alone, which is a 500 where it is an error."""
    failed = "error" in steps[-1]
    if failed:
        request[EXCHANGE].error_kind = ModelNotFoundError.kind
    if wanted.stream is not False:
        lines = b"".join(_written(step) + b"\n" for step in steps)
        return json_response(lines, content_type="application/x-ndjson")
    if failed:
        return json_response(_written(steps[-1]), status=500)
    # Ollama's own has no charset here.
    return json_response(_written(steps[-1]), content_type="application/json")


def _written(step: Step) -> bytes:
    return json.dumps(step, separators=(",", ":")).encode()
