"""What the fields of OpenAI's requests mean, for the document."""

from collections.abc import Mapping
from typing import Any

from gateway.openapi.fields import Fields, Said
from gateway.schemas import openai

_BOOLEAN_UNSET_FALSE = {"type": "boolean", "default": False}
_JUDGED = "The backend judges it. Unset: the backend's own."
_COUNT = {"type": "integer"}
_NUMBER = {"type": "number"}
_TEXT = {"type": "string"}


def _object(meaning: str, **properties: dict[str, Any]) -> dict[str, Any]:
    """Return an object that may hold more than is told of it."""
    return {"type": "object", "description": meaning, "properties": properties, "additionalProperties": True}


def _told(meaning: str, schema: Mapping[str, Any] = _TEXT) -> dict[str, Any]:
    return {**schema, "description": meaning}


_PART = _object(
    "One part.",
    type=_told("Kind of the part: text, image_url, input_audio or another that the backend knows."),
    text=_told("The text, of a part of kind text."),
    image_url=_object("The image, of a part of kind image_url.", url=_told("Its address, or a data URL.")),
    input_audio=_object(
        "The sound, of a part of kind input_audio.",
        data=_told("Its bytes as base64."),
        format=_told("Its format, such as wav or mp3."),
    ),
)
_PARTS = {"type": "array", "items": _PART}
_TOOL = _object(
    "A tool that the model may call.",
    type=_told("Kind of the tool: function, or another that the backend knows."),
    function=_object(
        "The function.",
        name=_told("Name by which the model calls it."),
        description=_told("What it does, for the model."),
        parameters=_told("JSON schema of the arguments.", {"type": "object", "additionalProperties": True}),
    ),
)
_TEXTS_OR_TOKENS = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"type": "integer"}},
        {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
    ]
}

FIELDS: Fields = {
    openai.OpenAIRequest: {
        "model": Said(
            "Name of the model, as the backend or MODEL_MAPPING_FILE has it. Unset: DEFAULT_MODEL, where one is set.",
            {"type": "string"},
            examples=("demo",),
        ),
    },
    openai.StreamOptions: {
        "include_usage": Said("Whether a last chunk tells the tokens.", _BOOLEAN_UNSET_FALSE),
    },
    openai.GenerationRequest: {
        "stream": Said("Whether the answer comes as server-sent events while it is made.", _BOOLEAN_UNSET_FALSE),
        "stream_options": Said(
            "What a stream tells besides. Unset: nothing.", {"$ref": "#/components/schemas/StreamOptions"}
        ),
        "n": Said(f"How many answers there are to be. {_JUDGED}", _COUNT),
        "max_tokens": Said(f"Most tokens of the answer. {_JUDGED}", _COUNT),
        "temperature": Said(f"How far the choice of a token may stray: 0 takes the likeliest. {_JUDGED}", _NUMBER),
        "top_p": Said(f"Share of the likeliest tokens that are chosen from. {_JUDGED}", _NUMBER),
    },
    openai.ChatMessage: {
        "role": Said("Who speaks: developer, system, user, assistant or tool.", examples=("user",)),
        "content": Said(
            "A text, or parts: texts, images, sounds. Unset or null: none, as beside calls of tools.",
            {"anyOf": [{"type": "string"}, _PARTS, {"type": "null"}]},
        ),
    },
    openai.ChatCompletionRequest: {
        "messages": Said("The conversation so far."),
        "max_completion_tokens": Said(f"Most tokens of the answer, reasoning included. {_JUDGED}", _COUNT),
        "tools": Said(
            "What the model may call. Unset: nothing.",
            {"type": "array", "items": _TOOL},
        ),
    },
    openai.CompletionRequest: {
        "prompt": Said("The text to go on with. A list holds texts or tokens.", _TEXTS_OR_TOKENS),
    },
    openai.EmbeddingRequest: {
        "input": Said("A text, several, or tokens.", _TEXTS_OR_TOKENS),
        "encoding_format": Said(
            "Form of the vectors: float or base64. Unset: float.", {"type": "string"}, examples=("float",)
        ),
        "dimensions": Said(f"Length of the vectors, where the model can shorten them. {_JUDGED}", _COUNT),
    },
}
"""By the class that has the field. What is not here is passed on all the same, as it is."""
