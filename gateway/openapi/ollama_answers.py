"""What `/api/*` answers, for the document: `gateway.codecs` writes it, without these.

A field with a default may be missing, and is never null where it is there. Durations are nanoseconds.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

_CREATED = "2026-11-29T06:13:33.081651Z"


class OllamaError(BaseModel):
    """An error of `/api/*`."""

    error: str = Field(description="What is wrong, for people.")


class OllamaStreamError(OllamaError):
    """The last line of an answer that broke: no line with `done` follows."""

    request_id: str = Field(description="Id of the request, as in X-Request-ID.")


class SignInError(OllamaError):
    """The answer to who asks who is signed in: nobody is, or no key of this gateway was shown."""

    signin_url: str = Field("", description="Where to sign in: empty, since that is nowhere. Missing without a key.")


class TopLogprob(BaseModel):
    """A token that might have stood there."""

    token: str = Field(description="The token.")
    logprob: float = Field(description="Natural logarithm of its probability.", le=0)
    bytes: list[int] = Field(default_factory=list, description="The token in UTF-8.")


class Logprob(TopLogprob):
    """A token's log probability."""

    top_logprobs: list[TopLogprob] = Field(default_factory=list, description="The likeliest tokens at this place.")


class CalledFunction(BaseModel):
    """What is called, and with what."""

    index: int = Field(description="Which of several calls this is, from 0.", ge=0)
    name: str = Field(description="Name of the function.")
    arguments: dict[str, Any] = Field(description="Arguments: an object, never a text.")


class AnsweredToolCall(BaseModel):
    """A call the model asks for, whole."""

    id: str = Field("", description="Id of the call.")
    function: CalledFunction = Field(description="What is called.")


class AnswerMessage(BaseModel):
    """A message of the assistant, or the part of it that a line brings."""

    role: Literal["assistant"] = Field(description="Who speaks.")
    content: str = Field(description="Text; empty beside thinking and calls.")
    thinking: str = Field("", description="What the model thinks: never in one line with text.")
    tool_calls: list[AnsweredToolCall] = Field(default_factory=list, description="Calls, each of them whole.")


class Line(BaseModel):
    """What every object of an answer has."""

    model: str = Field(description="The model as it was asked for.")
    created_at: str = Field(description="When it was written, in UTC.", examples=[_CREATED])


class Counted(BaseModel):
    """Counts and durations; one that is 0 or not known is left out."""

    total_duration: int = Field(0, description="Nanoseconds since the request came.", gt=0)
    load_duration: int = Field(0, description="Nanoseconds until the backend was asked.", gt=0)
    prompt_eval_count: int = Field(0, description="Tokens of the prompt, as the backend counts.", gt=0)
    prompt_eval_duration: int = Field(0, description="Nanoseconds until the first output.", gt=0)
    eval_count: int = Field(0, description="Tokens of the answer, as the backend counts.", gt=0)
    eval_duration: int = Field(0, description="Nanoseconds from the first output to the end.", gt=0)


class Ending(Line, Counted):
    """What a whole answer and the last line of a stream have."""

    done: Literal[True] = Field(description="That this is the end.")
    done_reason: Literal["stop", "length", "load", "unload"] = Field(
        description="Why: stop (tool calls too), length (the bound of tokens), load and unload without a prompt."
    )
    remote_model: str = Field("", description="The model that answered, where it is another than the one asked for.")


class ChatChunk(Line):
    """A line of a chat before the last one: text, thinking or calls. One without all three is a sign of life."""

    message: AnswerMessage = Field(description="A part of the message.")
    done: Literal[False] = Field(description="That more follows.")
    logprobs: list[Logprob] = Field(default_factory=list, description="Of the tokens of this part, if asked for.")


class ChatAnswer(Ending):
    """A whole answer of a chat, or the last line of its stream, whose message is empty."""

    message: AnswerMessage = Field(description="The message.")
    logprobs: list[Logprob] = Field(default_factory=list, description="Of all tokens, if asked for.")


class GenerateChunk(Line):
    """A line before the last one: text, thinking or calls."""

    response: str = Field(description="A part of the text.")
    thinking: str = Field("", description="A part of what the model thinks.")
    tool_calls: list[AnsweredToolCall] = Field(default_factory=list, description="Calls, each of them whole.")
    done: Literal[False] = Field(description="That more follows.")
    logprobs: list[Logprob] = Field(default_factory=list, description="Of the tokens of this part, if asked for.")


class GenerateAnswer(Ending):
    """A whole answer, or the last line of its stream, whose text is empty."""

    response: str = Field(description="The text.")
    thinking: str = Field("", description="What the model thought.")
    tool_calls: list[AnsweredToolCall] = Field(default_factory=list, description="Calls that the model asks for.")
    context: list[int] = Field(default_factory=list, description="The conversation, to be sent with the next request.")
    logprobs: list[Logprob] = Field(default_factory=list, description="Of all tokens, if asked for.")


class Embedded(BaseModel):
    """Vectors of length 1, in the order of the texts."""

    model: str = Field(description="The model as it was asked for.")
    embeddings: list[list[float]] = Field(description="A vector a text.")
    total_duration: int = Field(0, description="Nanoseconds since the request came.", gt=0)
    load_duration: int = Field(0, description="Nanoseconds until the backend was asked.", gt=0)
    prompt_eval_count: int = Field(0, description="Tokens of all texts, as the backend counts.", gt=0)


class OldEmbedded(BaseModel):
    """A vector, as the backend gives it."""

    embedding: list[float] = Field(description="The vector; of a list of prompts, the first one's.")
    embeddings: list[list[float]] = Field(default_factory=list, description="All vectors, of a list of prompts only.")


class Details(BaseModel):
    """What is known of a model. Where nobody tells, a text is empty."""

    parent_model: str = Field(description="Always empty.")
    format: str = Field(description="Format of its file.", examples=["gguf"])
    family: str = Field(description="Its family.", examples=["llama"])
    families: list[str] | None = Field(description="The same in a list; null where it is not known.")
    parameter_size: str = Field(description="How many parameters it has.", examples=["8.0B"])
    quantization_level: str = Field(description="How its numbers are stored.", examples=["Q4_K_M"])
    context_length: int = Field(0, description="Tokens of its context.", gt=0)
    embedding_length: int = Field(0, description="Length of its vectors.", gt=0)


_CAPABILITIES = Field(description="What it can do: completion, tools, insert, vision, embedding, thinking and others.")
_DIGEST = Field(description="SHA-256 of its name, which stays the same: there is no file.", pattern="^[0-9a-f]{64}$")


class ListedModel(BaseModel):
    """A model of the list."""

    name: str = Field(description="Its name.")
    model: str = Field(description="The same.")
    modified_at: str = Field(description="When it was made, as the backend says, in UTC.")
    size: int = Field(description="Bytes; 0 where nobody tells.", ge=0)
    digest: str = _DIGEST
    details: Details = Field(description="What is known of it.")
    capabilities: list[str] = _CAPABILITIES


class Tags(BaseModel):
    """All models, the newest first."""

    models: list[ListedModel] = Field(description="The models.")


class RunningModel(BaseModel):
    """A model that is loaded."""

    name: str = Field(description="Its name.")
    model: str = Field(description="The same.")
    size: int = Field(description="Bytes; 0 where nobody tells.", ge=0)
    digest: str = _DIGEST
    details: Details = Field(description="What is known of it.")
    expires_at: str = Field(description="Centuries ahead: when a backend unloads is not known.")
    size_vram: int = Field(description="0: no backend tells.", ge=0)
    context_length: int = Field(description="Tokens of its context.", ge=0)


class Ps(BaseModel):
    """The models of which the backends say that they are loaded; most say nothing."""

    models: list[RunningModel] = Field(description="The models.")


class SavedMessage(BaseModel):
    """A message that stands before each conversation with a virtual model."""

    role: str = Field(description="Who speaks.")
    content: str = Field(description="The text.")


class Shown(BaseModel):
    """What is known of one model."""

    modelfile: str = Field(description="A Modelfile; without one, a comment that says so.")
    parameters: str = Field("", description="Options it has by default, one a line.")
    template: str = Field(description="A template that stands for the backend's own.")
    system: str = Field("", description="System message of a virtual model.")
    details: Details = Field(description="What is known of it.")
    messages: list[SavedMessage] = Field(default_factory=list, description="Messages of a virtual model.")
    model_info: dict[str, Any] = Field(
        description="More of it by keys of GGUF: `general.architecture`, `general.basename` and "
        "`<family>.context_length`, which are always there, and what else is known."
    )
    capabilities: list[str] = _CAPABILITIES
    modified_at: str = Field(description="When it was made, as the backend says, in UTC.")


class Progress(BaseModel):
    """A step."""

    status: str = Field(description="What is being done; `success` is the last.")
    digest: str = Field("", description="The layer that this is about.", pattern="^sha256:[0-9a-f]{64}$")
    total: int = Field(0, description="Bytes in all: 1, since nothing is moved.", gt=0)
    completed: int = Field(0, description="Bytes that are done: 1.", gt=0)


class ServerVersion(BaseModel):
    """The version of Ollama's API that is spoken."""

    version: str = Field(description="Not the gateway's own.", pattern=r"^\d+\.\d+\.\d+$")


class Cloud(BaseModel):
    """Whether the hosted service is off, and who said so."""

    disabled: bool = Field(description="Always true.")
    source: Literal["config"] = Field(description="Who said so.")


class Status(BaseModel):
    """The state of the hosted service."""

    cloud: Cloud = Field(description="That it is switched off.")


class Recommendations(BaseModel):
    """Models to try."""

    recommendations: list[dict[str, Any]] = Field(description="None.", max_length=0)
