"""`/api/blobs/{digest}`: what clients upload before they create a model. It is checked, and nothing of it is kept."""

import re
from hashlib import sha256

from aiohttp import web

from gateway.codecs.go_texts import go_quote
from gateway.errors import ModelNotFoundError, RequestError
from gateway.exchange import Dialect
from gateway.handlers.body import body_pieces, in_time
from gateway.handlers.routing import RouteTable

MAX_BLOB_BYTES = 1 << 30
"""Uploads are read for nothing, so a model of many gigabytes is better refused than waited for."""

_is_digest = re.compile(r"sha256[:-][0-9a-fA-F]{64}").fullmatch


class BlobHandler:
    """Takes uploads of up to MAX_BLOB_BYTES, whole in `timeout_s` seconds, and forgets them."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    def register(self, routes: RouteTable) -> None:
        """Add the routes."""
        path = "/api/blobs/{digest}"
        routes.add("HEAD", path, self.head, dialect=Dialect.OLLAMA)
        routes.add("POST", path, self.post, dialect=Dialect.OLLAMA, max_body_bytes=MAX_BLOB_BYTES)

    async def head(self, request: web.Request) -> web.Response:
        """Raise ModelNotFoundError: there never is such a blob."""
        digest = _digest(request)
        raise ModelNotFoundError(f"blob {go_quote(digest)} not found")

    async def post(self, request: web.Request) -> web.Response:
        """Answer 201 for bytes that have the digest. Raises RequestError for others."""
        wanted = _digest(request)
        found = await in_time(_digest_of_body(request), self._timeout_s)
        if found != wanted:
            raise RequestError(f"digest mismatch, expected {go_quote(wanted)}, got {go_quote(found)}")
        return web.Response(status=201)


def _digest(request: web.Request) -> str:
    digest = request.match_info["digest"]
    if not _is_digest(digest):
        raise RequestError("invalid digest format")
    return digest


async def _digest_of_body(request: web.Request) -> str:
    digest = sha256()
    async for piece in body_pieces(request):
        digest.update(piece)
    return f"sha256:{digest.hexdigest()}"
