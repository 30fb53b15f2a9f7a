"""Lifecycle: whether the process is stopping, since when it runs, and which streams must be told to end."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from aiohttp import web


class LiveStream(Protocol):
    """An answer that is being written."""

    def end(self) -> None:
        """Write an honest last line soon and return; called in the event loop, at most once."""


Reload = Callable[[], Awaitable[Sequence[str]]]
"""Reads the configuration again and returns the backends' names. Raises ConfigError, and nothing has changed."""


@dataclass(slots=True, eq=False)
class Lifecycle:
    """One per application. `started_s` is `time.monotonic()`; a stream stands in `live` while it is being written.

    `reload` is what SIGHUP asks for; None where there is nothing to read again.
    """

    started_s: float = field(default_factory=monotonic)
    stopping: bool = False
    live: set[LiveStream] = field(default_factory=set)
    reload: Reload | None = None

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return monotonic() - self.started_s

    def end_live(self) -> None:
        """Tell every stream that is still being written to end."""
        for stream in tuple(self.live):
            stream.end()


LIFECYCLE: web.AppKey[Lifecycle] = web.AppKey("lifecycle", Lifecycle)
"""Where an application carries its lifecycle."""
