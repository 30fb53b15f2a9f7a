"""For administrators: read the backends file again, look at one request, change the level of the log.

These routes exist where ADMIN_KEY is set, and want it. Each answers for all processes that serve.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import msgspec
from aiohttp import web

from gateway.channel import ChannelError
from gateway.errors import OverloadedError, ProxyException, RequestError
from gateway.exchange import Dialect
from gateway.handlers.body import read_body
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response
from gateway.lifecycle import LEVEL, Lifecycle, Reload
from gateway.settings_text import ConfigError
from gateway.telemetry.logging import change_level
from gateway.telemetry.recent import Recent

REQUEST_TOPIC = "request"
"""The topic under which processes ask each other about one."""

type Collect = Callable[[str, Any], Awaitable[Sequence[Any]]]


class UnknownRequestError(ProxyException):
    """Nobody remembers a request of that id."""

    status = 404
    kind = "not_found"


class LevelRequest(msgspec.Struct):
    """The body of `POST /admin/log-level`."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class AdminHandler:
    """Answers the three routes; `reload` and `collect` reach all processes."""

    def __init__(self, reload: Reload, collect: Collect) -> None:
        self._reload = reload
        self._collect = collect

    def register(self, routes: RouteTable) -> None:
        """Add the routes."""
        routes.add("POST", "/admin/reload", self.reload, dialect=Dialect.OPENAI, admin=True)
        routes.add("GET", "/admin/requests/{request_id}", self.request, dialect=Dialect.OPENAI, admin=True)
        routes.add("POST", "/admin/log-level", self.log_level, dialect=Dialect.OPENAI, admin=True)

    async def reload(self, request: web.Request) -> web.Response:
        """Answer with the backends that are asked from now on. Raises RequestError for a wrong configuration."""
        try:
            backends = await self._reload()
        except ConfigError as error:
            raise RequestError("; ".join(error.lines), code="bad_configuration") from None
        return json_response(msgspec.json.encode({"status": "reloaded", "backends": backends}))

    async def request(self, request: web.Request) -> web.Response:
        """Answer with what happened to a recent request. Raises UnknownRequestError for any other."""
        found = [
            answer for answer in await self._all(REQUEST_TOPIC, request.match_info["request_id"]) if answer is not None
        ]
        if not found:
            raise UnknownRequestError("no recent request has this id", param="request_id", code="request_not_found")
        # An id that a client chose may have been used twice: the newest is meant.
        newest = max(found, key=lambda answer: float(answer["began"]))
        return json_response(msgspec.json.encode(newest))

    async def log_level(self, request: web.Request) -> web.Response:
        """Log from another level on, until the next change or start. Raises RequestError for a word that is none."""
        try:
            level = msgspec.json.decode(await read_body(request), type=LevelRequest).level
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            words = 'one of DEBUG, INFO, WARNING, ERROR, CRITICAL, as in {"level": "DEBUG"}'
            raise RequestError(f"level must be {words}", param="level") from None
        answers = await self._all(LEVEL, level)
        return json_response(msgspec.json.encode({"status": "changed", "level": level, "processes": len(answers)}))

    async def _all(self, topic: str, payload: str) -> Sequence[Any]:
        try:
            return await self._collect(topic, payload)
        except ChannelError as error:
            raise OverloadedError(f"the other processes cannot be asked: {error}") from None


def answer_others(lifecycle: Lifecycle, recent: Recent) -> None:
    """Answer the other processes, and the own one, about requests and the level of the log."""

    async def find(request_id: Any) -> Any:
        """Return what this process remembers of a request."""
        return recent.find(str(request_id))

    async def change(level: Any) -> Any:
        """Change the level of this process, and return it."""
        change_level(str(level))
        return str(level)

    lifecycle.topics[REQUEST_TOPIC] = find
    lifecycle.topics[LEVEL] = change
