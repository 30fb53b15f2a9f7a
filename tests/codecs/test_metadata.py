"""Which servers are asked for more than their list, and what is made of their answers."""

import json
from typing import Any

import pytest

from gateway.codecs.metadata import MAX_QUESTIONS, metadata_questions, read_facts
from gateway.codecs.models import ModelInfo, described_model
from tests.codecs.listed_models import Json, read

LLAMACPP = {"id": "m", "owned_by": "llamacpp"}
LMSTUDIO = {"id": "m", "owned_by": "organization_owner"}
LITELLM = {"id": "m", "owned_by": "openai", "created": 1677610602}
PATHS = {"llamacpp": "/props", "organization_owner": "/api/v0/models", "openai": "/model/info"}


def described(entry: Json, answer: Any) -> ModelInfo:
    """Return the model of a list with one entry after the server answered its one question."""
    (model,) = read(entry)
    (question,) = metadata_questions([model], PATHS[entry["owned_by"]])
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return described_model(model, read_facts(question, body).get(model.id, {}))


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/props", ["/props"]),
        ("/api/v0/models", ["/api/v0/models"]),
        ("/model/info", ["/model/info"]),
        ("/api/tags", ["/api/tags", "/api/ps"]),
        ("", []),
        ("/unknown", []),
    ],
)
def test_a_server_is_asked_where_its_profile_says(path: str, asked: list[str]) -> None:
    assert [question.path for question in metadata_questions(read({"id": "m"}), path)] == asked
    assert metadata_questions([], path) == []


def test_a_router_is_asked_only_for_what_it_has_loaded_and_not_made_to_load_more() -> None:
    loaded = [{**LLAMACPP, "id": f"m{number}", "status": {"value": "loaded"}} for number in range(20)]
    entries = [{**LLAMACPP, "status": {"value": "unloaded"}}, *loaded]
    questions = metadata_questions(read(*entries), "/props")
    assert [question.query for question in questions] == [
        {"model": f"m{number}", "autoload": "false"} for number in range(MAX_QUESTIONS)
    ]
    assert metadata_questions(read(entries[0]), "/props") == []


PROPS: Json = {
    "default_generation_settings": {"n_ctx": 2048, "params": {}},
    "model_path": "/somewhere/Qwen2.5-7B-Instruct-Q4_K_M.gguf",
    "modalities": {"vision": True, "audio": False, "video": True},
    "chat_template": "{% if tools %}...{% endif %}",
    "chat_template_caps": {"supports_tools": True, "supports_tool_calls": True},
    "is_sleeping": False,
}


def test_llama_cpps_props_are_read() -> None:
    model = described(LLAMACPP, PROPS)
    assert (model.context_length, model.loaded) == (2048, True)
    assert (model.family, model.quantization) == ("qwen2", "Q4_K_M")
    assert model.capabilities == ("completion", "tools", "vision")


@pytest.mark.parametrize(
    ("changes", "capabilities"),
    [
        ({"chat_template_caps": {"supports_tools": False, "supports_tool_calls": True}}, "completion vision"),
        ({"chat_template_caps": {}}, "completion tools vision"),
        ({"modalities": {"vision": False, "audio": True}}, "completion tools audio"),
        ({"modalities": None, "chat_template_caps": 7, "chat_template": None}, "completion tools"),
        ({"chat_template": "{% if enable_thinking %}<think>"}, "completion tools vision thinking"),
    ],
)
def test_a_template_tells_what_a_model_can_do(changes: Json, capabilities: str) -> None:
    assert described(LLAMACPP, PROPS | changes).capabilities == tuple(capabilities.split())


def test_a_sleeping_model_is_not_loaded() -> None:
    assert described(LLAMACPP, PROPS | {"is_sleeping": True}).loaded is False


def test_lm_studios_own_list_is_read() -> None:
    entry = {
        "id": "m",
        "object": "model",
        "type": "vlm",
        "publisher": "qwen",
        "arch": "qwen2vl",
        "compatibility_type": "gguf",
        "quantization": "Q4_K_M",
        "state": "loaded",
        "max_context_length": 32768,
        "loaded_context_length": 4096,
        "capabilities": ["tool_use"],
    }
    model = described(LMSTUDIO, {"data": [7, {"id": None}, entry]})
    assert (model.context_length, model.loaded, model.family) == (4096, True, "qwen2vl")
    assert (model.quantization, model.format) == ("Q4_K_M", "gguf")
    assert model.capabilities == ("completion", "tools", "vision")


def test_litellms_info_is_read() -> None:
    info = {"max_input_tokens": 9000, "supports_vision": True, "supports_function_calling": False, "mode": "chat"}
    model = described(LITELLM, {"data": [{"model_name": "m", "litellm_params": {"api_key": "x"}, "model_info": info}]})
    assert (model.context_length, model.capabilities) == (9000, ("completion", "vision"))


def test_the_smallest_deployment_of_a_name_tells_its_context() -> None:
    rows = [{"model_name": "m", "model_info": {"max_input_tokens": size}} for size in (None, 900, 200, 500)]
    assert described(LITELLM, {"data": [{}, 7, {"model_name": 7}, *rows]}).context_length == 200
    assert described(LITELLM, {"data": [{"model_name": "m", "model_info": {"mode": "embedding"}}]}).capabilities == (
        "embedding",
    )


TAGS: Json = {
    "name": "m",
    "model": "m",
    "size": 4_000_000,
    "digest": "abc",
    "details": {"format": "gguf", "family": "qwen2", "parameter_size": "7.6B", "quantization_level": "Q4_K_M"},
    "capabilities": ["completion", "tools"],
}


def of_ollama(tags: Any, running: Any) -> ModelInfo:
    """Return the one model of an Ollama that gives these two answers."""
    (model,) = read({"id": "m", "owned_by": "library"})
    facts: dict[str, Any] = {}
    for question, answer in zip(metadata_questions([model], "/api/tags"), (tags, running), strict=True):
        facts |= read_facts(question, json.dumps(answer).encode()).get("m", {})
    return described_model(model, facts)


def test_ollamas_own_lists_are_read() -> None:
    model = of_ollama({"models": [7, {"name": None}, TAGS]}, {"models": [{"name": "m", "context_length": 4096}]})
    assert (model.family, model.parameter_size, model.quantization, model.size_bytes) == (
        *("qwen2", "7.6B", "Q4_K_M"),
        4_000_000,
    )
    assert (model.context_length, model.loaded) == (4096, True)
    assert model.capabilities == ("completion", "tools")
    assert "vision" in model.denied


def test_what_an_ollama_does_not_run_is_not_loaded() -> None:
    assert of_ollama({"models": [TAGS]}, {"models": []}).loaded is False
    assert of_ollama({"models": [TAGS]}, {"error": "no"}).loaded is None


@pytest.mark.parametrize("answer", [b"<html>", b"", {"error": "no"}, [], None, {"data": None}, {"data": [[]]}])
@pytest.mark.parametrize("entry", [LLAMACPP, LMSTUDIO, LITELLM])
def test_an_answer_of_another_kind_changes_nothing(entry: Json, answer: Any) -> None:
    (model,) = read(entry)
    assert described(entry, answer) == model
