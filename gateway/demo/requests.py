"""The requests the demo backend understands, checked strictly; fields it does not know are let through unread."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


def _as_parts(content: object) -> object:
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list):
        return content
    raise ValueError("must be a string or a list of parts")


def _as_strings(value: object) -> object:
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return value
    raise ValueError("must be a string or a list of strings")


def _as_choice(value: object) -> object:
    match value:
        case "none" | "auto" | "required":
            return {"mode": value}
        case {"type": "function", "function": {"name": str(name)}}:
            return {"mode": "required", "name": name}
        case None:
            return {}
    raise ValueError("must be none, auto, required or a named function")


def _as_inputs(value: object) -> object:
    """The four forms of `input` as a list of texts and token lists."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        raise ValueError("must be a string, a list of strings, a list of token ids or a list of such lists")
    if all(type(item) is int for item in value):
        return [value]
    if all(isinstance(item, str) for item in value) or all(_is_token_list(item) for item in value):
        return value
    raise ValueError("every item must be a string, or every item a list of token ids")


def _is_token_list(item: object) -> bool:
    return isinstance(item, list) and bool(item) and all(type(token) is int for token in item)


class Wire(BaseModel):
    """A piece of a request."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class ImageUrl(Wire):
    """Where an image is: a `data:` URL here."""

    url: str


class Part(Wire):
    """One part of a message: text or an image."""

    type: Literal["text", "image_url", "refusal"]
    text: str = ""
    image_url: ImageUrl | None = None

    @model_validator(mode="after")
    def _image_has_a_url(self) -> "Part":
        if self.type == "image_url" and self.image_url is None:
            raise ValueError("an image_url part needs image_url.url")
        return self


class CalledFunction(Wire):
    """A function the assistant called; arguments are JSON text, as OpenAI has it."""

    name: str
    arguments: str


class ToolCall(Wire):
    """An earlier call in the conversation."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class Message(Wire):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[list[Part], BeforeValidator(_as_parts)] = []
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _result_names_its_call(self) -> "Message":
        if self.role == "tool" and self.tool_call_id is None:
            raise ValueError("a tool message needs tool_call_id")
        return self

    @property
    def text(self) -> str:
        """All text parts as one text."""
        return "\n".join(part.text for part in self.content if part.type == "text")


class Function(Wire):
    """A function the model may call; parameters are a JSON schema."""

    name: str = Field(min_length=1)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(Wire):
    """A declared tool."""

    type: Literal["function"]
    function: Function


class ToolChoice(Wire):
    """`tool_choice` in one form: a named function is `required` with a name."""

    mode: Literal["none", "auto", "required"] = "auto"
    name: str | None = None


class SchemaFormat(Wire):
    """`response_format.json_schema`."""

    definition: dict[str, Any] = Field(alias="schema")


class ResponseFormat(Wire):
    """`response_format`."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaFormat | None = None

    @model_validator(mode="after")
    def _schema_is_there(self) -> "ResponseFormat":
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("json_schema.schema is needed")
        return self


class StreamOptions(Wire):
    """`stream_options`."""

    include_usage: bool | None = None


class Generation(Wire):
    """What chat and completions share."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: Annotated[list[str], BeforeValidator(_as_strings)] = []
    n: int | None = Field(default=None, ge=1, le=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)

    @property
    def include_usage(self) -> bool:
        """Whether the stream ends with a usage chunk."""
        return self.stream_options is not None and self.stream_options.include_usage is True


class ChatRequest(Generation):
    """`POST /v1/chat/completions`."""

    messages: list[Message] = Field(min_length=1)
    tools: list[Tool] | None = None
    tool_choice: Annotated[ToolChoice, BeforeValidator(_as_choice)] = ToolChoice()
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    reasoning_effort: Effort | None = None
    chat_template_kwargs: dict[str, Any] | None = None

    @property
    def limit(self) -> int | None:
        """The most tokens the answer may have."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def system_text(self) -> str:
        """What the system and developer messages say."""
        return "\n".join(message.text for message in self.messages if message.role in {"system", "developer"})

    @property
    def user_text(self) -> str:
        """What the user said last; empty when the user said nothing."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def texts(self) -> list[str]:
        """The text of every message."""
        return [message.text for message in self.messages]

    @property
    def functions(self) -> list[Function]:
        """The functions that were declared."""
        return [tool.function for tool in self.tools or []]

    def images(self) -> Iterator[tuple[str, str, bool]]:
        """Every image: its parameter path, its URL and whether it belongs to the newest message with images."""
        newest = max((n for n, message in enumerate(self.messages) if _has_image(message)), default=-1)
        for n, message in enumerate(self.messages):
            for k, part in enumerate(message.content):
                if part.image_url is not None:
                    yield f"messages[{n}].content[{k}].image_url", part.image_url.url, n == newest


def _has_image(message: Message) -> bool:
    return any(part.image_url is not None for part in message.content)


class CompletionRequest(Generation):
    """`POST /v1/completions`: one text prompt."""

    prompt: Annotated[list[str], BeforeValidator(_as_strings)] = Field(min_length=1, max_length=1)
    suffix: str | None = None
    max_tokens: int | None = Field(default=None, ge=0)
    echo: bool | None = None
    logprobs: int | None = Field(default=None, ge=0, le=5)


class EmbeddingRequest(Wire):
    """`POST /v1/embeddings`."""

    model: str
    input: Annotated[list[Any], BeforeValidator(_as_inputs)] = Field(max_length=2048)
    dimensions: int | None = Field(default=None, ge=1, le=4096)
    encoding_format: Literal["float", "base64"] | None = None
