"""Writes an error in a dialect's words: a string for Ollama's, an object for OpenAI's."""

import json
from typing import Literal

from gateway.errors import ProxyException, UpstreamStatusError

_OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}
_OTHER_TYPE = "api_error"


def error_body(dialect: Literal["ollama", "openai"], error: ProxyException, request_id: str | None = None) -> bytes:
    """Return the JSON of `error`, in ASCII, without a line end.

    Ollama: `{"error": text}`. OpenAI: `{"error": {message, type, param, code}}`. A `request_id` goes beside the text,
    or inside the object; None leaves it out.
    """
    content = _openai_error(error, request_id) if dialect == "openai" else _ollama_error(error, request_id)
    # The standard library's encoder: it writes ASCII and takes lone surrogates, which may stand in a backend's text.
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def error_type(error: ProxyException) -> str:
    """Return OpenAI's `type` of an error: the backend's own where it gave one, else by status."""
    if isinstance(error, UpstreamStatusError) and error.error_type:
        return error.error_type
    return _OPENAI_TYPES.get(error.status, _OTHER_TYPE)


def _ollama_error(error: ProxyException, request_id: str | None) -> dict[str, str]:
    content = {"error": error.message}
    if request_id is not None:
        content["request_id"] = request_id
    return content


def _openai_error(error: ProxyException, request_id: str | None) -> dict[str, dict[str, str | None]]:
    content = {"message": error.message, "type": error_type(error), "param": error.param, "code": error.code}
    if request_id is not None:
        content["request_id"] = request_id
    return {"error": content}
