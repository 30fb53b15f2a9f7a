"""What the measured backend says, byte by byte, and therefore what a right answer to the load is.

The name of a model says what its answers are like, since a name is the one thing that passes every dialect unchanged.
"""

import json
import re
from array import array
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from sys import byteorder

LISTED_MODELS = 20
DONE = b"data: [DONE]\n\n"
_NAME = re.compile(rb'"model":\s*"bench-(\d+)-(\d+)-(\d+)"')


@dataclass(frozen=True, slots=True)
class Script:
    """An answer of `chunks` words, one each `pace_ms` (0: all at once); or a vector of `dimensions` for each text."""

    chunks: int = 200
    pace_ms: int = 0
    dimensions: int = 1024

    @property
    def model(self) -> str:
        """The name that asks for it."""
        return f"bench-{self.chunks}-{self.pace_ms}-{self.dimensions}"


SCRIPTS = (
    *(Script(chunks) for chunks in (10, 100, 200, 1_000, 10_000, 100_000)),
    *(Script(100, pace_ms) for pace_ms in (1, 10, 20, 100)),
    Script(10, 1),
    Script(dimensions=8),
)
"""Those that the backend's list of models has: a gateway answers 404 to any other."""


def script_of(request: bytes) -> Script:
    """Return the script that a request's body names; the usual one where it names none."""
    named = _NAME.search(request)
    return Script(*map(int, named.groups())) if named else Script()


@lru_cache
def model_list(size: int) -> bytes:
    """Return the body of `GET /models` with `size` models, the scripts among them."""
    names = [script.model for script in SCRIPTS]
    names += [f"other-{number:05}" for number in range(size - len(names))]
    rows = [{"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "vllm"} for name in names]
    return _json({"object": "list", "data": rows})


def words(script: Script) -> list[str]:
    """Return the text of an answer, chunk by chunk; each begins with a blank and a w."""
    return [f" w{number % 1000:03}" for number in range(script.chunks)]


@lru_cache
def text_after_mark(script: Script) -> bytes:
    """Return the whole text of an unpaced answer without its first two characters, as checks compare it."""
    return "".join(words(script)).encode().removeprefix(b" w")


def event(script: Script, text: str | None, finish: str | None = None) -> bytes:
    """Return one event of a streamed chat, as vLLM sends it."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return b"data: %b\n\n" % _json({**_head(script), "object": "chat.completion.chunk", "choices": [choice]})


def usage_event(script: Script) -> bytes:
    """Return the event that a request with `include_usage` gets before the end."""
    usage = _usage(script.chunks)
    return b"data: %b\n\n" % _json({**_head(script), "object": "chat.completion.chunk", "choices": [], "usage": usage})


def closing(script: Script, *, usage: bool) -> bytes:
    """Return what follows the last word: finish reason, usage, [DONE]."""
    return event(script, None, "stop") + (usage_event(script) if usage else b"") + DONE


def plain_body(script: Script) -> bytes:
    """Return the answer in one piece."""
    message = {"role": "assistant", "content": "".join(words(script))}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _json({**_head(script), "object": "chat.completion", "choices": [choice], "usage": _usage(script.chunks)})


@lru_cache
def vector(dimensions: int, number: int) -> array[float]:
    """Return the vector of the text with this number: float32, of length 1."""
    raw = [((number + 1) * (at + 3) * 7919 % 2003 - 1001) / 1001 for at in range(dimensions)]
    norm = sum(value * value for value in raw) ** 0.5 or 1.0
    return array("f", [value / norm for value in raw])


@lru_cache
def embeddings_body(script: Script, texts: int, *, base64: bool) -> bytes:
    """Return the answer to a request for the vectors of `texts` texts."""
    vectors = [vector(script.dimensions, number) for number in range(texts)]
    encoded: Sequence[object] = [_base64(one) if base64 else one.tolist() for one in vectors]
    rows = [{"object": "embedding", "index": number, "embedding": one} for number, one in enumerate(encoded)]
    usage = {"prompt_tokens": 8 * texts, "total_tokens": 8 * texts}
    return _json({"object": "list", "model": script.model, "data": rows, "usage": usage})


def _base64(values: array[float]) -> str:
    little = array("f", values)
    if byteorder == "big":
        little.byteswap()
    return b64encode(little.tobytes()).decode()


def _head(script: Script) -> dict[str, object]:
    return {"id": "chatcmpl-bench", "created": 1_700_000_000, "model": script.model, "system_fingerprint": "fp"}


def _usage(chunks: int) -> dict[str, int]:
    return {"prompt_tokens": 5, "completion_tokens": chunks, "total_tokens": chunks + 5}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
