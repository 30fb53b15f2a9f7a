"""What a model can do, in Ollama's words: what a backend's list says of it, else what its name suggests."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.codecs.contract import Question, Target

# The words of backends for what a model can do, and Ollama's for the same.
_WORDS = {
    "completion": "completion",
    "completion_chat": "completion",
    "chat": "completion",
    "chat_completion": "completion",
    "tools": "tools",
    "tool_use": "tools",
    "tool_calls": "tools",
    "tool_calling": "tools",
    "function_calling": "tools",
    "vision": "vision",
    "image_input": "vision",
    "multimodal": "vision",
    "embedding": "embedding",
    "embeddings": "embedding",
    "thinking": "thinking",
    "reasoning": "thinking",
    "insert": "insert",
    "fim": "insert",
    "completion_fim": "insert",
    "audio": "audio",
}

# Consulted only where a backend's list says nothing.
_EMBEDDING_NAMES = re.compile(r"embed|minilm|^nomic|^voyage|^paraphrase|(?<![a-z0-9])(?:bge|e5|gte|gtr)(?![a-z0-9])")
_VISION_NAMES = re.compile(
    r"vision|llava|pixtral|moondream|minicpm-v|internvl|multimodal|gpt-4o|gpt-4\.1|gpt-5|gemini|gemma-?3|llama-?4"
    r"|claude-(?:3|opus|sonnet|haiku)|(?<![a-z])(?:vl|o3|o4)(?![a-z])|\d\.?\d?vl"
)
_THINKING_NAMES = re.compile(
    r"(?<!non-)(?:thinking|reason)|qwq|magistral|gpt-oss|gpt-5|deepseek-r1|^r1|^o[134](?!\d)|claude-(?:3[.-]7|(?:opus|sonnet|haiku)-4)"
    r"|gemini-(?:2\.5|3)|qwen-?3(?!.*(?:instruct|coder))"
)


def capabilities(names: Sequence[str], stated: Mapping[str, bool]) -> tuple[str, ...]:
    """Return the capabilities of a model of these names (lower case, no namespaces), given what was `stated`."""
    embeds = stated.get("embedding")
    if embeds is None:
        embeds = not stated.get("completion") and _any(_EMBEDDING_NAMES, names)
    if embeds and not stated.get("completion"):
        return ("embedding",)
    able = {
        "completion": stated.get("completion", True),
        # Clients hide models without tools, and most backends can: only a plain no counts.
        "tools": stated.get("tools", True),
        # Never guessed: where a backend takes no suffix, editors do better with their own prompts.
        "insert": stated.get("insert", False),
        "vision": stated.get("vision", _any(_VISION_NAMES, names)),
        "embedding": embeds,
        "thinking": stated.get("thinking", _any(_THINKING_NAMES, names)),
        "audio": stated.get("audio", False),
    }
    return tuple(word for word, can in able.items() if can)


def _any(pattern: re.Pattern[str], names: Sequence[str]) -> bool:
    return any(map(pattern.search, names))


def able(targets: Sequence[Target], question: Question) -> Sequence[Target]:
    """Return those targets of which nothing that the question needs is denied; all of them where each lacks something.

    Then the first one's lack, or the backend's own refusal, is what the client is told. Vectors of another model fit
    nothing that was stored: for them a fallback counts only where it is the same model elsewhere.
    """
    if len(targets) == 1:
        return targets
    if not [target for target in targets if target.denied or target.fallback]:
        return targets
    needs = question.needs
    if "embedding" in needs:
        same = {target.model for target in targets if not target.fallback}
        targets = [target for target in targets if not target.fallback or target.model in same]
    found = [target for target in targets if needs.isdisjoint(target.denied)]
    # The same ones as they came: what is known of their order is known of that very tuple.
    return found if 0 < len(found) < len(targets) else targets


def stated(entry: dict[str, Any]) -> dict[str, bool]:
    """Return what the backend itself says the model can (True) and cannot (False) do, in Ollama's words."""
    said: dict[str, bool] = {}
    if isinstance(entry.get("architecture"), dict):
        entry = entry["architecture"] | entry
    if modalities := _strings(entry, "input_modalities"):
        said |= {"vision": "image" in modalities, "audio": "audio" in modalities}
    if parameters := _strings(entry, "supported_parameters"):
        said |= {"tools": "tools" in parameters, "thinking": "reasoning" in parameters}
    kind = entry.get("type")
    if kind in ("embedding", "embeddings") or "embeddings" in _strings(entry, "output_modalities"):
        said["embedding"] = True
    elif kind == "vlm":
        said["vision"] = True
    flags = {key.removeprefix("supports_"): can for key, can in entry.items() if key.startswith("supports_")}
    return said | _in_our_words(flags) | _of_field(entry.get("capabilities"))


def _of_field(field: Any) -> dict[str, bool]:
    if isinstance(field, dict):
        supports = field.get("supports")
        return _in_our_words(field | supports if isinstance(supports, dict) else field)
    if not isinstance(field, list):
        return {}
    words = _in_our_words({word: True for word in field if isinstance(word, str)})
    if "completion" in field or "embedding" in field:
        return dict.fromkeys(_WORDS.values(), False) | words  # Ollama's own words: such a list is complete
    return words


def _in_our_words(flags: Mapping[str, Any]) -> dict[str, bool]:
    said: dict[str, bool] = {}
    for key, can in flags.items():
        word = _WORDS.get(key.lower().replace("-", "_"))
        if word is not None and isinstance(can, bool):
            said[word] = said.get(word, False) or can
    return said


def _strings(entry: dict[str, Any], key: str) -> list[str]:
    value = entry.get(key)
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []
