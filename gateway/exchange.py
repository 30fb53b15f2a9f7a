"""Exchange: the one record of a request, made first and closed last; handlers write it, log and metrics read it."""

from dataclasses import dataclass
from enum import StrEnum
from time import monotonic_ns
from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from gateway.telemetry.tracing import Trace


_HIDDEN = frozenset(("client_key", "info", "trace"))


class Dialect(StrEnum):
    """Whose words a route speaks: decides the shape of its errors."""

    OLLAMA = "ollama"
    OPENAI = "openai"


class Exchange(msgspec.Struct):
    """What is known of one request. Times are `time.monotonic_ns()`; None means it did not happen.

    A struct, since one is made for each request: a dataclass of as many fields takes five times as long to make.
    """

    request_id: str
    method: str
    dialect: Dialect = Dialect.OLLAMA
    route: str = "other"
    started_ns: int = msgspec.field(default_factory=monotonic_ns)
    asked_ns: int | None = None
    first_output_ns: int | None = None
    first_chunk_ns: int | None = None
    model: str | None = None
    backend: str | None = None
    backend_model: str | None = None
    attempts: int = 0
    probe: int = 0
    """The number of the probe of a breaker that the latest attempt is; 0 where it is none."""
    retry_causes: list[str] = msgspec.field(default_factory=list)
    stream: bool = False
    chunks: int = 0
    heartbeats: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error_kind: str | None = None
    key_name: str | None = None
    """The name of the key the client showed; None where it showed none of ours."""
    queued_ns: int | None = None
    """How long the request waited for its turn; None where it did not have to wait."""
    queue_began_ns: int | None = None
    """When it began to wait for its turn."""
    clock: str | None = None
    """Which of the backend's clocks ended the request."""
    delivery: str | None = None
    """What the client asked for in X-Gateway-Delivery."""
    cache_control: str = ""
    """The Cache-Control of the request, as sent."""
    cache: Literal["hit", "miss", "bypass"] | None = None
    """What the response cache did; None where it is off, or the answer is not one to keep."""
    trace_id: str | None = None
    """The id of the trace this request belongs to, in hex; None where nothing is traced."""
    trace_headers: dict[str, str] = msgspec.field(default_factory=dict)
    """What carries the trace on to a backend: the client's own headers, or those of the latest attempt."""
    trace: "Trace | None" = None
    """The spans of this request; None where nothing is traced."""
    finish_reason: str | None = None
    """Why the answer ended, in OpenAI's words; None while it has not."""
    waited_ns: int = 0
    """How long the request waited for others: its client, a backend, a pause; its turn is in `queued_ns`."""
    waited_first_ns: int = 0
    """What `waited_ns` was when the first chunk was written."""
    translation_ns: int = 0
    """How long codecs worked on it: its question, its answer's bytes to events, and events to bytes."""
    reasoning_tokens: int | None = None
    """Those of `completion_tokens` that were reasoning, as the backend counted."""
    tries: list[tuple[str, str, int, int]] = msgspec.field(default_factory=list)
    """Every attempt that ended: backend, "ok" or the kind of its error, when it began, when it ended."""
    wants_facts: bool = False
    """True where the log is to say what was asked for: parameters and sizes."""
    facts: dict[str, object] | None = None
    """Names, numbers and counts of the request's body, never a text of it."""
    status: int | None = None
    """The status to report; None while the request runs."""
    ended_ns: int | None = None
    client_key: str | None = None
    """The key the client presented, for passing on; never logged."""
    body_limit_bytes: int = 0
    body_read: bool = False
    info: "RouteInfo | None" = None
    """What is known of its route; None for one that is not in the table."""
    authenticated: bool = False
    """True where the client may see everything: it showed a valid key, or none is wanted."""
    allowed_origin: str | None = None
    """The origin of a request that is CORS and allowed; None for any other."""
    prepared: bool = False
    """True once the status line of the answer is on its way: nobody may answer again."""

    def __repr__(self) -> str:
        """Show all that may be shown: no key, and nothing that belongs to more than this request."""
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in _HIDDEN]
        return f"Exchange({', '.join(shown)})"


EXCHANGE: web.RequestKey[Exchange] = web.RequestKey("exchange", Exchange)
"""Where a request carries its exchange."""


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """What a route is called in logs and metrics (its path, `{name}` for what varies), and whose words it speaks."""

    label: str
    dialect: Dialect
    exempt: bool = False
    """True where no key is asked for (liveness and version answers)."""
    admin: bool = False
    """True where ADMIN_KEY is asked for."""
    asks: bool = False
    """True where the route refuses by itself who shows no key: with 401 and a page that asks for one."""
    max_body_bytes: int | None = None
    """The bound for a body of this route; None: REQUEST_MAX_SIZE."""


ROUTES: web.AppKey[dict[web.AbstractRoute, RouteInfo]] = web.AppKey("routes", dict)
"""The route table of the application: a route that is not in it answers as Ollama answers unknown paths."""
