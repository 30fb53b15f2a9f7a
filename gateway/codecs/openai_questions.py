"""Questions of `/v1`: the client's bytes go out as they came, but for the model's name and the request for usage."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gateway.codecs.contract import BackendReader, Defaults, Encoded, Profile, Target
from gateway.codecs.framing_reader import FramingReader
from gateway.codecs.messages import beginning
from gateway.codecs.options import without
from gateway.codecs.refusals import ESSENTIAL
from gateway.codecs.virtual import absent_parameters, with_messages
from gateway.errors import ModelNotFoundError, ProxyException, RequestError
from gateway.schemas.openai import ChatCompletionRequest, CompletionRequest, EmbeddingRequest

OpenAIRequest = ChatCompletionRequest | CompletionRequest | EmbeddingRequest

_EMBEDDINGS_PATH = "/embeddings"
_USAGE = "stream_options"
_NULL = msgspec.Raw(b"null")

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])


class _Said(msgspec.Struct):
    """Of a message, the role alone: the rest of it is passed on as it is."""

    role: str = ""


_decode_role = msgspec.json.Decoder(_Said).decode


class PassThroughQuestion:
    """A question of `/v1/chat/completions`, `/v1/completions` or `/v1/embeddings`. See `codecs.contract.Question`."""

    def __init__(self, path: str, body: bytes, request: OpenAIRequest) -> None:
        self._path = path
        self._body = body
        self.model = request.model_name
        self._request = request
        # One look: that of a class that is abstract, as pydantic's are, costs as much as the rest of this.
        options = None
        self.whole = True
        if not isinstance(request, EmbeddingRequest):
            self.whole = not request.stream
            options = request.stream_options
        self._wants_usage = options is not None and bool(options.include_usage)

    @property
    def needs(self) -> frozenset[str]:
        """What a model must be able to do to answer."""
        request = self._request
        if isinstance(request, EmbeddingRequest):
            return frozenset(("embedding",))
        needs = {"completion"}
        if isinstance(request, ChatCompletionRequest):
            if request.tools:
                needs.add("tools")
            if any(_shows_images(message.content) for message in request.messages):
                needs.add("vision")
        return frozenset(needs)

    @property
    def cache_form(self) -> str:
        """Whether the usage chunk passes."""
        return "raw, usage" if self._wants_usage else "raw"

    @property
    def conversation_key(self) -> str:
        """The beginning of the conversation, up to its first question."""
        request = self._request
        if isinstance(request, ChatCompletionRequest):
            return beginning([{"role": message.role, "content": message.content} for message in request.messages])
        return ""

    def streams(self, target: Target, dropped: frozenset[str] = frozenset()) -> bool:
        """Return whether the client asked for a stream, or PLAIN_REQUESTS asks for nothing else."""
        return not self.whole or (target.profile.always_streams and self._path != _EMBEDDINGS_PATH)

    def may_drop(self, parameter: str) -> bool:
        """Return whether a parameter only tunes the answer."""
        return parameter not in ESSENTIAL and not (self._path == _EMBEDDINGS_PATH and parameter == "dimensions")

    def unknown_model(self) -> ProxyException:
        """Return the error for a model nobody serves."""
        if not self.model:
            return RequestError("model is required", param="model")
        return ModelNotFoundError(f"model '{self.model}' not found", param="model", code="model_not_found")

    def encode(self, target: Target, dropped: frozenset[str] = frozenset()) -> Encoded:
        """Return the client's bytes, edited only where its model or `include_usage` asks for it."""
        edits: dict[str, Any] = {}
        if target.model != self.model:
            edits["model"] = target.model
        if self.streams(target, dropped):
            if self.whole:
                edits["stream"] = True
            if not self._wants_usage and target.profile.stream_usage and _USAGE not in dropped:
                edits[_USAGE] = {"include_usage": True}
        defaults = None if self._path == _EMBEDDINGS_PATH else target.defaults
        if not edits and not dropped and defaults is None:
            return Encoded(self._path, {}, self._body)
        fields, write = _read(self._body)
        if defaults is not None:
            edits |= _additions(fields, defaults, target.profile, dropped)
        return Encoded(self._path, {}, write(_merged(without(fields, dropped, target.profile), edits)))

    def reader(self, target: Target, started_ns: int) -> BackendReader:
        """Return a reader that passes the bytes on, and takes out the usage chunk that the client did not ask for."""
        return FramingReader(hide_usage=not self._wants_usage and not self.whole, whole=self.whole)


def _read(body: bytes) -> tuple[dict[str, Any], Callable[[Any], bytes]]:
    """Return the members of the JSON object `body`, and how to write them: so that every value keeps its bytes."""
    try:
        return dict(_fields.decode(body)), msgspec.json.encode
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = body.decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
        return json.JSONDecoder().raw_decode(text)[0], lambda fields: json.dumps(fields).encode()


def _additions(fields: dict[str, Any], defaults: Defaults, profile: Profile, dropped: frozenset[str]) -> dict[str, Any]:
    """Return what a virtual model adds to a request: its messages, and parameters that are absent or null."""
    present = [name for name, value in fields.items() if value not in (None, _NULL)]
    additions = absent_parameters(defaults, profile, present, dropped)
    messages = fields.get("messages")
    if isinstance(messages, msgspec.Raw):
        messages = _items.decode(messages)
    if messages:
        additions["messages"] = with_messages(messages, defaults, first_role=_role(messages[0]))
    return additions


def _role(message: Any) -> str:
    if isinstance(message, dict):
        return str(message.get("role"))
    try:
        return _decode_role(message).role
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _shows_images(content: str | list[Any] | None) -> bool:
    return isinstance(content, list) and any(
        isinstance(part, dict) and part.get("type") == "image_url" for part in content
    )


def _merged(fields: Mapping[str, Any], edits: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(fields)
    for key, value in edits.items():
        before = merged.get(key) if isinstance(value, dict) else None
        if isinstance(before, msgspec.Raw):
            before = msgspec.json.decode(before)
        merged[key] = {**before, **value} if isinstance(before, dict) else value
    return merged
