"""What Ollama asks of its hosted service, answered as by a server that has it switched off and nobody signed in."""

from typing import Never

from aiohttp import web

from gateway.errors import ForbiddenError, RequestError, UnauthorizedError
from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.body import read_body
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response

_STATUS = b'{"cloud":{"disabled":true,"source":"config"}}'
_RECOMMENDATIONS = b'{"recommendations":[]}'
# There is nowhere to sign in: clients that find no address here do not send anybody to one.
_NOT_SIGNED_IN = b'{"error":"unauthorized","signin_url":""}'


class CloudHandler:
    """Answers for the hosted service that is not there."""

    def register(self, routes: RouteTable) -> None:
        """Add the routes."""
        ours = Dialect.OLLAMA
        routes.add("GET", "/api/status", self.status, dialect=ours)
        routes.add("POST", "/api/me", self.me, dialect=ours)
        routes.add("POST", "/api/signout", self.sign_out, dialect=ours)
        routes.add("DELETE", "/api/user/keys/{key}", self.sign_out, dialect=ours)
        routes.add("POST", "/api/experimental/web_search", self.web_search, dialect=ours)
        routes.add("POST", "/api/experimental/web_fetch", self.web_fetch, dialect=ours)
        routes.add("GET", "/api/experimental/model-recommendations", self.recommendations, dialect=ours)

    async def status(self, _request: web.Request) -> web.Response:
        """Say that the hosted service is switched off, by how this server is set up."""
        return json_response(_STATUS)

    async def me(self, request: web.Request) -> web.Response:
        """Answer that nobody is signed in. A body is not looked at."""
        request[EXCHANGE].error_kind = UnauthorizedError.kind
        return json_response(_NOT_SIGNED_IN, status=UnauthorizedError.status)

    async def sign_out(self, _request: web.Request) -> web.Response:
        """Raise UnauthorizedError: who is not signed in cannot sign out. A body is not looked at."""
        raise UnauthorizedError("you are not currently signed in")

    async def web_search(self, request: web.Request) -> web.Response:
        """Raise ForbiddenError, or RequestError without a body."""
        await _refuse(request, "web search")

    async def web_fetch(self, request: web.Request) -> web.Response:
        """Raise ForbiddenError, or RequestError without a body."""
        await _refuse(request, "web fetch")

    async def recommendations(self, _request: web.Request) -> web.Response:
        """Recommend nothing."""
        return json_response(_RECOMMENDATIONS)


async def _refuse(request: web.Request, service: str) -> Never:
    if not (await read_body(request)).strip():
        raise RequestError("missing request body")
    raise ForbiddenError(f"ollama cloud is disabled: {service} is unavailable")
