"""Lifecycle: whether the process is stopping, which answers must be told to end, and how it reaches the others."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from aiohttp import web

from gateway.channel import ANSWER_WITHIN_S, ChannelError, Topic
from gateway.errors import OverloadedError
from gateway.settings_text import ConfigError, Problem

RELOAD = "reload"
"""The topic under which processes are told to read the configuration again."""
RELOAD_WITHIN_S = 60.0
LEVEL = "log_level"
"""The topic under which processes are told from which level on to log, and the supervisor which one that is."""
BREAKERS, BREAKERS_NOW = "breakers", "breakers_now"
"""The topics under which workers tell each other what their breakers learn, and ask for it when they start."""

STOPPING = "the gateway is stopping, please try again"
"""What a client is told whose request the stop ends."""


class LiveStream(Protocol):
    """An answer that is being prepared or written."""

    def end(self) -> None:
        """Answer honestly and soon; called in the event loop, at most once."""


class Link(Protocol):
    """The way to the supervisor: `Channel` has it."""

    async def ask(self, topic: str, payload: Any = None, *, timeout_s: float = ANSWER_WITHIN_S) -> Any:
        """Return the supervisor's answer. Raises ChannelError."""
        ...

    async def collect(self, topic: str, payload: Any = None) -> list[Any]:
        """Return the answers of all workers. Raises ChannelError."""
        ...

    def tell(self, topic: str, payload: Any = None) -> None:
        """Send the supervisor a notice, which may be lost."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """Which of how many workers a process is; `number` counts from 0."""

    number: int
    count: int


Reload = Callable[[], Awaitable[Sequence[str]]]
"""Reads the configuration again and returns the backends' names. Raises ConfigError, and nothing has changed."""


@dataclass(slots=True, eq=False)
class Lifecycle:
    """One per application. `started_s` is `time.monotonic()`; an answer stands in `live` until it is written.

    `reload`: how this process reads its configuration again; None where there is nothing to read.
    `topics`: what this process answers when another one asks. `link` and `worker` are None without a supervisor.
    """

    started_s: float = field(default_factory=monotonic)
    stopping: bool = False
    live: set[LiveStream] = field(default_factory=set)
    reload: Reload | None = None
    topics: dict[str, Topic] = field(default_factory=dict)
    link: Link | None = None
    worker: WorkerPlace | None = None

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return monotonic() - self.started_s

    def end_live(self) -> None:
        """Tell every answer that is still being prepared or written to end."""
        for stream in tuple(self.live):
            stream.end()

    async def ask(self, topic: str, payload: Any = None, *, timeout_s: float = ANSWER_WITHIN_S) -> Any:
        """Return the supervisor's answer. Raises ChannelError where none comes in time, or where there is none."""
        if self.link is None:
            raise ChannelError("there is no supervisor")
        return await self.link.ask(topic, payload, timeout_s=timeout_s)

    async def collect(self, topic: str, payload: Any = None) -> list[Any]:
        """Return the answers of all processes that serve, the own one included. Raises ChannelError."""
        return [await self.topics[topic](payload)] if self.link is None else await self.link.collect(topic, payload)

    def tell(self, topic: str, payload: Any = None) -> None:
        """Send the supervisor a notice, which may be lost; where there is none, nobody hears it."""
        if self.link is not None:
            self.link.tell(topic, payload)

    async def reload_everywhere(self) -> Sequence[str]:
        """Have every process read the configuration again; return the backends' names.

        Raises ConfigError (nothing has changed), or OverloadedError when the others do not answer.
        """
        if self.link is None:
            return await self.reload() if self.reload is not None else []
        try:
            return unpacked(await self.link.ask(RELOAD, timeout_s=RELOAD_WITHIN_S))
        except ChannelError as error:
            raise OverloadedError(f"the supervisor did not answer: {error}") from None

    async def answer_reload(self, _payload: Any) -> dict[str, Any]:
        """Read the configuration again because the supervisor says so; a worker's answer to RELOAD."""
        try:
            return {"backends": list(await self.reload()) if self.reload is not None else []}
        except ConfigError as error:
            return packed(error)


def packed(error: ConfigError) -> dict[str, Any]:
    """Return a configuration that was refused as an answer to RELOAD."""
    return {"problems": [list(problem) for problem in error.problems]}


def unpacked(answer: dict[str, Any]) -> Sequence[str]:
    """Return the backends' names from an answer to RELOAD. Raises ConfigError where it was refused."""
    if problems := answer.get("problems"):
        raise ConfigError([Problem(*map(str, problem)) for problem in problems])
    return [str(name) for name in answer["backends"]]


LIFECYCLE: web.AppKey[Lifecycle] = web.AppKey("lifecycle", Lifecycle)
"""Where an application carries its lifecycle."""
