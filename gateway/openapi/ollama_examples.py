"""Examples of `/api/*`: what the demo backend answers, shortened."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.openapi.operation import Examples


class Shown(NamedTuple):
    """Requests, answers in one piece, and streams."""

    requests: Examples
    answers: Examples
    lines: Mapping[str, str]


def as_lines(objects: Sequence[Any]) -> str:
    """Return objects as the lines of a stream."""
    return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in objects)


def as_events(lines: str) -> str:
    """Return the lines of a stream as server-sent events."""
    return "".join(f"data: {line}\n\n" for line in lines.splitlines())


CHAT_WORDS = (
    "Answer a conversation",
    "Takes the messages so far, images, tools and a form the answer is to have.",
)
GENERATE_WORDS = (
    "Answer a prompt",
    "Takes one prompt, or one and a suffix, between which the model writes.",
)

_AT = "2026-11-29T06:13:33.081651Z"
_THEN = "2026-11-29T06:13:33.614599Z"
_HEAD = {"model": "demo", "created_at": _AT}
_END = {"model": "demo", "created_at": _THEN}
_COUNTS = {
    "total_duration": 562196904,
    "load_duration": 1689542,
    "prompt_eval_count": 1,
    "prompt_eval_duration": 27488576,
    "eval_count": 19,
    "eval_duration": 533018786,
}
_DONE = {"done": True, "done_reason": "stop", **_COUNTS}
_HI = {"role": "user", "content": "hi"}
_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_CALL = {
    "id": "call_0efe679f20114ccba34f6d0e",
    "function": {"index": 0, "name": "get_weather", "arguments": {"city": "Rome"}},
}
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="
_BROKEN = {"error": "the backend fell silent in its answer for 60 s", "request_id": "req_7824f4eed71db4db353b7018"}


def _said(content: str, **more: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": content, **more}}


CHAT = Shown(
    {
        "stream": {"model": "demo", "messages": [_HI]},
        "in one piece": {"model": "demo", "messages": [_HI], "stream": False, "options": {"temperature": 0}},
        "tools": {
            "model": "demo",
            "messages": [{"role": "user", "content": "What is the weather in Rome?"}],
            "tools": [_WEATHER],
            "stream": False,
        },
        "result of a tool": {
            "model": "demo",
            "messages": [
                {"role": "user", "content": "What is the weather in Rome?"},
                {"role": "assistant", "content": "", "tool_calls": [_CALL]},
                {"role": "tool", "tool_name": "get_weather", "content": "22 degrees, sunny"},
            ],
            "tools": [_WEATHER],
        },
        "thinking": {
            "model": "demo-thinking",
            "messages": [{"role": "user", "content": "What is 6*7?"}],
            "think": True,
        },
        "image": {
            "model": "demo-vision",
            "messages": [{"role": "user", "content": "What is in this picture?", "images": [_PIXEL]}],
        },
        "form of the answer": {
            "model": "demo",
            "messages": [{"role": "user", "content": "How old is the Moon?"}],
            "format": {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]},
            "stream": False,
        },
        "load the model": {"model": "demo"},
    },
    {
        "text": {**_END, **_said("Hello! I am demo, a small demo model."), **_DONE},
        "call of a tool": {**_END, **_said("", tool_calls=[_CALL]), **_DONE},
        "thinking": {
            **_END,
            **_said("6*7 = 42.", thinking="The user asks for a product."),
            **_DONE,
            "model": "demo-thinking",
        },
        "loaded": {**_END, **_said(""), "done": True, "done_reason": "load"},
    },
    {
        "text": as_lines(
            [
                {**_HEAD, **_said("Hello!"), "done": False},
                {**_HEAD, **_said(" I"), "done": False},
                {**_END, **_said(""), **_DONE},
            ]
        ),
        "thinking": as_lines(
            [
                {**_HEAD, **_said("", thinking="The user asks"), "done": False},
                {**_HEAD, **_said("6*7 = 42."), "done": False},
                {**_END, **_said(""), **_DONE},
            ]
        ),
        "call of a tool": as_lines(
            [{**_HEAD, **_said("", tool_calls=[_CALL]), "done": False}, {**_END, **_said(""), **_DONE}]
        ),
        "broken off": as_lines([{**_HEAD, **_said("Hello!"), "done": False}, _BROKEN]),
    },
)
GENERATE = Shown(
    {
        "stream": {"model": "demo", "prompt": "hi"},
        "in one piece": {"model": "demo", "prompt": "hi", "stream": False, "options": {"num_predict": 20}},
        "between": {"model": "demo", "prompt": "def add(a, b):\n", "suffix": "\n    return total", "stream": False},
        "go on": {"model": "demo", "prompt": "and then?", "context": [789996, 1, 45, 7904395]},
    },
    {
        "text": {**_END, "response": "Hello!", **_DONE, "context": [789996, 1, 45, 7904395]},
        "loaded": {**_END, "response": "", "done": True, "done_reason": "load"},
    },
    {
        "text": as_lines(
            [
                {**_HEAD, "response": "Hello!", "done": False},
                {**_HEAD, "response": " I", "done": False},
                {**_END, "response": "", **_DONE, "context": [789996, 1, 45, 7904395]},
            ]
        ),
        "broken off": as_lines([{**_HEAD, "response": "Hello!", "done": False}, _BROKEN]),
    },
)
_GIF = "GIF89a       ;"
"""An image that is all text: other bytes cannot be written here. It is a GIF of 8,224 by 8,224 pixels without any."""
FORM = {
    "chat": {
        "request": '{"model":"demo-vision","messages":[{"role":"user","content":"What is this?"}]}',
        "image": [_GIF],
    },
    "generate": {"request": '{"model":"demo-vision","prompt":"What is this?"}', "image": [_GIF]},
}
"""Forms by route."""
EMBEDDED = {
    "model": "demo-embed",
    "embeddings": [[-1.0, 0.0, 0.0, 0.0], [0.0, 0.2873478829860687, -0.9578262567520142, 0.0]],
    "total_duration": 2276424,
    "load_duration": 467795,
    "prompt_eval_count": 2,
}
_DETAILS = {
    "parent_model": "",
    "format": "",
    "family": "",
    "families": None,
    "parameter_size": "",
    "quantization_level": "",
}
_DIGEST = "2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea"
_CAPABILITIES = ["completion", "tools", "insert"]
TAGS = {
    "models": [
        {
            "name": "demo",
            "model": "demo",
            "modified_at": "2026-01-01T00:00:00Z",
            "size": 0,
            "digest": _DIGEST,
            "details": {**_DETAILS, "context_length": 8192},
            "capabilities": _CAPABILITIES,
        }
    ]
}
PS = {
    "models": [
        {
            "name": "demo",
            "model": "demo",
            "size": 0,
            "digest": _DIGEST,
            "details": _DETAILS,
            "expires_at": "2318-01-01T00:00:00Z",
            "size_vram": 0,
            "context_length": 8192,
        }
    ]
}
SHOWN = {
    "modelfile": "# demo runs on a backend: there is no Modelfile behind it.\nFROM demo\n",
    "parameters": "num_ctx                        8192",
    "template": "{{ .Prompt }}{{ .Suffix }}",
    "details": _DETAILS,
    "model_info": {"general.architecture": "unknown", "general.basename": "demo", "unknown.context_length": 8192},
    "capabilities": _CAPABILITIES,
    "modified_at": "2026-01-01T00:00:00Z",
}
_LAYER = "3d554be01af03265f59281c61790ed21aaf8e05aae3e65fdbf1c0205b48ee87d"


def _layer(verb: str) -> dict[str, Any]:
    return {"status": f"{verb} {_LAYER[:12]}", "digest": f"sha256:{_LAYER}", "total": 1, "completed": 1}


PULLED = as_lines(
    [
        {"status": "pulling manifest"},
        _layer("pulling"),
        {"status": "verifying sha256 digest"},
        {"status": "writing manifest"},
        {"status": "success"},
    ]
)
PUSHED = as_lines(
    [
        {"status": "retrieving manifest"},
        _layer("pushing"),
        {"status": "pushing manifest"},
        {"status": "success"},
    ]
)
