"""Exchange: the one record of a request, made first and closed last; handlers write it, log and metrics read it."""

from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic_ns
from typing import Literal

from aiohttp import web


class Dialect(StrEnum):
    """Whose words a route speaks: decides the shape of its errors."""

    OLLAMA = "ollama"
    OPENAI = "openai"


@dataclass(slots=True)
class Exchange:
    """What is known of one request. Times are `time.monotonic_ns()`; None means it did not happen."""

    request_id: str
    method: str
    dialect: Dialect = Dialect.OLLAMA
    route: str = "other"
    started_ns: int = field(default_factory=monotonic_ns)
    asked_ns: int | None = None
    first_output_ns: int | None = None
    first_chunk_ns: int | None = None
    model: str | None = None
    backend: str | None = None
    backend_model: str | None = None
    attempts: int = 0
    retry_causes: list[str] = field(default_factory=list)
    stream: bool = False
    chunks: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error_kind: str | None = None
    cache_control: str = ""
    """The Cache-Control of the request, as sent."""
    cache: Literal["hit", "miss", "bypass"] | None = None
    """What the response cache did; None where it is off, or the answer is not one to keep."""
    client_key: str | None = field(default=None, repr=False)
    """The key the client presented, for passing on; never logged."""
    body_limit_bytes: int = 0
    prepared: bool = False
    """True once the status line of the answer is on its way: nobody may answer again."""


EXCHANGE: web.RequestKey[Exchange] = web.RequestKey("exchange", Exchange)
"""Where a request carries its exchange."""


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """What a route is called in logs and metrics (its path pattern), and whose words it speaks."""

    label: str
    dialect: Dialect
    exempt: bool = False
    """True where no key is asked for (liveness and version answers)."""
    admin: bool = False
    """True where ADMIN_KEY is asked for."""
    max_body_bytes: int | None = None
    """The bound for a body of this route; None: REQUEST_MAX_SIZE."""


ROUTES: web.AppKey[dict[web.AbstractRoute, RouteInfo]] = web.AppKey("routes", dict)
"""The route table of the application: a route that is not in it answers as Ollama answers unknown paths."""
