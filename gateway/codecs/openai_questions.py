"""Questions of `/v1`: the client's bytes go out as they came, but for the model's name and the request for usage."""

import json
from typing import Any

import msgspec

from gateway.codecs.contract import BackendReader, Encoded, Target
from gateway.codecs.framing_reader import FramingReader
from gateway.errors import ModelNotFoundError, ProxyException, RequestError
from gateway.schemas.openai import ChatCompletionRequest, CompletionRequest, EmbeddingRequest

OpenAIRequest = ChatCompletionRequest | CompletionRequest | EmbeddingRequest

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class PassThroughQuestion:
    """A question of `/v1/chat/completions`, `/v1/completions` or `/v1/embeddings`. See `codecs.contract.Question`."""

    def __init__(self, path: str, body: bytes, request: OpenAIRequest) -> None:
        self._path = path
        self._body = body
        self.model = request.model_name
        self.streamed = not isinstance(request, EmbeddingRequest) and bool(request.stream)
        options = None if isinstance(request, EmbeddingRequest) else request.stream_options
        self._wants_usage = options is not None and bool(options.include_usage)

    def unknown_model(self) -> ProxyException:
        """Return the error for a model nobody serves."""
        if not self.model:
            return RequestError("model is required", param="model")
        return ModelNotFoundError(f"model '{self.model}' not found", param="model", code="model_not_found")

    def encode(self, target: Target, dropped: frozenset[str] = frozenset()) -> Encoded:
        """Return the client's bytes, edited only where the model's name or `include_usage` asks for it."""
        edits: dict[str, Any] = {}
        if target.model != self.model:
            edits["model"] = target.model
        if self.streamed and not self._wants_usage and target.profile.stream_usage:
            edits["stream_options"] = {"include_usage": True}
        if not edits and not dropped:
            return Encoded(self._path, {}, self._body)
        return Encoded(self._path, {}, _edited(self._body, edits, dropped))

    def reader(self, target: Target, started_ns: int) -> BackendReader:
        """Return a reader that passes the bytes on, and takes out the usage chunk that the client did not ask for."""
        return FramingReader(hide_usage=not self._wants_usage)


def _edited(body: bytes, edits: dict[str, Any], dropped: frozenset[str]) -> bytes:
    """Return the JSON object `body` with some values replaced (objects: merged); every other value keeps its bytes."""
    try:
        fields: dict[str, Any] = dict(_fields.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = body.decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
        fields = json.JSONDecoder().raw_decode(text)[0]
        return json.dumps(_merged(fields, edits, dropped)).encode()
    return msgspec.json.encode(_merged(fields, edits, dropped))


def _merged(fields: dict[str, Any], edits: dict[str, Any], dropped: frozenset[str]) -> dict[str, Any]:
    merged = {key: value for key, value in fields.items() if key not in dropped}
    for key, value in edits.items():
        before = merged.get(key)
        if isinstance(before, msgspec.Raw):
            before = msgspec.json.decode(before)
        merged[key] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return merged
