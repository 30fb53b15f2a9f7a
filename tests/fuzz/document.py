"""An OpenAPI document of all routes, made of the gateway's own schemas, with values that lead past the first checks."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from gateway.codecs.options import TABLE
from gateway.demo.models import MODELS
from gateway.schemas import ollama, openai

_OLLAMA: Mapping[str, tuple[str, type[BaseModel]]] = {
    "/api/chat": ("post", ollama.ChatRequest),
    "/api/generate": ("post", ollama.GenerateRequest),
    "/api/embed": ("post", ollama.EmbedRequest),
    "/api/embeddings": ("post", ollama.EmbeddingsRequest),
    "/api/show": ("post", ollama.ShowRequest),
    "/api/pull": ("post", ollama.PullRequest),
    "/api/push": ("post", ollama.PushRequest),
    "/api/create": ("post", ollama.CreateRequest),
    "/api/copy": ("post", ollama.CopyRequest),
    "/api/delete": ("delete", ollama.DeleteRequest),
}
_OPENAI: Mapping[str, tuple[str, type[BaseModel]]] = {
    "/v1/chat/completions": ("post", openai.ChatCompletionRequest),
    "/v1/completions": ("post", openai.CompletionRequest),
    "/v1/embeddings": ("post", openai.EmbeddingRequest),
}
_WITHOUT_BODY = (
    "get /",
    "head /",
    "get /api/version",
    "head /api/version",
    "get /api/status",
    "get /api/tags",
    "head /api/tags",
    "get /api/ps",
    "get /v1/models",
    "get /api/experimental/model-recommendations",
)
_ANY_BODY = (
    "post /api/me",
    "post /api/signout",
    "post /api/experimental/web_search",
    "post /api/experimental/web_fetch",
)
_NAMES = [model.id for model in MODELS]
_TEXT: dict[str, Any] = {"type": "string", "maxLength": 60}
_ANY: dict[str, Any] = {"anyOf": [{"type": "null"}, {"type": "number"}, {"type": "boolean"}, _TEXT, {"type": "array"}]}
_DURATION = {"anyOf": [{"type": "number"}, {"enum": ["5m", "0", "-1m", "1h30m", "1.5s"]}]}
_FORMAT = {
    "anyOf": [
        {"enum": ["json", "", None, "xml", []]},
        {"enum": [{"type": "object", "properties": {"age": {"type": "integer"}}}, {"type": "string"}, {"type": "?"}]},
    ]
}
_TEXTS = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "maxItems": 5}]}
_KINDS: Mapping[str, dict[str, Any]] = {
    "integer": {"type": "integer"},
    "float32": {"type": "number"},
    "boolean": {"type": "boolean"},
    "array": {"type": "array", "items": _TEXT, "maxItems": 4},
}
_OPTIONS = {
    "type": "object",
    "properties": {option.name: {"anyOf": [_KINDS[option.kind], {"type": "null"}]} for option in TABLE},
    # A wrong type now and then: what is refused first keeps the rest from being seen.
    "anyOf": [{}, {}, {}, {"properties": {"seed": _ANY, "stop": _ANY, "use_mmap": _ANY}, "required": ["stop"]}],
}
_PARAMETERS = {
    "enum": [
        {"type": "object", "properties": {}},
        {
            "type": "object",
            "properties": {"city": {"type": ["string", "null"], "enum": ["Rome", 1]}},
            "required": ["city"],
        },
        {"properties": {"deep": {"anyOf": [{"type": "array", "items": {"type": "number"}}, {}]}}},
        {},
    ]
}
_BETTER: Mapping[str, dict[str, Any]] = {
    "model": {"enum": [*_NAMES, "demo:latest", "DEMO"]},
    "keep_alive": _DURATION,
    "think": {"enum": [True, False, "low", "medium", "high", "max", None]},
    "format": _FORMAT,
    "input": _TEXTS,
    "prompt": _TEXTS,
    "options": _OPTIONS,
    "images": {"type": "array", "items": {"enum": ["iVBORw0KGgo=", "R0lGODlhAQABAAAAACw="]}, "maxItems": 2},
    "role": {"enum": ["system", "user", "assistant", "tool", "User"]},
    "content": _TEXT,
    "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
    "parameters": _PARAMETERS,
    "arguments": {"type": "object", "maxProperties": 3},
    "dimensions": {"type": "integer", "minimum": 0, "maximum": 100},
    "context": {"type": "array", "items": {"type": "integer"}, "maxItems": 20},
}
"""What is known of fields whose type varies, or that lead nowhere unless they hold a known value."""


def document() -> dict[str, Any]:
    """The document, in OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    for path, (method, model) in {**_OLLAMA, **_OPENAI}.items():
        schemas[model.__name__] = _schema(model, schemas)
        paths.setdefault(path, {})[method] = _operation(_json({"$ref": f"#/components/schemas/{model.__name__}"}))
    for name in _WITHOUT_BODY:
        method, _, path = name.partition(" ")
        paths.setdefault(path, {})[method] = _operation(None)
    for name in _ANY_BODY:
        method, _, path = name.partition(" ")
        paths.setdefault(path, {})[method] = _operation(_json({"type": "object"}))
    paths["/v1/models/{model}"] = {"get": _operation(None, {"model": {"enum": [*_NAMES, "no/such"]}})}
    paths["/api/user/keys/{key}"] = {"delete": _operation(None, {"key": _TEXT})}
    digest = {"digest": {"anyOf": [{"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}, _TEXT]}}
    blob = {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
    paths["/api/blobs/{digest}"] = {"head": _operation(None, digest), "post": _operation(blob, digest)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "The gateway", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _schema(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = schema.pop("$defs", {})
    schemas.update(parts)
    for part in (schema, *parts.values()):
        fields = part.get("properties", {})
        fields.update({name: better for name, better in _BETTER.items() if name in fields})
        # Unknown keys come with the broken requests: here they would leave no room for the known ones.
        part["additionalProperties"] = False
    if "model" in schema["properties"]:
        schema["required"] = sorted({*schema.get("required", []), "model"})
    return schema


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _operation(body: dict[str, Any] | None, parameters: Mapping[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    operation: dict[str, Any] = {"responses": {"default": {"description": "any"}}}
    if body is not None:
        operation["requestBody"] = body
    if parameters:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": schema} for name, schema in parameters.items()
        ]
    return operation


def routes() -> set[tuple[str, str]]:
    """The methods and paths of the document."""
    return {(method.upper(), path) for path, operations in document()["paths"].items() for method in operations}


def as_json() -> str:
    """The document as text."""
    return json.dumps(document(), indent=1)
