"""What a request asked for, without what it says: names, numbers and counts of its body."""

from typing import Any

import msgspec

from gateway.telemetry.labels import OTHER

PARAMETERS = frozenset(
    {
        *("temperature", "top_p", "top_k", "min_p", "typical_p", "seed", "num_ctx", "num_predict", "num_keep", "n"),
        *("max_tokens", "max_completion_tokens", "repeat_penalty", "repeat_last_n", "presence_penalty"),
        *("frequency_penalty", "logprobs", "top_logprobs", "stream", "think", "raw", "truncate", "shift", "dimensions"),
        *("best_of", "echo", "parallel_tool_calls", "keep_alive", "num_gpu", "num_thread", "num_batch"),
    }
)
"""Members of a body, or of its `options`, whose numbers and truth values are no content."""
FIELDS = PARAMETERS | {
    *(
        "model",
        "messages",
        "prompt",
        "input",
        "images",
        "tools",
        "tool_choice",
        "format",
        "options",
        "system",
        "template",
    ),
    *("suffix", "context", "response_format", "stream_options", "stop", "user", "reasoning_effort", "reasoning"),
    *("logit_bias", "encoding_format", "metadata", "store", "modalities", "audio", "verbosity", "prediction"),
}
"""Members whose names are told; what else a client calls its own is "other"."""


def body_facts(body: bytes) -> dict[str, object]:
    """Return names of members, parameters that are numbers, and counts; `{}` for a body that is no JSON object."""
    try:
        asked = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(asked, dict):
        return {}
    options = asked.get("options")
    given = {**asked, **(options if isinstance(options, dict) else {})}
    facts: dict[str, object] = {
        "fields": sorted({name if name in FIELDS else OTHER for name in given}),
        "parameters": {name: given[name] for name in sorted(PARAMETERS & given.keys()) if _is_plain(given[name])},
    }
    messages = asked.get("messages")
    counted = messages if isinstance(messages, list) else []
    facts["messages"] = len(counted)
    facts["tools"] = len(asked["tools"]) if isinstance(asked.get("tools"), list) else 0
    facts["images"] = sum(map(_images, [asked, *counted]))
    facts["characters"] = sum(map(_characters, [*counted, asked]))
    return facts


def _is_plain(value: object) -> bool:
    return isinstance(value, bool | int | float)


def _images(holder: object) -> int:
    if not isinstance(holder, dict):
        return 0
    images, parts = holder.get("images"), holder.get("content")
    own = len(images) if isinstance(images, list) else 0
    return own + (
        sum(isinstance(part, dict) and part.get("type") == "image_url" for part in parts)
        if isinstance(parts, list)
        else 0
    )


def _characters(holder: Any) -> int:
    """Return how much text stands where texts stand: content of messages, prompts, inputs."""
    if not isinstance(holder, dict):
        return 0
    total = 0
    for name in ("content", "prompt", "system", "suffix", "input"):
        value = holder.get(name)
        for item in value if isinstance(value, list) else [value]:
            text = item.get("text") if isinstance(item, dict) else item
            total += len(text) if isinstance(text, str) else 0
    return total
