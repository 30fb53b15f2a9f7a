"""Model lists: what any OpenAI-compatible backend says of its models, and the bodies that clients read about them."""

import hashlib
import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.codecs.capabilities import capabilities, stated
from gateway.errors import TranslationError

DEFAULT_CONTEXT_LENGTH = 32768
"""What clients are told where the backend says nothing: what they assume themselves, and enough for their tools."""

MAX_TIME_S = 253_402_300_799
"""The last second of the year 9999: later times cannot be written in RFC 3339."""

PS_BODY = b'{"models":[]}'
"""No model is shown as running: an entry needs an expiry and a size in VRAM, and only the backend knows either."""

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

_FAMILY = re.compile(r"[a-z]+\d*")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class ModelInfo(msgspec.Struct, frozen=True):
    """What is known of one model. Unknown is None, 0 or "": nothing is invented.

    `capabilities` are Ollama's words, guessed where the backend says nothing; `denied` are those it says are missing.
    `entry` is its object in OpenAI's list as JSON, with whatever more the backend says of it.
    """

    id: str
    created_s: int | None = None
    owned_by: str = ""
    context_length: int | None = None
    embedding_length: int | None = None
    parameter_count: int | None = None
    parameter_size: str = ""
    size_bytes: int = 0
    family: str = ""
    format: str = ""
    quantization: str = ""
    capabilities: tuple[str, ...] = ("completion", "tools")
    denied: tuple[str, ...] = ()
    entry: bytes = b"{}"


def read_models(data: bytes) -> tuple[ModelInfo, ...]:
    """Read a backend's list of models in any known shape.

    Entries without an id are left out; of equal ids the first stays.
    Raises TranslationError for what is not JSON, or not a list of models.
    """
    document = _decode(data)
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


def tags_body(models: Iterable[ModelInfo]) -> bytes:
    """Write the answer of `/api/tags`: newest first, each under the backend's own id."""
    newest_first = sorted(models, key=lambda model: model.created_s or 0, reverse=True)
    return _encode({"models": [_tag(model) for model in newest_first]})


def show_body(model: ModelInfo, name: str) -> bytes:
    """Write the answer of `/api/show` for the model that the client called `name`."""
    family = model.family or "unknown"
    # The base name is what VS Code shows as the label: the last part of an id may belong to several models.
    info: dict[str, Any] = {"general.architecture": family, "general.basename": name}
    if model.parameter_count:
        info["general.parameter_count"] = model.parameter_count
    # Clients take the first key that contains "context_length": there is exactly one.
    info[f"{family}.context_length"] = model.context_length or DEFAULT_CONTEXT_LENGTH
    if model.embedding_length:
        info[f"{family}.embedding_length"] = model.embedding_length
    body: dict[str, Any] = {"modelfile": f"# {name} runs on a backend: there is no Modelfile behind it.\nFROM {name}\n"}
    if model.context_length:
        body["parameters"] = f"{'num_ctx':<30} {model.context_length}"
    return _encode(
        body
        | {
            # Editors complete in the middle of a text only where the template takes a suffix.
            "template": "{{ .Prompt }}{{ .Suffix }}" if "insert" in model.capabilities else "{{ .Prompt }}",
            "details": _details(model),
            "model_info": info,
            "capabilities": model.capabilities,
            "modified_at": _rfc3339(model.created_s),
        }
    )


def models_body(models: Iterable[ModelInfo]) -> bytes:
    """Write the answer of `/v1/models`, in the backend's order; `data` is a list even when it is empty."""
    return b'{"object":"list","data":[' + b",".join(model.entry for model in models) + b"]}"


def model_body(model: ModelInfo, name: str) -> bytes:
    """Write the answer of `/v1/models/{id}`; `id` is the name that was asked for."""
    if name == model.id:
        return model.entry
    return _encode(_decode(model.entry) | {"id": name})


def _tag(model: ModelInfo) -> dict[str, Any]:
    details = _details(model)
    if model.context_length:
        details["context_length"] = model.context_length
    if model.embedding_length:
        details["embedding_length"] = model.embedding_length
    return {
        "name": model.id,
        "model": model.id,
        "modified_at": _rfc3339(model.created_s),
        "size": model.size_bytes,
        # Clients cache what a model can do under its digest, for ever: it must be stable and belong to one name.
        "digest": hashlib.sha256(model.id.encode(errors="surrogatepass")).hexdigest(),
        "details": details,
        "capabilities": model.capabilities,
    }


def _details(model: ModelInfo) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": model.format,
        "family": model.family,
        "families": [model.family] if model.family else None,
        "parameter_size": model.parameter_size,
        "quantization_level": model.quantization,
    }


def _rfc3339(time_s: int | None) -> str:
    # Not Ollama's zero time where nothing is known: the year 1 overflows in clients that turn it into local time.
    return datetime.fromtimestamp(time_s or 0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _decode(data: bytes) -> Any:
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


def _encode(value: Any) -> bytes:
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
    return ModelInfo(
        id=model_id,
        created_s=created_s,
        owned_by=owned_by,
        context_length=next(filter(None, (_count(_at(entry, path)) for path in _CONTEXT_PATHS)), None),
        embedding_length=_count(_at(entry, ("meta", "n_embd"))) or _count(_at(entry, ("details", "embedding_length"))),
        parameter_count=count,
        parameter_size=_text(entry, ("details", "parameter_size")) or _human(count),
        size_bytes=_count(_at(entry, ("meta", "size"))) or _count(entry.get("size")) or 0,
        family=_family(model_id, entry),
        format=_text(entry, ("details", "format"), ("compatibility_type",)) or ("gguf" if count else ""),
        quantization=_text(entry, ("details", "quantization_level"), ("quantization",)),
        capabilities=capabilities(_last_part(model_id), said),
        denied=tuple(word for word, able in said.items() if not able),
        entry=_openai_entry(model_id, entry, created_s, owned_by),
    )


def _openai_entry(model_id: str, entry: dict[str, Any], created_s: int | None, owned_by: str) -> bytes:
    fixed = {"id": model_id, "object": "model", "created": created_s or 0, "owned_by": owned_by}
    return _encode(fixed | {key: value for key, value in entry.items() if key not in fixed})


def _owner(model_id: str) -> str:
    return model_id.split("/", 1)[0] if "/" in model_id else "unknown"


def _family(model_id: str, entry: dict[str, Any]) -> str:
    said = _text(entry, ("details", "family"), ("arch",), ("architecture",), ("capabilities", "family"))
    if _PLAIN_WORD.fullmatch(said):
        return said
    found = _FAMILY.match(_last_part(model_id))
    return found.group() if found else ""


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
