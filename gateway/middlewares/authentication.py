"""Who may call: anybody, or whoever shows one of API_KEYS or a key of KEYS_FILE; and as whom."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence

from aiohttp import hdrs, web
from multidict import istr
from pydantic import SecretStr

from gateway.callers import CALLER, Caller
from gateway.errors import UnauthorizedError
from gateway.exchange import Exchange
from gateway.keys.entries import RESERVED, digest_of
from gateway.keys.store import Grant, KeyStore, find_in, granted

type AddressOf = Callable[[web.Request], str]
type Check = Callable[[web.Request, Exchange], None]
type Recognize = Callable[[bytes], Caller | None]

_API_KEY_HEADER = istr("x-api-key")
_MESSAGE = "unauthorized: this gateway wants an API key (Authorization: Bearer KEY)"
_ADMIN_MESSAGE = "unauthorized: this wants the gateway's ADMIN_KEY (Authorization: Bearer KEY)"
_may_pass_on = re.compile(r"[\x21-\x7e]+").fullmatch


def peer_address(request: web.Request) -> str:
    """Return the address that the connection comes from, empty where it has none."""
    return request.remote or ""


def authentication_guard(
    api_keys: Sequence[SecretStr],
    admin_key: SecretStr | None = None,
    *,
    keys: KeyStore | None = None,
    address: AddressOf = peer_address,
) -> Check:
    """Return the guard, which says of each request who asks (CALLER), from the `address` of its client.

    With `api_keys` or `keys`, a request shows one of them; without, its own key is kept for passing on. The routes of
    administrators want `admin_key`, and no other.
    """
    wanted = bool(api_keys) or keys is not None
    check = _check_keys(_recognizer(api_keys, keys), address) if wanted else _keep_key(address)
    return check if admin_key is None else _check_admin(admin_key, check, address)


def presented_keys(request: web.Request) -> list[str]:
    """Return the keys a client shows: Bearer, the password of Basic, x-api-key; empty ones are none."""
    headers = request.headers
    keys: list[str] = []
    if authorization := headers.get(hdrs.AUTHORIZATION):
        scheme, _, credentials = authorization.partition(" ")
        credentials = credentials.strip()
        if scheme.lower() == "basic":
            credentials = _password(credentials)
        elif scheme.lower() != "bearer":
            credentials = ""
        if credentials:
            keys.append(credentials)
    if (own := headers.get(_API_KEY_HEADER)) and (own := own.strip()):
        keys.append(own)
    return keys


def _keep_key(address: AddressOf) -> Check:
    def keep_key(request: web.Request, exchange: Exchange) -> None:
        exchange.authenticated = True
        request[CALLER] = Caller("", address(request))
        for key in presented_keys(request):
            # A key that cannot stand in a header (Basic may carry a line end) goes nowhere.
            if _may_pass_on(key):
                exchange.client_key = key
                break

    return keep_key


def _check_admin(admin_key: SecretStr, otherwise: Check, address: AddressOf) -> Check:
    recognize = _recognizer([admin_key], None)

    def check_admin(request: web.Request, exchange: Exchange) -> None:
        if exchange.info is None or not exchange.info.admin:
            otherwise(request, exchange)
            return
        if _caller(request, recognize) is None:
            raise UnauthorizedError(_ADMIN_MESSAGE, headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
        exchange.authenticated = True
        request[CALLER] = Caller("", address(request))

    return check_admin


def _check_keys(recognize: Recognize, address: AddressOf) -> Check:
    def check_keys(request: web.Request, exchange: Exchange) -> None:
        known = _caller(request, recognize)
        if known is None:
            # Unknown, expired or revoked: the answer is the same, so that nobody learns which keys there were.
            if not _is_exempt(request, exchange):
                raise UnauthorizedError(_MESSAGE, headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
            request[CALLER] = Caller("", address(request))
        else:
            exchange.key_name = known.name
            request[CALLER] = Caller(
                known.name, address(request), known.models, known.rpm, known.tpm, known.concurrency
            )
        exchange.authenticated = known is not None

    return check_keys


def _is_exempt(request: web.Request, exchange: Exchange) -> bool:
    if request.method == hdrs.METH_OPTIONS:
        return True
    info = exchange.info
    return info is not None and (info.exempt or info.asks) and request.method in (hdrs.METH_GET, hdrs.METH_HEAD)


def _caller(request: web.Request, recognize: Recognize) -> Caller | None:
    """Return whose key a request shows, the first one that is valid. All are looked at: the time tells nothing."""
    found: Caller | None = None
    for key in presented_keys(request):
        caller = recognize(digest_of(key))
        found = found or caller
    return found


def _recognizer(api_keys: Sequence[SecretStr], keys: KeyStore | None) -> Recognize:
    """Return what tells whose a digest is. Keys of the settings are named by their position, never by what they are."""
    grants: Mapping[bytes, Grant] = granted(
        (digest_of(key.get_secret_value()), Caller(f"{RESERVED}{number}")) for number, key in enumerate(api_keys, 1)
    )

    def of_the_settings(digest: bytes) -> Caller | None:
        return find_in(grants, digest)

    if keys is None:
        return of_the_settings
    if not grants:
        return keys.find

    def of_both(digest: bytes) -> Caller | None:
        known, of_the_file = find_in(grants, digest), keys.find(digest)
        return known or of_the_file

    return of_both


def _password(credentials: str) -> str:
    try:
        decoded = base64.b64decode(credentials, validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return ""
    return decoded.partition(":")[2]
