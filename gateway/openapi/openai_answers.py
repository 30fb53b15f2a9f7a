"""What `/v1/*` answers, for the document: the backend's own, of which this is what clients can count on."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class OpenAIErrorDetail(BaseModel):
    """What is wrong."""

    message: str = Field(description="For people.")
    type: str = Field(description="Kind of the error.", examples=["invalid_request_error"])
    param: str | None = Field(description="The field that is wrong; null where it is none.")
    code: str | int | None = Field(description="A word for programs, the backend's own where it gave one.")
    request_id: str = Field("", description="Id of the request, as in X-Request-ID.")


class OpenAIError(BaseModel):
    """An error of `/v1/*` and `/admin/*`."""

    error: OpenAIErrorDetail = Field(description="What is wrong.")


class BackendAnswer(BaseModel):
    """An object of a backend."""

    model_config = ConfigDict(extra="allow")


class TokenUsage(BackendAnswer):
    """Tokens, as the backend counts."""

    prompt_tokens: int = Field(0, description="Of the prompt.", ge=0)
    completion_tokens: int = Field(0, description="Of the answer; vectors have none.", ge=0)
    total_tokens: int = Field(0, description="Of both.", ge=0)


class Completion(BackendAnswer):
    """What all answers of models, whole ones and parts, begin with."""

    id: str = Field("", description="Id of the answer, the backend's.")
    object: str = Field(description="What this is.")
    created: int = Field(0, description="Seconds since 1970, by the backend's clock.")
    model: str = Field("", description="The model, as the backend calls it.")


class CalledByName(BackendAnswer):
    """What is called, and with what."""

    name: str | None = Field(None, description="Name of the function; in a stream, in the first part of a call.")
    arguments: str = Field("", description="Arguments as JSON in a text, or a part of it.")


class CompletionToolCall(BackendAnswer):
    """A call that the model asks for, or a part of it in a stream."""

    index: int = Field(0, description="In a stream: which call this is a part of, from 0.", ge=0)
    id: str | None = Field(None, description="Id of the call; in a stream, in its first part.")
    type: str | None = Field(None, description="Kind of the call.", examples=["function"])
    function: CalledByName | None = Field(None, description="What is called.")


class CompletionMessage(BackendAnswer):
    """The message of an answer."""

    role: str = Field(description="Who speaks.", examples=["assistant"])
    content: str | None = Field(None, description="The text; null beside calls.")
    tool_calls: list[CompletionToolCall] | None = Field(None, description="The calls that the model asks for.")


class ChatChoice(BackendAnswer):
    """One answer."""

    index: int = Field(description="Which answer this is, from 0.", ge=0)
    message: CompletionMessage = Field(description="The message.")
    finish_reason: str | None = Field(None, description="Why it ended: stop, length, tool_calls, content_filter.")


class ChatCompletion(Completion):
    """A whole answer of a chat."""

    object: Literal["chat.completion"] = Field(description="What this is.")
    choices: list[ChatChoice] = Field(description="The answers.")
    usage: TokenUsage | None = Field(None, description="Tokens; null where the backend does not count.")


class ChatDelta(BackendAnswer):
    """What a chunk adds to a message."""

    role: str = Field("", description="Who speaks, in the first chunk.")
    content: str | None = Field(None, description="A part of the text.")
    tool_calls: list[CompletionToolCall] | None = Field(None, description="Parts of calls, by their index.")


class ChunkChoice(BackendAnswer):
    """A part of one answer."""

    index: int = Field(description="Which answer this is, from 0.", ge=0)
    delta: ChatDelta = Field(description="What is added.")
    finish_reason: str | None = Field(None, description="Why it ended; null before.")


class ChatCompletionChunk(Completion):
    """The data of one event of a stream; `[DONE]` follows the last one."""

    object: Literal["chat.completion.chunk"] = Field(description="What this is.")
    choices: list[ChunkChoice] = Field(description="Parts; none in the chunk that tells the usage.")
    usage: TokenUsage | None = Field(None, description="Tokens, in the last chunk where they were asked for.")


class TextChoice(BackendAnswer):
    """One text."""

    index: int = Field(description="Which one, from 0.", ge=0)
    text: str = Field(description="The text, or the part of it that a chunk brings.")
    finish_reason: str | None = Field(None, description="Why it ended: stop, length; null before.")


class TextCompletion(Completion):
    """A whole answer, or the data of one event of a stream."""

    object: Literal["text_completion"] = Field(description="What this is.")
    choices: list[TextChoice] = Field(description="The texts.")
    usage: TokenUsage | None = Field(None, description="Tokens; null where they are not counted, or not asked for.")


class EmbeddingVector(BackendAnswer):
    """One vector."""

    object: Literal["embedding"] = Field("embedding", description="What this is.")
    index: int = Field(description="Which text it belongs to, from 0.", ge=0)
    embedding: list[float] | str = Field(description="Numbers, or base64 of little-endian float32 where asked for.")


class EmbeddingAnswer(BackendAnswer):
    """Vectors."""

    object: Literal["list"] = Field(description="What this is.")
    data: list[EmbeddingVector] = Field(description="A vector a text.")
    model: str = Field("", description="The model, as the backend calls it.")
    usage: TokenUsage | None = Field(None, description="Tokens of the texts.")


class OpenAIModel(BackendAnswer):
    """A model: the backend's entry with all it has, or that of a virtual model."""

    id: str = Field(description="Its name.")
    object: Literal["model"] = Field(description="What this is.")
    created: int = Field(0, description="Seconds since 1970, as the backend says.")
    owned_by: str = Field("", description="Whose it is, as the backend says.")


class OpenAIModelList(BaseModel):
    """All models."""

    object: Literal["list"] = Field(description="What this is.")
    data: list[OpenAIModel] = Field(description="The models.")
