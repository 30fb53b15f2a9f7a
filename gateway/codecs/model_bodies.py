"""The bodies that clients read about models: `/api/tags`, `/api/show`, `/api/ps`, `/v1/models`."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from gateway.codecs.models import ModelInfo, decode_json, encode_json
from gateway.codecs.virtual import modelfile, parameters_text

LOADED_UNTIL = "2318-01-01T00:00:00Z"
"""What Ollama says of a model that stays: an expiry centuries ahead. When a backend unloads is not known here."""


def tags_body(models: Iterable[ModelInfo]) -> bytes:
    """Write the answer of `/api/tags`: newest first, each under its own id."""
    newest_first = sorted(models, key=lambda model: model.created_s or 0, reverse=True)
    return encode_json({"models": [_tag(model) for model in newest_first]})


def ps_body(models: Iterable[ModelInfo], default_context_length: int) -> bytes:
    """Write the answer of `/api/ps`: the models of which the backend says that they are loaded."""
    running = [
        {
            "name": model.id,
            "model": model.id,
            "size": model.size_bytes,
            "digest": _digest(model),
            "details": _details(model),
            "expires_at": LOADED_UNTIL,
            "size_vram": 0,  # no backend says how much of it is there
            "context_length": context_length(model, default_context_length),
        }
        for model in models
        if model.loaded
    ]
    return encode_json({"models": running})


def show_body(model: ModelInfo, name: str, default_context_length: int) -> bytes:
    """Write the answer of `/api/show` for the model that the client called `name`.

    `default_context_length` is shown where neither the backend nor the model's name tells.
    """
    virtual = model.virtual
    body: dict[str, Any] = {}
    if virtual is not None:
        body["modelfile"] = modelfile(virtual)
    else:
        body["modelfile"] = f"# {name} runs on a backend: there is no Modelfile behind it.\nFROM {name}\n"
    defaults = virtual.defaults if virtual is not None else None
    options = dict(defaults.options) if defaults is not None else {}
    if model.context_length:
        options.setdefault("num_ctx", model.context_length)
    if options:
        body["parameters"] = parameters_text(options)
    if defaults is not None and defaults.system:
        body["system"] = defaults.system
    if defaults is not None and defaults.messages:
        body["messages"] = defaults.messages
    return encode_json(
        body
        | {
            "template": _template(model),
            "details": _details(model),
            "model_info": _model_info(model, name, default_context_length),
            "capabilities": model.capabilities,
            "modified_at": _rfc3339(model.created_s),
        }
    )


def models_body(models: Iterable[ModelInfo]) -> bytes:
    """Write the answer of `/v1/models`, in the order given; `data` is a list even when it is empty."""
    return b'{"object":"list","data":[' + b",".join(model.entry for model in models) + b"]}"


def model_body(model: ModelInfo, name: str) -> bytes:
    """Write the answer of `/v1/models/{id}`; `id` is the name that was asked for."""
    if name == model.id:
        return model.entry
    return encode_json(decode_json(model.entry) | {"id": name})


def context_length(model: ModelInfo, default: int) -> int:
    """Return the context to show: the backend's (or the mapping's) word, else the family's, else the default."""
    return model.context_length or model.family_context_length or default


def _template(model: ModelInfo) -> str:
    if model.virtual is not None and model.virtual.template:
        return model.virtual.template
    # Editors complete in the middle of a text only where the template takes a suffix.
    return "{{ .Prompt }}{{ .Suffix }}" if "insert" in model.capabilities else "{{ .Prompt }}"


def _model_info(model: ModelInfo, name: str, default_context_length: int) -> dict[str, Any]:
    family = model.family or "unknown"
    # The base name is what VS Code shows as the label: the last part of an id may belong to several models.
    info: dict[str, Any] = {"general.architecture": family, "general.basename": name}
    if model.parameter_count:
        info["general.parameter_count"] = model.parameter_count
    # Clients take the first key that contains "context_length": there is exactly one.
    info[f"{family}.context_length"] = context_length(model, default_context_length)
    if model.embedding_length:
        info[f"{family}.embedding_length"] = model.embedding_length
    return info


def _tag(model: ModelInfo) -> dict[str, Any]:
    details = _details(model)
    if length := model.context_length or model.family_context_length:
        details["context_length"] = length
    if model.embedding_length:
        details["embedding_length"] = model.embedding_length
    return {
        "name": model.id,
        "model": model.id,
        "modified_at": _rfc3339(model.created_s),
        "size": model.size_bytes,
        "digest": _digest(model),
        "details": details,
        "capabilities": model.capabilities,
    }


def _digest(model: ModelInfo) -> str:
    # Clients cache what a model can do under its digest, for ever: it must be stable and belong to one name.
    return hashlib.sha256(model.id.encode(errors="surrogatepass")).hexdigest()


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
