"""Which web pages may call the gateway, in the words of CORS.

aiohttp-cors writes the header of an allowed answer, on every path and on streams, through an adapter that tells it what
the origin middleware decided. The rest is ours, because there Ollama differs from it: origins with wildcards, 403 for a
foreign origin, 204 for a preflight whatever it asks for, a plain `*` where all origins are allowed, and `Vary`.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import aiohttp_cors
from aiohttp import hdrs, web
from aiohttp_cors.abc import AbstractRouterAdapter

from gateway.exchange import EXCHANGE

LOCAL_ORIGINS = (
    *(
        f"{scheme}://{host}{port}"
        for scheme in ("http", "https")
        for host in ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104 - part of an Origin header that browsers send: compared with, never listened on # nosec B104
        for port in ("", ":*")
    ),
    *(f"{scheme}://*" for scheme in ("app", "file", "tauri", "vscode-webview", "vscode-file")),
)
"""What Ollama allows when nothing is configured: pages of this machine, and applications that are pages inside."""

_METHODS = "GET,POST,PUT,PATCH,DELETE,HEAD"
_MAX_AGE_S = 43200
_STAINLESS = (
    "Arch,Async,Custom-Poll-Interval,Helper-Method,Lang,Os,Package-Version,Poll-Helper,Retry-Count,Runtime,"
    "Runtime-Version,Timeout"
)
_HEADERS = ",".join(
    [
        "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,OpenAI-Beta",
        *(f"X-Stainless-{name}" for name in _STAINLESS.split(",")),
        "X-Api-Key,X-Request-ID",
    ]
)


class OriginPolicy:
    """The allowed origins, in which `*` is any text and `*` alone all: those named, or Ollama's local ones without any.

    Text is printable and without blanks, since the answer repeats it. `ollama_origins` come on top, and as in Ollama
    the local ones with them.
    """

    def __init__(self, origins: Sequence[str] | None, ollama_origins: Sequence[str] | None = None) -> None:
        named = tuple(origins or ())
        if origins is None or ollama_origins is not None:
            named += (*LOCAL_ORIGINS, *(ollama_origins or ()))
        self.allows_all = "*" in named
        self._exact = frozenset(origin for origin in named if "*" not in origin)
        self._matches = re.compile("|".join(_pattern(origin) for origin in named if "*" in origin) or r"(?!)").fullmatch

    def allows(self, origin: str) -> bool:
        """Return whether a page of `origin` may call."""
        return self.allows_all or origin in self._exact or self._matches(origin) is not None

    @property
    def preflight_headers(self) -> Mapping[str, str]:
        """Return the headers of a preflight's answer, but for the origin's own."""
        return {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: _METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _HEADERS,
            hdrs.ACCESS_CONTROL_MAX_AGE: str(_MAX_AGE_S),
        }


def install_cors(app: web.Application, policy: OriginPolicy) -> None:
    """Have the answers to allowed origins say so. Call once, while `app` is composed."""
    # It hooks into the answers of an application: one of its own, since nearly all of ours are to no other origin.
    cross_origin = web.Application()
    if not policy.allows_all:
        aiohttp_cors.CorsConfig(cross_origin, router_adapter=_DecidedRequests())

    async def complete(request: web.Request, response: web.StreamResponse) -> None:
        """Have aiohttp-cors answer an allowed origin, and add what it leaves out."""
        if _allowed_origin(request) is None:
            return
        for prepare in cross_origin.on_response_prepare:
            await prepare(request, response)
        if policy.allows_all:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)

    app.on_response_prepare.append(complete)


def _allowed_origin(request: web.Request) -> str | None:
    try:
        return request[EXCHANGE].allowed_origin
    except KeyError:
        return None


class _DecidedRequests(AbstractRouterAdapter):
    """Tells aiohttp-cors what the origin middleware decided, instead of its looking origins up by route."""

    def __init__(self) -> None:
        # No credentials and no exposed headers, as Ollama.
        make_options: Callable[[], object] = aiohttp_cors.ResourceOptions
        self._options = make_options()

    def is_cors_enabled_on_request(self, request: web.Request) -> bool:
        """Return whether the request is CORS and allowed."""
        return _allowed_origin(request) is not None

    def is_preflight_request(self, request: web.Request) -> bool:
        """Return False: the middleware answers preflights, with the same header as any answer."""
        return False

    def get_non_preflight_request_config(self, request: web.Request) -> Mapping[str, object]:
        """Return the options of this request's origin."""
        origin = _allowed_origin(request)
        return {} if origin is None else {origin: self._options}

    async def get_preflight_request_config(
        self, preflight_request: web.Request, origin: str, requested_method: str
    ) -> Mapping[str, object]:
        """Refuse: no route has a preflight handler of the package."""
        raise KeyError(origin)

    def add_preflight_handler(self, routing_entity: object, handler: object, webview: bool = False) -> None:
        """Refuse: origins are not configured by route."""
        raise RuntimeError("origins are not configured by route")

    def set_config_for_routing_entity(self, routing_entity: object, config: object) -> None:
        """Refuse: origins are not configured by route."""
        raise RuntimeError("origins are not configured by route")


def _pattern(origin: str) -> str:
    if origin.endswith(":*"):
        return re.escape(origin[:-1]) + "[0-9]{1,5}"
    return "[!-~]*".join(re.escape(part) for part in origin.split("*"))
