"""Events: what readers make of any backend's bytes, and what writers turn into a dialect.

The events of one answer end with `Usage` (where the backend gave counts) and `Finish`, or with one `Failure`.
"""

from enum import Enum
from typing import Any

import msgspec

from gateway.errors import ProxyException


class Text(msgspec.Struct, gc=False, frozen=True):
    """A piece of the answer; `logprobs` are OpenAI's entries for its tokens, as received."""

    text: str
    logprobs: tuple[dict[str, Any], ...] = ()


class Texts(msgspec.Struct, gc=False, frozen=True):
    """Pieces of the answer that came together, each of them a `Text` of its own."""

    texts: list[str]


class Thinking(msgspec.Struct, gc=False, frozen=True):
    """A piece of the model's reasoning."""

    text: str


class ToolCall(msgspec.Struct, gc=False, frozen=True):
    """One whole call; `arguments` is the JSON text of an object, ASCII only; `index` counts from 0 in the answer."""

    id: str
    name: str
    arguments: str
    index: int = 0


class Vectors(msgspec.Struct, gc=False, frozen=True):
    """Embeddings in input order, each as the backend sent it: floats, or the bytes of little-endian float32."""

    vectors: list[Any]


class Usage(msgspec.Struct, gc=False, frozen=True):
    """Token counts as the backend gave them (None: it did not), and durations in nanoseconds where it measured them.

    `reasoning_tokens` are part of `completion_tokens`.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_ns: int | None = None
    eval_ns: int | None = None
    reasoning_tokens: int | None = None


class Finish(msgspec.Struct, gc=False, frozen=True):
    """The answer is complete; `reason` is OpenAI's finish_reason.

    `model` is the backend's name for the model that answered, where it is another than the one that was asked for.
    """

    reason: str
    model: str = ""


class Raw(msgspec.Struct, gc=False, frozen=True):
    """Bytes for the client as they are (`/v1`): whole events or a whole body; `content`: do they show output?"""

    data: bytes
    content: bool = True


class Failure(msgspec.Struct, frozen=True):
    """The answer broke; nothing follows."""

    # Seen by the garbage collector, unlike the others: an error leads to its frames, and these lead back here.

    error: ProxyException


Event = Text | Texts | Thinking | ToolCall | Vectors | Usage | Finish | Raw | Failure


class End(Enum):
    """How a backend's body ended: at its end, by a broken connection, or because we stopped reading."""

    CLEAN = "clean"
    CUT = "cut"
    CANCELLED = "cancelled"


def said(event: Event) -> str:
    """Return the text that an event adds to the answer, "" for one that adds none."""
    if isinstance(event, Text):
        return event.text
    return "".join(event.texts) if isinstance(event, Texts) else ""
