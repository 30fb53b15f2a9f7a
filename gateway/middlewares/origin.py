"""Where a request comes from and whom it means: refuses ambiguous targets, foreign web pages and foreign host names."""

from collections.abc import Callable

from aiohttp import HttpVersion11, hdrs, web
from yarl import URL

from gateway.errors import ForbiddenError, RequestError
from gateway.exchange import Exchange
from gateway.exposure import is_loopback
from gateway.middlewares.cors import OriginPolicy
from gateway.middlewares.hosts import LocalHosts, without_port

_CLOSE = {"Connection": "close"}
_MOST_HOSTS = 256
"""So many Host headers that mean this machine are known again: nearly all requests bring the same one."""


def origin_guard(policy: OriginPolicy, listen_host: str) -> Callable[[web.Request, Exchange], web.Response | None]:
    """Return the guard: origins by `policy` (see `install_cors`), hosts only where `listen_host` is loopback."""
    preflight_headers = policy.preflight_headers
    hosts = LocalHosts() if is_loopback(listen_host) else None
    ours: set[str] = set()

    def check_origin(request: web.Request, exchange: Exchange) -> web.Response | None:
        """Let through what comes from an allowed place; refuse the rest, and answer who asks beforehand."""
        host = _host(request)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin and origin != f"http://{host}" and origin != f"https://{host}":
            if not policy.allows(origin):
                return _forbid(exchange)
            exchange.allowed_origin = origin
            if request.method == hdrs.METH_OPTIONS:
                return web.Response(status=204, headers=preflight_headers)
        if hosts is None or (host in ours and request.method != hdrs.METH_OPTIONS):
            return None
        name = without_port(host)
        if len(ours) < _MOST_HOSTS and hosts.always_has(name):
            ours.add(host)
        if hosts.has_name(name):
            return web.Response(status=204) if request.method == hdrs.METH_OPTIONS else None
        return None if hosts.has_address(name) else _forbid(exchange)

    return check_origin


def _forbid(exchange: Exchange) -> web.Response:
    exchange.error_kind = ForbiddenError.kind
    return web.Response(status=ForbiddenError.status)


def _host(request: web.Request) -> str:
    """Return the Host header as sent, "" for none. Raises RequestError where two readers could read two requests.

    Never `request.host`: an absolute target sets it. A second Host header is refused by aiohttp's parser already.
    """
    headers, target = request.headers, request.raw_path
    coding = headers.get(hdrs.TRANSFER_ENCODING)
    if coding is not None:
        if request.version < HttpVersion11:
            raise RequestError("Transfer-Encoding is not part of HTTP/1.0", headers=_CLOSE)
        if coding.lower() != "chunked":  # aiohttp takes "gzip, chunked" too, and leaves the gzip as it is
            raise RequestError("no Transfer-Encoding but chunked is understood", headers=_CLOSE)
    host = headers.get(hdrs.HOST, "")
    if not target.startswith("/") and _names_another_host(target, host):
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
