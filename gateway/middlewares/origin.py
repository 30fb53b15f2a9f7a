"""Where a request comes from and whom it means: refuses ambiguous targets, foreign web pages and foreign host names."""

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler, Middleware
from yarl import URL

from gateway.errors import ForbiddenError, RequestError
from gateway.exchange import EXCHANGE
from gateway.exposure import is_loopback
from gateway.middlewares.cors import OriginPolicy
from gateway.middlewares.hosts import LocalHosts, without_port

_CLOSE = {"Connection": "close"}


def origin_middleware(policy: OriginPolicy, listen_host: str) -> Middleware:
    """Return the middleware: origins by `policy` (see `install_cors`), hosts only where `listen_host` is loopback."""
    preflight_headers = policy.preflight_headers
    hosts = LocalHosts() if is_loopback(listen_host) else None

    @web.middleware
    async def check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer what comes from an allowed place; refuse the rest."""
        host = _host(request)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin and origin != f"http://{host}" and origin != f"https://{host}":
            if not policy.allows(origin):
                return _forbid(request)
            request[EXCHANGE].allowed_origin = origin
            if request.method == hdrs.METH_OPTIONS:
                return web.Response(status=204, headers=preflight_headers)
        if hosts is None:
            return await handler(request)
        name = without_port(host)
        if hosts.has_name(name):
            return web.Response(status=204) if request.method == hdrs.METH_OPTIONS else await handler(request)
        return await handler(request) if hosts.has_address(name) else _forbid(request)

    return check_origin


def _forbid(request: web.Request) -> web.Response:
    request[EXCHANGE].error_kind = ForbiddenError.kind
    return web.Response(status=ForbiddenError.status)


def _host(request: web.Request) -> str:
    """Return the Host header as sent, "" for none. Raises RequestError where two readers could read two requests.

    Never `request.host`: an absolute target sets it. A second Host header is refused by aiohttp's parser already.
    """
    coding = request.headers.get(hdrs.TRANSFER_ENCODING)
    if coding is not None:
        if request.version < HttpVersion11:
            raise RequestError("Transfer-Encoding is not part of HTTP/1.0", headers=_CLOSE)
        if coding.lower() != "chunked":  # aiohttp takes "gzip, chunked" too, and leaves the gzip as it is
            raise RequestError("no Transfer-Encoding but chunked is understood", headers=_CLOSE)
    host = request.headers.get(hdrs.HOST, "")
    if not request.raw_path.startswith("/") and _names_another_host(request.raw_path, host):
        raise RequestError("the request's target is another host", headers=_CLOSE)
    return host


def _names_another_host(target: str, host: str) -> bool:
    if "://" not in target:
        return False
    try:
        meant = URL(target)
        named = URL(f"{meant.scheme}://{host}")
        return (meant.host, meant.port) != (named.host, named.port)
    except ValueError:
        return True
