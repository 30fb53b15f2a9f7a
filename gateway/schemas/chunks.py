"""Wire types of backends' answers: only the fields we read, decoded by msgspec, which skips the rest.

Source: OpenAI API reference, "Chat completions" and "Streaming"; `reasoning_content`/`reasoning` and `timings` are
extensions of vLLM, llama.cpp and OpenRouter. Types are wide where real servers disagree; `codecs.tolerance` narrows.
"""

from typing import Any

import msgspec


class FunctionDelta(msgspec.Struct, gc=False):
    """A piece of a call's name and arguments; some servers send arguments as an object."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class ToolCallDelta(msgspec.Struct, gc=False):
    """A piece of one tool call; `index` tells which."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None


class Delta(msgspec.Struct, gc=False):
    """`delta` of a chunk or `message` of a plain answer."""

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    refusal: str | None = None


class TokenLogprobs(msgspec.Struct, gc=False):
    """`logprobs` of a choice: one entry a token."""

    content: list[dict[str, Any]] | None = None


class Choice(msgspec.Struct, gc=False):
    """One choice; `text` is that of `/v1/completions`."""

    index: int | None = 0
    delta: Delta | None = None
    message: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: TokenLogprobs | None = None


class UsageFields(msgspec.Struct, gc=False):
    """`usage`: token counts."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    completion_tokens_details: Any = None

    @property
    def reasoning_tokens(self) -> int | None:
        """How many of the completion's tokens were reasoning; None where the backend does not say."""
        details = self.completion_tokens_details
        count = details.get("reasoning_tokens") if isinstance(details, dict) else None
        return count if isinstance(count, int) else None


class Timings(msgspec.Struct, gc=False):
    """llama.cpp's own measurements, in milliseconds."""

    cache_n: int | None = None
    prompt_n: int | None = None
    prompt_ms: float | None = None
    predicted_n: int | None = None
    predicted_ms: float | None = None


class Chunk(msgspec.Struct, gc=False):
    """A chunk of a stream, or a whole plain answer: the same fields matter in both."""

    choices: list[Choice] | None = None
    usage: UsageFields | None = None
    timings: Timings | None = None
    error: Any = None
    detail: Any = None


class Named(msgspec.Struct, gc=False):
    """Of a chunk or a whole answer, the model alone: asked for once an answer, and not read with every chunk."""

    model: str | None = None


class EmbeddingItem(msgspec.Struct, gc=False):
    """One vector: floats, or base64 of little-endian float32, which becomes its bytes."""

    embedding: list[float] | bytes
    index: int | None = None


class EmbeddingList(msgspec.Struct, gc=False):
    """Answer of `/v1/embeddings`."""

    data: list[EmbeddingItem] | None = None
    usage: UsageFields | None = None
    error: Any = None
