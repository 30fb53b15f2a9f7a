"""What is known of who calls: written by the authentication middleware, read by handlers and by admission."""

import msgspec
from aiohttp import web


class Caller(msgspec.Struct, frozen=True):
    """Who asks. `name` is its key's, empty without one; `address` is the client's own, behind trusted proxies too.

    The rest is what its key says: globs of the models it may use (None: all), requests and tokens a minute, requests
    at once (None: no limit of its own).
    """

    name: str = ""
    address: str = ""
    models: tuple[str, ...] | None = None
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None


CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
"""Who asks; every request has one from the authentication middleware on."""
