"""Requests of `/api/*`, typed as Ollama's server types them: no `"true"` for a bool, no `1.0` for an integer.

`null` means unset for every field. Unknown keys are ignored, except in tools, which keep them. `format`, `keep_alive`,
`think` and the inputs of embeddings vary in type: they stay as sent, and a codec checks each when its turn comes.
"""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, StringConstraints, model_validator

Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]


def _without_nulls(value: Any) -> Any:
    return [item for item in value if item is not None] if isinstance(value, list) else value


Strings = Annotated[list[str], FailFast(), BeforeValidator(_without_nulls)]


class OllamaSchema(BaseModel):
    """One JSON object of a request. `go_name` is what Ollama's error texts call it."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)
    go_name: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _nulls_are_unset(cls, data: Any) -> Any:
        if data is None:
            return {}
        if isinstance(data, dict) and None in data.values():
            return {key: value for key, value in data.items() if value is not None}
        return data


class ToolCallFunction(OllamaSchema):
    """A call the model made: `arguments` is an object, never a string."""

    index: Int64 = 0
    name: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolCall(OllamaSchema):
    """A call in an assistant's message; clients often leave out the id."""

    id: str = ""
    function: ToolCallFunction = Field(default_factory=ToolCallFunction)


class Message(OllamaSchema):
    """One message; the role is lower-cased and not otherwise judged. `images` are bare base64, audio included."""

    role: Annotated[str, StringConstraints(to_lower=True)] = ""
    content: str = ""
    thinking: str = ""
    images: Strings = Field(default_factory=list)
    tool_calls: Annotated[list[ToolCall], FailFast()] = Field(default_factory=list)
    tool_name: str = ""
    tool_call_id: str = ""


class ToolFunction(OllamaSchema):
    """A declared function; `parameters` is a JSON schema passed on whole."""

    model_config = ConfigDict(extra="allow")

    name: str = ""
    description: str = ""
    parameters: dict[str, Any] | None = None


class Tool(OllamaSchema):
    """A declared tool, its unknown keys kept."""

    model_config = ConfigDict(extra="allow")

    type: str = ""
    function: ToolFunction = Field(default_factory=ToolFunction)


Messages = Annotated[list[Message], FailFast()]


class OllamaRequest(OllamaSchema):
    """A request that names a model."""

    model: str = ""

    @property
    def model_name(self) -> str:
        """The model as the client named it; empty when it did not."""
        return self.model


class NamedRequest(OllamaRequest):
    """A request whose older form calls the model `name`."""

    name: str = ""

    @property
    def model_name(self) -> str:
        """`model`, else `name`."""
        return self.model or self.name


class InferenceRequest(OllamaRequest):
    """What every inference request may carry; the codecs `options` and `durations` check these."""

    options: dict[str, Any] = Field(default_factory=dict)
    keep_alive: Any = None


class GenerationRequest(InferenceRequest):
    """What chat and generate share. `stream` unset means true."""

    stream: bool | None = None
    format: Any = None
    think: Any = None
    truncate: bool | None = None
    shift: bool | None = None
    logprobs: bool = False
    top_logprobs: Int64 = 0
    debug_render_only: bool = Field(default=False, alias="_debug_render_only")


class ChatRequest(GenerationRequest):
    """POST /api/chat."""

    go_name: ClassVar[str] = "ChatRequest"

    messages: Messages = Field(default_factory=list)
    tools: Annotated[list[Tool], FailFast()] = Field(default_factory=list)


class GenerateRequest(GenerationRequest):
    """POST /api/generate. `context` continues an earlier answer."""

    go_name: ClassVar[str] = "GenerateRequest"

    prompt: str = ""
    suffix: str = ""
    system: str = ""
    template: str = ""
    context: Annotated[list[Int64], FailFast()] = Field(default_factory=list)
    raw: bool = False
    images: Strings = Field(default_factory=list)


class EmbedRequest(InferenceRequest):
    """POST /api/embed. `dimensions` 0 means all of them; `prompt` is taken where `input` is missing."""

    go_name: ClassVar[str] = "EmbedRequest"

    input: Any = None
    prompt: Any = None
    truncate: bool | None = None
    dimensions: Int64 = 0

    @property
    def given_input(self) -> Any:
        """What to embed, unchecked."""
        return self.input if self.input is not None else self.prompt


class EmbeddingsRequest(InferenceRequest):
    """POST /api/embeddings, the older form: `prompt`; `input` is taken where it is missing."""

    go_name: ClassVar[str] = "EmbeddingRequest"

    prompt: Any = None
    input: Any = None

    @property
    def given_input(self) -> Any:
        """What to embed, unchecked."""
        return self.prompt if self.prompt is not None else self.input


class ShowRequest(NamedRequest):
    """POST /api/show."""

    go_name: ClassVar[str] = "ShowRequest"

    verbose: bool = False
    system: str = ""
    template: str = ""
    options: dict[str, Any] = Field(default_factory=dict)


class PullRequest(NamedRequest):
    """POST /api/pull. `stream` unset means true."""

    go_name: ClassVar[str] = "PullRequest"

    stream: bool | None = None
    insecure: bool = False
    username: str = Field(default="", repr=False)
    password: str = Field(default="", repr=False)


class PushRequest(PullRequest):
    """POST /api/push."""

    go_name: ClassVar[str] = "PushRequest"


class DeleteRequest(NamedRequest):
    """DELETE /api/delete."""

    go_name: ClassVar[str] = "DeleteRequest"


class CopyRequest(OllamaSchema):
    """POST /api/copy."""

    go_name: ClassVar[str] = "CopyRequest"

    source: str = ""
    destination: str = ""


class CreateRequest(NamedRequest):
    """POST /api/create. `stream` unset means true; `license` is a string or a list of them."""

    go_name: ClassVar[str] = "CreateRequest"

    from_: str = Field(default="", alias="from")
    files: dict[str, str] = Field(default_factory=dict)
    adapters: dict[str, str] = Field(default_factory=dict)
    draft_files: dict[str, str] = Field(default_factory=dict)
    template: str = ""
    license: Any = None
    system: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    messages: Messages = Field(default_factory=list)
    quantize: str = ""
    quantization: str = ""
    draft_quantize: str = ""
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    remote_host: str = ""
    info: dict[str, Any] = Field(default_factory=dict)
    stream: bool | None = None
