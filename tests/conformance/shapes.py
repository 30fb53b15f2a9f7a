"""Schemas of all answers on `/api/*`, and of what `/v1/*` promises: no key too many, none missing, none empty."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Some = Annotated[str, StringConstraints(min_length=1)]
Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Number = float | int
Utc = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$")]
Time = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]
DoneReason = Literal["stop", "length", "load", "unload"]
Capability = Literal["completion", "tools", "insert", "vision", "embedding", "thinking", "image", "audio"]


class Shape(BaseModel):
    """An object of an answer. A field with a default may be missing; where it is there, it is never null."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Error(Shape):
    """An error of `/api`: the text is a string. The id is the gateway's own."""

    error: Some
    request_id: Some = "-"
    signin_url: str = "-"


class TopLogprob(Shape):
    """An alternative."""

    token: str
    logprob: Number
    bytes: Annotated[list[int], Field(min_length=1)] = []


class Logprob(TopLogprob):
    """A token's log probability."""

    top_logprobs: Annotated[list[TopLogprob], Field(min_length=1)] = []


Logprobs = Annotated[list[Logprob], Field(min_length=1)]


class Metrics(Shape):
    """Counts and durations in nanoseconds, left out when 0."""

    total_duration: Positive = 1
    load_duration: Positive = 1
    prompt_eval_count: Positive = 1
    prompt_eval_duration: Positive = 1
    eval_count: Positive = 1
    eval_duration: Positive = 1


class CalledFunction(Shape):
    """What is called, with arguments as an object."""

    index: Count
    name: Some
    arguments: dict[str, Any]


class ToolCall(Shape):
    """A call; there is no `type`."""

    id: Some = "-"
    function: CalledFunction


ToolCalls = Annotated[list[ToolCall], Field(min_length=1)]


class AnswerMessage(Shape):
    """A whole message, or a part of one."""

    role: Literal["assistant"]
    content: str
    thinking: Some = "-"
    tool_calls: ToolCalls = []


class Line(Shape):
    """What every chat and generate object has."""

    model: Some
    created_at: Utc


class ChatChunk(Line):
    """A line before the last one: text, thinking or calls."""

    message: AnswerMessage
    done: Literal[False]
    logprobs: Logprobs = []

    @model_validator(mode="after")
    def _thinking_stands_alone(self) -> "ChatChunk":
        if "thinking" in self.message.model_fields_set and self.message.content:
            raise ValueError("thinking and content in one chunk")
        return self


class Ending(Metrics, Line):
    """What every whole answer and every last line has."""

    done: Literal[True]
    done_reason: DoneReason
    remote_model: Some = "-"
    remote_host: Some = "-"
    debug_info: Annotated[dict[str, Any], Field(alias="_debug_info")] = {}


class ChatAnswer(Ending):
    """A whole answer of `/api/chat`."""

    message: AnswerMessage
    logprobs: Logprobs = []


class ChatEnd(ChatAnswer):
    """The last line of a stream: the text came before it."""

    @model_validator(mode="after")
    def _message_is_empty(self) -> "ChatEnd":
        if self.message != AnswerMessage(role="assistant", content=""):
            raise ValueError("the last line carries a part of the answer")
        return self


class GenerateChunk(Line):
    """A line before the last one."""

    response: str
    thinking: Some = "-"
    tool_calls: ToolCalls = []
    done: Literal[False]
    logprobs: Logprobs = []


class GenerateAnswer(Ending):
    """A whole answer of `/api/generate`."""

    response: str
    thinking: Some = "-"
    tool_calls: ToolCalls = []
    context: Annotated[list[int], Field(min_length=1)] = []
    logprobs: Logprobs = []


class GenerateEnd(Ending):
    """The last line of a stream."""

    response: Literal[""]
    context: Annotated[list[int], Field(min_length=1)] = []


class Embedded(Shape):
    """`/api/embed`."""

    model: Some
    embeddings: list[list[Number]]
    total_duration: Positive = 1
    load_duration: Positive = 1
    prompt_eval_count: Positive = 1


class OldEmbedded(Shape):
    """`/api/embeddings`; `embeddings` only for a list of prompts, which Ollama does not take."""

    embedding: list[Number]
    embeddings: list[list[Number]] = []


class Details(Shape):
    """Of a model, everywhere."""

    parent_model: str
    format: str
    family: str
    families: list[Some] | None
    parameter_size: str
    quantization_level: str
    context_length: Positive = 1
    embedding_length: Positive = 1


class ListedModel(Shape):
    """An entry of tags."""

    name: Some
    model: Some
    modified_at: Time
    size: Count
    digest: Digest
    details: Details
    capabilities: Annotated[list[Capability], Field(min_length=1)] = []
    remote_model: Some = "-"
    remote_host: Some = "-"

    @model_validator(mode="after")
    def _one_name(self) -> "ListedModel":
        if self.name != self.model:
            raise ValueError("name and model differ")
        return self


class Tags(Shape):
    """`/api/tags`."""

    models: list[ListedModel]


class RunningModel(Shape):
    """An entry of ps: all of it always."""

    name: Some
    model: Some
    size: Count
    digest: Digest
    details: Details
    expires_at: Time
    size_vram: Count
    context_length: Count


class Ps(Shape):
    """`/api/ps`."""

    models: list[RunningModel]


class SavedMessage(Shape):
    """A message of a Modelfile."""

    role: Some
    content: str


class Tensor(Shape):
    """A tensor of a model's file."""

    name: str
    type: str
    shape: list[int]


class Shown(Shape):
    """`/api/show`."""

    details: Details
    model_info: dict[str, Any]
    modified_at: Time
    license: Some = "-"
    modelfile: Some = "-"
    parameters: Some = "-"
    template: Some = "-"
    system: Some = "-"
    renderer: Some = "-"
    parser: Some = "-"
    messages: Annotated[list[SavedMessage], Field(min_length=1)] = []
    remote_model: Some = "-"
    remote_host: Some = "-"
    projector_info: dict[str, Any] = {}
    tensors: list[Tensor] = []
    capabilities: list[Capability] = []
    requires: Some = "-"

    @model_validator(mode="after")
    def _architecture_names_the_one_context_length(self) -> "Shown":
        if self.model_info:
            keys = [key for key in self.model_info if "context_length" in key]
            if keys != [f"{self.model_info['general.architecture']}.context_length"]:
                raise ValueError(f"context lengths: {keys}")
        return self


class Progress(Shape):
    """A step of pull, push or create."""

    status: Some
    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] = "-"
    total: Positive = 1
    completed: Positive = 1


class ServerVersion(Shape):
    """`/api/version`."""

    version: Version


class Cloud(Shape):
    """Whether the hosted service is off, and who said so."""

    disabled: bool
    source: Literal["none", "env", "config", "both"]


class Status(Shape):
    """`/api/status`."""

    cloud: Cloud


class Recommendation(Shape):
    """A model to try."""

    model: Some
    description: str
    context_length: Positive = 1
    max_output_tokens: Positive = 1
    vram_bytes: Positive = 1
    required_plan: Some = "-"


class Recommendations(Shape):
    """`/api/experimental/model-recommendations`."""

    recommendations: list[Recommendation]


class OpenAIErrorDetail(Shape):
    """What an OpenAI error holds; `param` and `code` are there, and may be null."""

    message: Some
    type: Some
    param: str | None
    code: str | None
    request_id: Some = "-"


class OpenAIError(Shape):
    """An error of `/v1`."""

    error: OpenAIErrorDetail


class OpenAIObject(BaseModel):
    """An answer of `/v1`, which is the backend's own."""

    model_config = ConfigDict(strict=True, extra="allow")

    object: Literal["chat.completion", "chat.completion.chunk", "text_completion", "list", "model"]


class OpenAIList(OpenAIObject):
    """A list: never null."""

    data: list[dict[str, Any]]


class Search(Shape):
    """A search's results."""

    results: list[dict[str, str]]
