"""Reading chunks that real servers send: typed and fast where they keep to OpenAI's types, else by hand."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from gateway.errors import TranslationError
from gateway.schemas.chunks import (
    Choice,
    Chunk,
    Delta,
    FunctionDelta,
    Named,
    Timings,
    TokenLogprobs,
    ToolCallDelta,
    UsageFields,
)

_decode = msgspec.json.Decoder(Chunk).decode
_decode_several = msgspec.json.Decoder(list[Chunk]).decode
_decode_named = msgspec.json.Decoder(Named).decode

_MAX_ERROR_BYTES = 65536
"""What is longer is no error, but embeddings: not to be read twice."""


def read_chunk(data: bytes) -> Chunk:
    """Decode one chunk or one plain answer. Raises TranslationError for what is not a JSON object.

    Lone surrogates survive in its strings (a pair may be split over two chunks); wrong types count as absent.
    """
    try:
        chunk = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        chunk = _narrow(read_object(data))
    if chunk.choices is None and not chunk.error and chunk.usage is None and len(data) < _MAX_ERROR_BYTES:
        chunk.error = error_told(read_object(data))
    return chunk


def read_chunks(payloads: Sequence[bytes]) -> list[Chunk] | None:
    """Decode the chunks of a batch at once; None where one of them wants `read_chunk`, which knows odd ones."""
    try:
        chunks = _decode_several(b"[%b]" % b",".join(payloads))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if len(chunks) != len(payloads):
        return None
    for chunk in chunks:
        if chunk.choices is None:
            return None
    return chunks


def text_alone(chunk: Chunk) -> str:
    """Return the text of a chunk that has nothing else to tell, "" for any other chunk."""
    choices = chunk.choices
    if not choices or len(choices) > 1 or chunk.usage is not None or chunk.timings is not None or chunk.error:
        return ""
    choice = choices[0]
    delta = choice.delta
    if delta is None or choice.finish_reason or choice.logprobs is not None or choice.index:
        return ""
    text = delta.content
    if not isinstance(text, str) or delta.reasoning_content or delta.reasoning or delta.tool_calls:
        return ""
    return text


def error_told(raw: dict[str, Any]) -> Any:
    """Return the error that an object without an answer tells: FastAPI's `detail`, or the object itself; else None."""
    if error := raw.get("error") or raw.get("detail"):
        return error
    return raw if raw.get("object") == "error" or isinstance(raw.get("message"), str) else None


def model_named(data: bytes) -> str:
    """Return the `model` that a chunk or a plain answer names, "" where it names none. Never raises."""
    try:
        return _decode_named(data).model or ""
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def is_whole(payload: bytes) -> bool:
    """Tell whether the data of an event that the end of a stream left without its blank line is all there."""
    if payload.strip() == b"[DONE]":
        return True
    try:
        read_chunk(payload)
    except TranslationError:
        return False
    return True


def read_object(data: bytes) -> dict[str, Any]:
    """Decode a JSON object with the standard library. Raises TranslationError for anything else."""
    try:
        value = json.loads(data.decode("utf-8", "replace"), strict=False, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise TranslationError("the backend sent broken JSON") from None
    if not isinstance(value, dict):
        raise TranslationError("the backend sent JSON that is not an object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _narrow(raw: dict[str, Any]) -> Chunk:
    choices = raw.get("choices")
    return Chunk(
        choices=[_choice(item) for item in choices if isinstance(item, dict)] if isinstance(choices, list) else None,
        usage=_usage(raw.get("usage")),
        timings=_timings(raw.get("timings")),
        error=raw.get("error"),
        detail=raw.get("detail"),
    )


def _choice(raw: dict[str, Any]) -> Choice:
    logprobs = raw.get("logprobs")
    entries = logprobs.get("content") if isinstance(logprobs, dict) else None
    return Choice(
        index=_int(raw.get("index")),
        delta=_delta(raw.get("delta")),
        message=_delta(raw.get("message")),
        text=_str(raw.get("text")),
        finish_reason=_str(raw.get("finish_reason")),
        logprobs=TokenLogprobs([e for e in entries if isinstance(e, dict)]) if isinstance(entries, list) else None,
    )


def _delta(raw: Any) -> Delta | None:
    if not isinstance(raw, dict):
        return None
    content = raw.get("content")
    calls = raw.get("tool_calls")
    return Delta(
        content=content if isinstance(content, str | list) else None,
        reasoning_content=_str(raw.get("reasoning_content")),
        reasoning=_str(raw.get("reasoning")),
        tool_calls=[_tool_call(call) for call in calls if isinstance(call, dict)] if isinstance(calls, list) else None,
        refusal=_str(raw.get("refusal")),
    )


def _tool_call(raw: dict[str, Any]) -> ToolCallDelta:
    function = raw.get("function")
    if isinstance(function, dict):
        arguments = function.get("arguments")
        read = FunctionDelta(_str(function.get("name")), arguments if isinstance(arguments, str | dict) else None)
    else:
        read = None
    return ToolCallDelta(index=_int(raw.get("index")), id=_str(raw.get("id")), function=read)


def _usage(raw: Any) -> UsageFields | None:
    if not isinstance(raw, dict):
        return None
    return UsageFields(_int(raw.get("prompt_tokens")), _int(raw.get("completion_tokens")))


def _timings(raw: Any) -> Timings | None:
    if not isinstance(raw, dict):
        return None
    return Timings(
        cache_n=_int(raw.get("cache_n")),
        prompt_n=_int(raw.get("prompt_n")),
        prompt_ms=_float(raw.get("prompt_ms")),
        predicted_n=_int(raw.get("predicted_n")),
        predicted_ms=_float(raw.get("predicted_ms")),
    )


def _str(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
