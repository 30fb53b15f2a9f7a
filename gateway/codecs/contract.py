"""What the attempts loop asks of a codec: a question to encode for any target, and a reader for its answer."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from gateway.backend_settings import Clocks
from gateway.codecs.events import End, Event
from gateway.errors import ProxyException


class Profile(msgspec.Struct, frozen=True):
    """What one kind of backend takes; the rows are in `backends.profiles`.

    `evidence`: whether the row was measured on a real server or taken from its documentation.
    `parameters`: request keys it accepts beyond those every server knows. `max_tokens`, `seed`: its names for these.
    `formats`: the kinds of `response_format` it holds an answer to.
    `thinking_off`: the key that switches reasoning off and on (`chat_template_kwargs`, `reasoning` or
    `reasoning_effort`), None where none is known. `thinking_switches`: what its templates call that switch.
    `thinking_on`: the effort that switches on what is off by default. `thinking_levels`: whether it takes
    `reasoning_effort`; `thinking_highest`: the most of it. `thinking_field`: where reasoning comes back.
    `stream_usage`: whether it takes `stream_options`; who does not sends usage unasked. `streams_plain`: whether a
    plain question may be asked as a stream without losing anything of the answer; `always_streams`: and is, whatever
    is lost.
    `embedding_batch`: the most texts it embeds at once. `metadata`, `health`: paths beside its `/v1`, "" where it has
    none that is known. `key_header`: where it wants its key.
    """

    name: str
    evidence: Literal["measured", "documented"] = "documented"
    parameters: frozenset[str] = frozenset()
    max_tokens: str = "max_tokens"
    seed: str = "seed"
    formats: frozenset[str] = frozenset({"json_object", "json_schema"})
    stream_usage: bool = True
    streams_plain: bool = True
    always_streams: bool = False
    base64_embeddings: bool = False
    embedding_batch: int = 2048
    thinking_off: str | None = None
    thinking_switches: tuple[str, ...] = ("enable_thinking",)
    thinking_on: str = ""
    thinking_levels: bool = False
    thinking_highest: str = "high"
    thinking_field: str = ""
    metadata: str = ""
    health: str = ""
    key_header: str = "Authorization"


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
    answers for a name that nobody serves, or for none, and a fallback's name. `denied`: capabilities the backend says
    the model has not. `tier`: how directly the name leads here, lower is asked first. `fallback`: 0 serves what was
    asked for, 1 and more are the fallbacks in their order. `delivery`: what may be shown before the answer is complete
    (`live`, `guarded`, `whole`; None: as configured for all). `sticky`: a conversation stays with one backend.
    `clocks`: the model's own, in place of its backend's.
    """

    backend: str
    model: str
    profile: Profile
    defaults: Defaults | None = None
    stand_in: str = ""
    denied: tuple[str, ...] = ()
    tier: int = 0
    fallback: int = 0
    delivery: str | None = None
    sticky: bool = False
    clocks: Clocks | None = None


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
    def whole(self) -> bool:
        """Whether the client gets the answer in one piece: then nothing is shown before it is complete."""
        ...

    @property
    def needs(self) -> frozenset[str]:
        """The capabilities a model must have to answer: of `vision`, `tools`, `thinking`, `embedding`, `insert`."""
        ...

    @property
    def cache_form(self) -> str:
        """What decides, beside the encoded request and the target, which events the reader makes of an answer."""
        ...

    @property
    def conversation_key(self) -> str:
        """What stays the same over the turns of one conversation; "" where nothing does."""
        ...

    def streams(self, target: Target, dropped: frozenset[str] = frozenset()) -> bool:
        """Return whether `target` is asked to stream; decides which clocks run."""
        ...

    def may_drop(self, parameter: str) -> bool:
        """Return whether a parameter that a backend refuses may be left out without changing what was asked."""
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
