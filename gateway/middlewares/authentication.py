"""Who may call: anybody, or whoever shows one of API_KEYS."""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from pydantic import SecretStr

from gateway.callers import AUTHENTICATED
from gateway.errors import UnauthorizedError
from gateway.exchange import EXCHANGE, ROUTES

_API_KEY_HEADER = "x-api-key"
_MESSAGE = "unauthorized: this gateway wants an API key (Authorization: Bearer KEY)"
_ADMIN_MESSAGE = "unauthorized: this wants the gateway's ADMIN_KEY (Authorization: Bearer KEY)"
_may_pass_on = re.compile(r"[\x21-\x7e]+").fullmatch


def authentication_middleware(api_keys: Sequence[SecretStr], admin_key: SecretStr | None = None) -> Middleware:
    """Return the middleware. With keys, a request shows one of them; without, its own key is kept for passing on.

    The routes of administrators want `admin_key`, and no other.
    """
    check = _check_keys([_digest(key.get_secret_value()) for key in api_keys]) if api_keys else _keep_key
    return check if admin_key is None else _check_admin(_digest(admin_key.get_secret_value()), check)


def presented_keys(request: web.Request) -> Iterator[str]:
    """Yield the keys a client shows: Bearer, the password of Basic, x-api-key; empty ones are none."""
    scheme, _, credentials = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "basic":
        credentials = _password(credentials)
    elif scheme.lower() != "bearer":
        credentials = ""
    if credentials:
        yield credentials
    own = request.headers.get(_API_KEY_HEADER, "").strip()
    if own:
        yield own


@web.middleware
async def _keep_key(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[AUTHENTICATED] = True
    # A key that cannot stand in a header (Basic may carry a line end) goes nowhere.
    request[EXCHANGE].client_key = next((key for key in presented_keys(request) if _may_pass_on(key)), None)
    return await handler(request)


def _check_admin(digest: bytes, otherwise: Middleware) -> Middleware:
    @web.middleware
    async def check_admin(request: web.Request, handler: Handler) -> web.StreamResponse:
        info = request.app[ROUTES].get(request.match_info.route)
        if info is None or not info.admin:
            return await otherwise(request, handler)
        known = False
        for key in presented_keys(request):
            known |= _is_one_of(_digest(key), (digest,))
        if not known:
            raise UnauthorizedError(_ADMIN_MESSAGE, headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
        request[AUTHENTICATED] = True
        return await handler(request)

    return check_admin


def _check_keys(digests: Sequence[bytes]) -> Middleware:
    @web.middleware
    async def check_keys(request: web.Request, handler: Handler) -> web.StreamResponse:
        known = False
        for key in presented_keys(request):
            known |= _is_one_of(_digest(key), digests)
        if not known and not _is_exempt(request):
            raise UnauthorizedError(_MESSAGE, headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
        request[AUTHENTICATED] = known
        return await handler(request)

    return check_keys


def _is_exempt(request: web.Request) -> bool:
    if request.method == hdrs.METH_OPTIONS:
        return True
    info = request.app[ROUTES].get(request.match_info.route)
    return info is not None and info.exempt and request.method in (hdrs.METH_GET, hdrs.METH_HEAD)


def _is_one_of(digest: bytes, digests: Sequence[bytes]) -> bool:
    """Compare with every digest, found or not: the time tells nothing."""
    found = False
    for known in digests:
        found |= hmac.compare_digest(known, digest)
    return found


def _digest(key: str) -> bytes:
    """Return a digest of fixed length, so that not even the length of a key shows in the time."""
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


def _password(credentials: str) -> str:
    try:
        decoded = base64.b64decode(credentials, validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return ""
    return decoded.partition(":")[2]
