"""What servers say of their models elsewhere than in the list: which questions to ask them, and their answers.

Which server has which path is in the profiles. Facts are given in the words of lists, for `models.described_model`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.codecs.models import FILE_NAME, ModelInfo, decode_json
from gateway.errors import TranslationError

type Facts = dict[str, dict[str, Any]]
"""Facts by the id of the model."""

MAX_QUESTIONS = 8
"""llama.cpp's router is asked once for each model it has loaded; this many at most."""

_THINKING_MARKS = ("enable_thinking", "<think", "reasoning", "thinking", "<|channel")


class MetadataQuestion(NamedTuple):
    """A path beside the `/v1` of a backend, its query, and how to read the answer."""

    path: str
    query: dict[str, str]
    read: Callable[[Any], Facts]


def metadata_questions(models: Sequence[ModelInfo], path: str) -> list[MetadataQuestion]:
    """Return what to ask the server that lists `models` and has its metadata at `path`; nothing for an unknown one."""
    ask = _QUESTIONS.get(path)
    return ask(models) if models and ask is not None else []


def read_facts(question: MetadataQuestion, body: bytes) -> Facts:
    """Return the facts of an answer; none for what is not the answer that was hoped for. Never raises."""
    try:
        return question.read(decode_json(body))
    except TranslationError:
        return {}


def _llamacpp_questions(models: Sequence[ModelInfo]) -> list[MetadataQuestion]:
    if any(model.loaded is not None for model in models):
        # A router: it would load a model to answer for it, and says nothing of those it has not loaded.
        loaded = [model.id for model in models if model.loaded][:MAX_QUESTIONS]
        return [MetadataQuestion("/props", {"model": name, "autoload": "false"}, _llamacpp([name])) for name in loaded]
    return [MetadataQuestion("/props", {}, _llamacpp([model.id for model in models]))]


def _llamacpp(names: Sequence[str]) -> Callable[[Any], Facts]:
    def read(answer: Any) -> Facts:
        props = _object(answer)
        settings = _object(props.get("default_generation_settings"))
        if not settings:
            return {}
        facts: dict[str, Any] = {
            "loaded_context_length": settings.get("n_ctx"),
            "capabilities": _template_capabilities(props),
            "state": "not-loaded" if props.get("is_sleeping") is True else "loaded",
        }
        if isinstance(path := props.get("model_path"), str):
            facts[FILE_NAME] = path.replace("\\", "/")
        return dict.fromkeys(names, facts)

    return read


def _template_capabilities(props: dict[str, Any]) -> dict[str, bool]:
    """Return what the template and the projector of a loaded model can do."""
    said = {key: value for key, value in _object(props.get("modalities")).items() if key in ("vision", "audio")}
    template = _object(props.get("chat_template_caps"))
    # Without it llama.cpp takes `tools` and loses them in silence.
    for key in ("supports_tools", "supports_tool_calls"):
        if isinstance(template.get(key), bool):
            said["tools"] = said.get("tools", True) and template[key]
    if isinstance(text := props.get("chat_template"), str) and text:
        said["thinking"] = any(mark in text for mark in _THINKING_MARKS)
    return said


def _lmstudio(answer: Any) -> Facts:
    """Read the list of LM Studio's own API: its entries have the words of lists already."""
    entries = [_object(entry) for entry in _list(_object(answer).get("data"))]
    return {
        entry["id"]: {key: value for key, value in entry.items() if key not in ("id", "object")}
        for entry in entries
        if isinstance(entry.get("id"), str)
    }


def _litellm(answer: Any) -> Facts:
    """Read `model_info` by public name; where several deployments share one, the smallest context counts."""
    facts: Facts = {}
    for deployment in _list(_object(answer).get("data")):
        name, info = _object(deployment).get("model_name"), _object(_object(deployment).get("model_info"))
        if not isinstance(name, str):
            continue
        said = {key: value for key, value in info.items() if key.startswith("supports_") or key == "max_input_tokens"}
        if info.get("mode") == "embedding":
            said["type"] = "embedding"
        before = facts.setdefault(name, said)
        lengths = [some for one in (before, said) if isinstance(some := one.get("max_input_tokens"), int)]
        if lengths:
            before["max_input_tokens"] = min(lengths)
    return facts


def _ollama_questions(models: Sequence[ModelInfo]) -> list[MetadataQuestion]:
    names = [model.id for model in models]
    return [MetadataQuestion("/api/tags", {}, _ollama), MetadataQuestion("/api/ps", {}, _ollama_running(names))]


def _ollama(answer: Any) -> Facts:
    """Read the list of Ollama's own API: its entries have the words of lists, but for the name."""
    known = ("details", "size", "capabilities")
    return {name: {key: entry[key] for key in known if key in entry} for name, entry in _ollama_entries(answer)}


def _ollama_running(names: Sequence[str]) -> Callable[[Any], Facts]:
    def read(answer: Any) -> Facts:
        if not isinstance(_object(answer).get("models"), list):
            return {}
        running = {
            name: {"state": "loaded", "loaded_context_length": entry.get("context_length")}
            for name, entry in _ollama_entries(answer)
        }
        return {name: running.get(name, {"state": "not-loaded"}) for name in names}

    return read


def _ollama_entries(answer: Any) -> list[tuple[str, dict[str, Any]]]:
    entries = [_object(entry) for entry in _list(_object(answer).get("models"))]
    return [(entry["name"], entry) for entry in entries if isinstance(entry.get("name"), str)]


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_QUESTIONS: Mapping[str, Callable[[Sequence[ModelInfo]], list[MetadataQuestion]]] = {
    "/props": _llamacpp_questions,
    "/api/v0/models": lambda _models: [MetadataQuestion("/api/v0/models", {}, _lmstudio)],
    "/model/info": lambda _models: [MetadataQuestion("/model/info", {}, _litellm)],
    "/api/tags": _ollama_questions,
}
"""By the path that a profile names."""
