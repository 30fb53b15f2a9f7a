"""Model lists: what any OpenAI-compatible backend says of its models."""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from gateway.codecs.capabilities import capabilities, stated
from gateway.codecs.families import find_family
from gateway.codecs.virtual import VirtualModel
from gateway.errors import TranslationError

FILE_NAME = "model_file"
"""Where facts about a model name the file it was loaded from."""

MAX_TIME_S = 253_402_300_799
"""The last second of the year 9999: later times cannot be written in RFC 3339."""

# The names that backends give to the context they serve: what runs now first, what the model could do last.
_CONTEXT_PATHS: tuple[tuple[str, ...], ...] = (
    ("loaded_context_length",),
    ("meta", "n_ctx"),
    ("max_model_len",),
    ("context_length",),
    ("context_window",),
    ("max_context_length",),
    ("max_input_tokens",),
    ("top_provider", "context_length"),
    ("metadata", "context_length"),
    ("details", "context_length"),
    ("capabilities", "limits", "max_context_window_tokens"),
    ("meta", "n_ctx_train"),
)

_QUANTIZATION = re.compile(
    r"(?<![A-Za-z0-9])(I?Q\d_[A-Z0-9_]+|MXFP4|BF16|F16|F32|FP8|AWQ|GPTQ|INT4|INT8)(?![A-Za-z0-9])", re.I
)
_PLAIN_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class ModelInfo(msgspec.Struct, frozen=True):
    """What is known of one model. Unknown is None, 0 or "": nothing is invented.

    `context_length` is what the backend says, `family_context_length` what models of this name have.
    `capabilities` are Ollama's words, guessed where the backend says nothing; `denied` are those it says are missing.
    `loaded`: whether it is in memory, None where the backend does not say. `entry` is its object in OpenAI's list as
    JSON, with whatever more the backend says of it. `virtual`: the entry of the mapping file that `id` is the name of;
    `served_as` is then the backend's name for the model behind it.
    """

    id: str
    created_s: int | None = None
    owned_by: str = ""
    context_length: int | None = None
    family_context_length: int | None = None
    embedding_length: int | None = None
    parameter_count: int | None = None
    parameter_size: str = ""
    size_bytes: int = 0
    family: str = ""
    format: str = ""
    quantization: str = ""
    capabilities: tuple[str, ...] = ("completion", "tools")
    denied: tuple[str, ...] = ()
    loaded: bool | None = None
    entry: bytes = b"{}"
    virtual: VirtualModel | None = None
    served_as: str = ""


def read_models(data: bytes) -> tuple[ModelInfo, ...]:
    """Read a backend's list of models in any known shape.

    Entries without an id are left out; of equal ids the first stays.
    Raises TranslationError for what is not JSON, or not a list of models.
    """
    document = decode_json(data)
    models: dict[str, ModelInfo] = {}
    for entry in _entries(document):
        model_id = _id(entry)
        if model_id and model_id not in models:
            models[model_id] = _model(model_id, entry if isinstance(entry, dict) else {})
    return tuple(models.values())


def refuse_html(data: bytes) -> None:
    """Raise TranslationError for a body that can be no list of models: a quick look at its beginning."""
    if data[:512].strip()[:1] not in (b"[", b"{"):
        raise TranslationError(_not_json(data))


def unlisted_model(name: str) -> ModelInfo:
    """Return what can be said of a model that no list describes."""
    return _model(name, {})


def described_model(model: ModelInfo, facts: Mapping[str, Any]) -> ModelInfo:
    """Return `model` with what a server says of it elsewhere than in its list, in the words of such lists.

    What clients of `/v1` read of it stays what the list has.
    """
    described = _model(model.id, decode_json(model.entry) | dict(facts))
    return msgspec.structs.replace(described, created_s=model.created_s, owned_by=model.owned_by, entry=model.entry)


def virtual_model(virtual: VirtualModel, base: ModelInfo) -> ModelInfo:
    """Return what is shown of a virtual model: what `base`, the model behind it, has, and what the mapping says."""
    entry = decode_json(base.entry) | {"id": virtual.name}
    if virtual.description:
        entry["description"] = virtual.description
    return msgspec.structs.replace(
        base,
        id=virtual.name,
        context_length=virtual.context_length or base.context_length,
        capabilities=base.capabilities if virtual.capabilities is None else virtual.capabilities,
        entry=encode_json(entry),
        virtual=virtual,
        served_as=base.id,
    )


def decode_json(data: bytes) -> Any:
    """Read JSON as backends write it: NaN, lone surrogates and broken UTF-8 included. Raises TranslationError."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        pass
    try:
        # Slower, and takes what the fast decoder refuses: lone surrogates, NaN, broken UTF-8.
        text = data.decode("utf-8-sig", "replace")
        return json.loads(text, strict=False, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError):
        raise TranslationError(_not_json(data)) from None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _not_json(data: bytes) -> str:
    start = data[:512].strip().lower()
    if not start:
        return "the backend answered the question for its models with nothing"
    if start.startswith(b"<"):
        return "the backend answered the question for its models with HTML: does its base URL want a /v1 at the end?"
    return "the backend answered the question for its models with something that is not JSON"


def encode_json(value: Any) -> bytes:
    """Write JSON, lone surrogates included."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def _entries(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        data, models = document.get("data"), document.get("models")
        if isinstance(data, list):
            return _with_modalities(data, models) if isinstance(models, list) else data
        if isinstance(models, list):
            return models
        if document.get("object") == "list" and data is None:
            return []  # Ollama's own way to say that there are no models
    raise TranslationError("the backend answered the question for its models with JSON that is not a list of models")


def _with_modalities(data: list[Any], models: list[Any]) -> list[Any]:
    """Add to `data` what llama.cpp says in its second list: there alone it tells that a model sees images."""
    seeing = {_id(entry) for entry in models if isinstance(entry, dict) and _sees(entry.get("capabilities"))}
    return [
        {"input_modalities": ["text", "image"]} | entry if isinstance(entry, dict) and _id(entry) in seeing else entry
        for entry in data
    ]


def _sees(said: Any) -> bool:
    return isinstance(said, list) and "multimodal" in said


def _id(entry: Any) -> str:
    if isinstance(entry, str):
        return entry.strip() and entry
    if isinstance(entry, dict):
        for key in ("id", "model", "name"):
            if isinstance(value := entry.get(key), str) and value.strip():
                return value
    return ""


def _model(model_id: str, entry: dict[str, Any]) -> ModelInfo:
    said = stated(entry)
    created_s = next(filter(None, (_time_s(entry.get(key)) for key in ("created", "created_at", "modified_at"))), None)
    owned_by = _text(entry, ("owned_by",), ("publisher",), ("organization",)) or _owner(model_id)
    count = _count(_at(entry, ("meta", "n_params")))
    names = _names(model_id, entry)
    family = next(filter(None, map(find_family, names)), None)
    return ModelInfo(
        id=model_id,
        created_s=created_s,
        owned_by=owned_by,
        context_length=next(filter(None, (_count(_at(entry, path)) for path in _CONTEXT_PATHS)), None),
        family_context_length=family.context_length if family is not None else None,
        embedding_length=_count(_at(entry, ("meta", "n_embd"))) or _count(_at(entry, ("details", "embedding_length"))),
        parameter_count=count,
        parameter_size=_text(entry, ("details", "parameter_size")) or _human(count),
        size_bytes=_count(_at(entry, ("meta", "size"))) or _count(entry.get("size")) or 0,
        family=_family(entry) or (family.name if family is not None else ""),
        format=_text(entry, ("details", "format"), ("compatibility_type",)) or ("gguf" if count else ""),
        quantization=_text(entry, ("details", "quantization_level"), ("quantization",)) or _quantization(names),
        capabilities=capabilities(names, said),
        denied=tuple(word for word, able in said.items() if not able),
        loaded=_loaded(entry),
        entry=_openai_entry(model_id, entry, created_s, owned_by),
    )


def _names(model_id: str, entry: dict[str, Any]) -> list[str]:
    """Return the names that may tell what a model is: its id, and what servers say is behind an id of their own."""
    names = [model_id, _text(entry, ("root",)), _text(entry, (FILE_NAME,))]
    return [_last_part(name) for name in names if name]


def _quantization(names: list[str]) -> str:
    found = next(filter(None, map(_QUANTIZATION.search, names)), None)
    return found[0].upper() if found else ""


def _loaded(entry: dict[str, Any]) -> bool | None:
    """Tell whether a model is in memory, in the words of llama.cpp's router and of LM Studio."""
    state = _text(entry, ("status", "value"), ("state",))
    return None if not state else state == "loaded"


def _openai_entry(model_id: str, entry: dict[str, Any], created_s: int | None, owned_by: str) -> bytes:
    fixed = {"id": model_id, "object": "model", "created": created_s or 0, "owned_by": owned_by}
    said = {key: value for key, value in entry.items() if key not in fixed}
    if isinstance(said.get("status"), dict):
        # llama.cpp's router lists the command lines of its servers too: paths, and keys.
        said["status"] = {"value": _text(entry, ("status", "value"))}
    return encode_json(fixed | said)


def _owner(model_id: str) -> str:
    return model_id.split("/", 1)[0] if "/" in model_id else "unknown"


def _family(entry: dict[str, Any]) -> str:
    said = _text(entry, ("details", "family"), ("arch",), ("architecture",), ("capabilities", "family"))
    return said if _PLAIN_WORD.fullmatch(said) else ""


def _last_part(model_id: str) -> str:
    return model_id.rstrip("/").rsplit("/", 1)[-1].lower()


def _at(entry: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        entry = entry.get(key) if isinstance(entry, dict) else None
    return entry


def _text(entry: dict[str, Any], *paths: tuple[str, ...]) -> str:
    return next((value for path in paths if isinstance(value := _at(entry, path), str) and value), "")


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value < 2**53 else None


def _time_s(value: Any) -> int | None:
    """Read seconds or milliseconds since 1970, or an ISO 8601 text."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError, OSError):
            return None
    time = _count(value)
    if time is not None and time > MAX_TIME_S // 2:
        time //= 1000
    return time if time is not None and time <= MAX_TIME_S else None


def _human(count: int | None) -> str:
    """Write a number of parameters as Ollama does: 8030261248 is 8.0B, 137000000 is 137M."""
    for unit, name, digits in ((10**9, "B", 1), (10**6, "M", 2), (10**3, "K", 0)):
        if count is not None and count >= unit:
            return f"{count / unit:.{0 if count % unit == 0 else digits}f}{name}"
    return str(count) if count else ""
