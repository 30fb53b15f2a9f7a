"""What each real server can do: a row a model. A new server is a new row."""

from dataclasses import dataclass
from typing import NamedTuple

from tests.backends.real.tiny import lines
from tests.backends.real.tiny.network import CONTEXT, Network

PLAIN = lines.text_of(lines.PLAIN)
THOUGHT = lines.text_of(lines.THOUGHT).strip()
PERSON = '{"name":"","age":1}'
"""What a grammar makes the model say where a name and an age are wanted."""
WIDTH = Network(thinking=False).width
UNKNOWN_CONTEXT = 32768
"""What is shown where nobody says how long a model's context is."""


class Refused(NamedTuple):
    """An error: its status, and a part of its text."""

    status: int
    says: str


NO_VECTORS = Refused(501, "does not support embeddings")
NO_THOUGHTS = Refused(400, "does not support thinking")
TOO_LONG = Refused(400, "exceeds the available context size")
NO_BOTH = Refused(400, "logprobs is not supported with tools + stream")
NO_FORMAT = Refused(400, "cannot hold an answer to a format")
NO_IMAGES = Refused(500, "image input is not supported")


@dataclass(frozen=True, slots=True)
class Served:
    """A model at a server, and what is right when it is asked through the gateway.

    `thoughts`: what it thinks, "" where it does not. `think`: what asking it to think gives, None where it answers.
    `obeys`: it can be told not to think. `person`: its answer where a schema is given. `streams_both`: what logprobs
    and tools at once give in a stream, None where it answers. `before_stop`: what it says of a line until the text it
    is to stop at. `vectors`: how long they are. `heavy`: left to `make test-backends`.
    """

    server: str
    model: str
    thoughts: str = ""
    think: Refused | None = None
    obeys: bool = True
    person: str | Refused = PERSON
    logprobs: bool = True
    streams_both: Refused | None = NO_BOTH
    before_stop: str = "un deux "
    vectors: int | Refused = NO_VECTORS
    image: Refused | None = NO_IMAGES
    too_long: Refused | None = TOO_LONG
    context: int = CONTEXT
    capabilities: tuple[str, ...] = ("completion", "tools")
    loaded: bool = True
    strict: bool = False
    heavy: bool = False

    @property
    def name(self) -> str:
        """How a test's name shows it."""
        return f"{self.server}-{self.model.rpartition('/')[2]}"


_THINKS = ("completion", "tools", "thinking")

SERVED = (
    Served("llama-chat", "tiny", think=NO_THOUGHTS),
    Served("llama-think", "tiny-think", thoughts=THOUGHT, capabilities=_THINKS),
    Served("llama-embed", "tiny-embed", think=NO_THOUGHTS, vectors=WIDTH, context=2048, capabilities=("embedding",)),
    Served("llama-router", "tiny", think=NO_THOUGHTS),
    Served("llama-router", "tiny-think", thoughts=THOUGHT, capabilities=_THINKS),
    Served("litellm", "tiny", loaded=False, heavy=True),
    Served("litellm", "tiny-think", thoughts=THOUGHT, obeys=False, context=UNKNOWN_CONTEXT, loaded=False, heavy=True),
    Served(
        "litellm",
        "tiny-embed",
        vectors=WIDTH,
        context=UNKNOWN_CONTEXT,
        capabilities=("embedding",),
        loaded=False,
        heavy=True,
    ),
    Served(
        "transformers",
        "tests/tiny",
        person=NO_FORMAT,
        logprobs=False,
        streams_both=None,
        before_stop="un deux trois",
        vectors=Refused(404, "Not Found"),
        image=None,
        too_long=None,
        context=UNKNOWN_CONTEXT,
        loaded=False,
        strict=True,
        heavy=True,
    ),
    Served(
        "transformers",
        "tests/tiny-think",
        thoughts=THOUGHT,
        person=NO_FORMAT,
        logprobs=False,
        streams_both=None,
        before_stop="un deux trois",
        vectors=Refused(404, "Not Found"),
        image=None,
        too_long=None,
        context=UNKNOWN_CONTEXT,
        loaded=False,
        strict=True,
        heavy=True,
    ),
)
