"""What the attempts loop asks of a codec: a question to encode for any target, and a reader for its answer."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from gateway.codecs.events import End, Event
from gateway.errors import ProxyException


class Profile(msgspec.Struct, frozen=True):
    """What one kind of backend takes; the rows are in `backends.profiles`.

    `parameters`: request keys it accepts beyond those every server knows. `max_tokens`: its name for that bound.
    `thinking_off`: the key that switches reasoning off (`chat_template_kwargs` or `reasoning_effort`), None where none
    is known. `thinking_levels`: whether it takes `reasoning_effort`. `embedding_batch`: the most texts it
    embeds at once.
    """

    name: str
    parameters: frozenset[str] = frozenset()
    max_tokens: str = "max_tokens"
    stream_usage: bool = True
    base64_embeddings: bool = False
    embedding_batch: int = 2048
    thinking_off: str | None = None
    thinking_levels: bool = False


class Defaults(msgspec.Struct, frozen=True):
    """What a virtual model adds to a request that does not say it itself: a Modelfile's SYSTEM, MESSAGE, PARAMETER.

    `messages` are OpenAI's, `options` Ollama's as `read_options` returns them.
    """

    system: str = ""
    messages: tuple[dict[str, Any], ...] = ()
    options: Mapping[str, Any] = {}


class Target(msgspec.Struct, frozen=True):
    """One place that can answer: the backend's name, its own name for the model, and its profile.

    `defaults`: what the virtual model adds that was asked for, None for any other. `stand_in`: DEFAULT_MODEL, where it
    answers for a name that nobody serves, or for none. `denied`: capabilities the backend says the model has not.
    """

    backend: str
    model: str
    profile: Profile
    defaults: Defaults | None = None
    stand_in: str = ""
    denied: tuple[str, ...] = ()


class Encoded(NamedTuple):
    """A request for a backend: path below its base URL, headers beyond the usual ones, JSON body."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class BackendReader(Protocol):
    """Turns a backend's bytes into events. Never raises on what a backend sends: a failure is an event."""

    progress: int
    """Grows with each piece of output seen, shown or not: what the silence clock watches."""
    finished: bool
    """True once a finish reason (or all of a plain answer) was seen."""
    plain: bool
    """True once the answer is known to be one plain JSON body."""
    ended: bool
    """True once nothing more can come ([DONE] seen or failed): the rest of the body need not be waited for."""

    def feed(self, data: bytes, now_ns: int) -> list[Event]:
        """Read more bytes; return the events they complete."""
        ...

    def finish(self, end: End, now_ns: int) -> list[Event]:
        """Return the last events, given how the body ended."""
        ...


class Question(Protocol):
    """One validated request of a client, ready to be asked of any target."""

    @property
    def model(self) -> str:
        """The model's name as the client sent it."""
        ...

    @property
    def streamed(self) -> bool:
        """Whether the backend is asked to stream; decides which clocks run."""
        ...

    def encode(self, target: Target, dropped: frozenset[str] = frozenset()) -> Encoded:
        """Encode for `target`, without the parameters it was learnt to refuse. Pure: called anew for each attempt."""
        ...

    def reader(self, target: Target, started_ns: int) -> BackendReader:
        """Return a fresh reader for the answer to one attempt."""
        ...

    def unknown_model(self) -> ProxyException:
        """Return the error for a model nobody serves, worded for the route."""
        ...
