"""Requests of `/v1/*`, checked leniently: required keys and the types that matter here. The backend judges the rest.

These only say yes or no and tell what routing needs: the client's own bytes are what goes out.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MAX_MESSAGES = 20_000
"""Of the smallest messages a body could hold a million, and checking those would keep everybody else waiting."""


class OpenAISchema(BaseModel):
    """One JSON object of a request; unknown keys are no error."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


class OpenAIRequest(OpenAISchema):
    """A request that names a model; DEFAULT_MODEL may fill a missing one."""

    model: str | None = None

    @property
    def model_name(self) -> str:
        """The model as the client named it; empty when it did not."""
        return self.model or ""


class StreamOptions(OpenAISchema):
    """`stream_options`: whether the client wants the usage chunk."""

    include_usage: bool | None = None


class GenerationRequest(OpenAIRequest):
    """What chat and text completions share. `stream` unset means false."""

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None


class ChatMessage(OpenAISchema):
    """One message: text, a list of parts, or no content beside tool calls."""

    role: str
    content: str | list[Any] | None = None


class ChatCompletionRequest(GenerationRequest):
    """POST /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True)]
    max_completion_tokens: int | None = None
    tools: Annotated[list[dict[str, Any]], Field(fail_fast=True)] | None = None


class CompletionRequest(GenerationRequest):
    """POST /v1/completions. A list holds prompts or tokens."""

    prompt: str | list[Any]


class EmbeddingRequest(OpenAIRequest):
    """POST /v1/embeddings. A list holds texts or tokens."""

    input: str | list[Any]
    encoding_format: str | None = None
    dimensions: int | None = None
