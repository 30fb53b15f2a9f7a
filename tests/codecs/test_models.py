"""Lists of models as backends write them, and the bodies made of them."""

import json
import re
from typing import Any

import pytest

from gateway.codecs.models import (
    DEFAULT_CONTEXT_LENGTH,
    ModelInfo,
    model_body,
    models_body,
    read_models,
    refuse_html,
    show_body,
    tags_body,
    unlisted_model,
)
from gateway.errors import TranslationError

type Json = dict[str, Any]


def read(*entries: Any) -> tuple[ModelInfo, ...]:
    return read_models(json.dumps({"object": "list", "data": entries}).encode())


def read_one(**entry: Any) -> ModelInfo:
    (model,) = read({"id": "m", **entry})
    return model


def shown(model: ModelInfo, name: str = "m") -> Json:
    body: Json = json.loads(show_body(model, name))
    return body


def tagged(*models: ModelInfo) -> list[Json]:
    entries: list[Json] = json.loads(tags_body(models))["models"]
    return entries


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"id":"a"},{"id":"b"}]}',
        b'{"object":"list","data":[{"id":"a","object":"model"},{"id":"b","object":"model"}]}',
        b'[{"id":"a"},{"id":"b"}]',
        b'["a","b"]',
        b'{"models":[{"name":"a","model":"a"},{"name":"b"}]}',
        b'\xef\xbb\xbf{"data":[{"id":"a","price":NaN},{"id":"b","price":1e999}]}',
        b'{"data":[{"id":"a","about":"\xff"},{"id":"b","about":"\\ud800"}]}',
    ],
)
def test_every_known_shape_of_a_list_is_read(body: bytes) -> None:
    models = read_models(body)
    assert [model.id for model in models] == ["a", "b"]
    assert [entry["id"] for entry in json.loads(models_body(models))["data"]] == ["a", "b"]


def test_entries_without_an_id_are_skipped_and_repeated_ids_are_read_once() -> None:
    models = read(
        {"object": "model"}, {"id": ""}, {"id": "  "}, {"id": 7}, 7, None, {"id": "a", "created": 1}, {"id": "a"}
    )
    assert [(model.id, model.created_s) for model in models] == [("a", 1)]


@pytest.mark.parametrize("body", [b'{"data":[]}', b"[]", b'{"models":[]}', b'{"object":"list","data":null}'])
def test_an_empty_list_is_a_list(body: bytes) -> None:
    assert read_models(body) == ()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "nothing"),
        (b" \n", "nothing"),
        (b"\n<!DOCTYPE html><html><body>Welcome</body></html>", "HTML"),
        (b"Not Found", "not JSON"),
        (b'{"data":[', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"error":{"message":"no"}}', "not a list of models"),
        (b'{"data":{"id":"a"}}', "not a list of models"),
        (b'"a"', "not a list of models"),
        (b"null", "not a list of models"),
    ],
)
def test_what_is_no_list_of_models_is_a_translation_error_that_says_so(body: bytes, reason: str) -> None:
    with pytest.raises(TranslationError, match=reason) as raised:
        read_models(body)
    assert raised.value.status == 502


def test_a_quick_look_refuses_html_and_takes_json() -> None:
    refuse_html(b' \n{"data":')
    with pytest.raises(TranslationError, match="HTML"):
        refuse_html(b"<html>")


@pytest.mark.parametrize(
    ("entry", "context_length"),
    [
        ({"max_model_len": 4096}, 4096),
        ({"context_length": 131072}, 131072),
        ({"context_window": 8192}, 8192),
        ({"max_context_length": 32000}, 32000),
        ({"max_context_length": 32000, "loaded_context_length": 4096}, 4096),
        ({"meta": {"n_ctx_train": 131072}}, 131072),
        ({"meta": {"n_ctx_train": 131072, "n_ctx": 8192}}, 8192),
        ({"top_provider": {"context_length": 1000}}, 1000),
        ({"context_length": 2048.0}, 2048),
        ({"context_length": "2048"}, None),
        ({"context_length": True}, None),
        ({"context_length": -1}, None),
        ({"context_length": None, "meta": None}, None),
        ({"context_length": 1e300}, None),
    ],
)
def test_the_context_length_is_read_under_every_name_backends_give_it(entry: Json, context_length: int | None) -> None:
    assert read_one(**entry).context_length == context_length


def test_llama_cpp_metadata_is_read() -> None:
    (model,) = read_models(
        json.dumps(
            {
                "models": [{"name": "gemma", "model": "gemma", "capabilities": ["completion", "multimodal"]}],
                "object": "list",
                "data": [
                    {
                        "id": "gemma",
                        "object": "model",
                        "created": 1_700_000_000,
                        "owned_by": "llamacpp",
                        "meta": {"n_ctx_train": 8192, "n_embd": 2304, "n_params": 8_030_261_248, "size": 4_920_000_000},
                    }
                ],
            }
        ).encode()
    )
    assert (model.context_length, model.embedding_length, model.size_bytes) == (8192, 2304, 4_920_000_000)
    assert (model.parameter_count, model.parameter_size, model.format) == (8_030_261_248, "8.0B", "gguf")
    assert model.capabilities == ("completion", "tools", "vision")
    assert model.owned_by == "llamacpp"


def test_lm_studio_metadata_is_read() -> None:
    model = read_one(type="vlm", publisher="acme", arch="qwen2_vl", quantization="Q4_K_M", compatibility_type="gguf")
    assert (model.owned_by, model.family, model.quantization, model.format) == ("acme", "qwen2_vl", "Q4_K_M", "gguf")
    assert "vision" in model.capabilities
    assert read_one(type="embeddings").capabilities == ("embedding",)


def test_an_ollama_list_keeps_its_details() -> None:
    model = read_one(
        name="m",
        modified_at="2025-10-17T23:14:07.414671+02:00",
        size=5000,
        details={"family": "gemma3", "format": "gguf", "parameter_size": "4.3B", "quantization_level": "Q4_K_M"},
        capabilities=["completion", "vision"],
    )
    (entry,) = tagged(model)
    assert entry["modified_at"] == "2025-10-17T21:14:07Z"
    assert entry["size"] == 5000
    assert entry["details"] == {
        "parent_model": "",
        "format": "gguf",
        "family": "gemma3",
        "families": ["gemma3"],
        "parameter_size": "4.3B",
        "quantization_level": "Q4_K_M",
    }
    assert entry["capabilities"] == ["completion", "vision"]


@pytest.mark.parametrize(
    ("entry", "capabilities"),
    [
        ({}, "completion tools"),
        ({"capabilities": ["completion"]}, "completion"),
        ({"capabilities": ["completion", "tools", "insert", "thinking"]}, "completion tools insert thinking"),
        ({"capabilities": ["embedding"]}, "embedding"),
        ({"capabilities": ["completion", "embedding"]}, "completion embedding"),
        ({"capabilities": ["tool_use"]}, "completion tools"),
        ({"capabilities": [7, "Vision"]}, "completion tools vision"),
        (
            {
                "capabilities": {
                    "completion_chat": True,
                    "completion_fim": True,
                    "function_calling": False,
                    "vision": True,
                }
            },
            "completion insert vision",
        ),
        ({"capabilities": {"completion_chat": False, "function_calling": False}}, ""),
        (
            {"capabilities": {"supports": {"tool_calls": True, "vision": True}, "family": "x"}},
            "completion tools vision",
        ),
        (
            {"architecture": {"input_modalities": ["text", "image", "audio"]}, "supported_parameters": ["reasoning"]},
            "completion vision thinking audio",
        ),
        ({"supported_parameters": ["tools", "temperature"]}, "completion tools"),
        ({"architecture": {"output_modalities": ["embeddings"]}}, "embedding"),
        ({"supports_tools": False, "supports_image_input": True}, "completion vision"),
    ],
)
def test_capabilities_come_from_what_the_backend_says(entry: Json, capabilities: str) -> None:
    assert read_one(**entry).capabilities == tuple(capabilities.split())


@pytest.mark.parametrize(
    ("name", "capabilities"),
    [
        ("text-embedding-3-small", "embedding"),
        ("BAAI/bge-m3", "embedding"),
        ("intfloat/multilingual-e5-large", "embedding"),
        ("all-minilm:latest", "embedding"),
        ("thenlper/gte-large", "embedding"),
        ("nomic-ai/nomic-embed-text-v1.5", "embedding"),
        ("nomic-ai/gpt4all-j", "completion tools"),
        ("gpt-4o", "completion tools vision"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "completion tools vision"),
        ("qwen3:8b", "completion tools thinking"),
        ("Qwen/Qwen3-Coder-30B", "completion tools"),
        ("deepseek-ai/DeepSeek-R1", "completion tools thinking"),
        ("grok-4-fast-non-reasoning", "completion tools"),
        ("openai/o3-mini", "completion tools vision thinking"),
        ("meta-llama/Llama-3.1-8B-Instruct", "completion tools"),
        ("some/Budget-5-Gateway", "completion tools"),
    ],
)
def test_capabilities_are_guessed_from_the_name_where_nothing_is_known(name: str, capabilities: str) -> None:
    assert unlisted_model(name).capabilities == tuple(capabilities.split())


def test_what_the_backend_says_overrules_the_name() -> None:
    (model,) = read({"id": "gpt-4o-vision", "capabilities": ["completion", "tools"]})
    assert model.capabilities == ("completion", "tools")
    assert "vision" in model.denied
    assert unlisted_model("plain").denied == ()


@pytest.mark.parametrize(
    ("created", "modified_at"),
    [
        (1_700_000_000, "2023-11-14T22:13:20Z"),
        (1_700_000_000_000, "2023-11-14T22:13:20Z"),
        ("2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"),
        (0, "1970-01-01T00:00:00Z"),
        (None, "1970-01-01T00:00:00Z"),
        ("yesterday", "1970-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00", "1970-01-01T00:00:00Z"),
        (10**30, "1970-01-01T00:00:00Z"),
        ([], "1970-01-01T00:00:00Z"),
    ],
)
def test_any_time_becomes_rfc_3339(created: Any, modified_at: str) -> None:
    (entry,) = tagged(read_one(created=created))
    assert entry["modified_at"] == modified_at


def test_a_tags_entry_has_every_field_clients_demand() -> None:
    (entry,) = tagged(unlisted_model("org/Some-Model:7b"))
    assert entry["name"] == entry["model"] == "org/Some-Model:7b"
    assert entry["size"] == 0
    assert re.fullmatch("[0-9a-f]{64}", entry["digest"])
    assert entry["details"] == {
        "parent_model": "",
        "format": "",
        "family": "some",
        "families": ["some"],
        "parameter_size": "",
        "quantization_level": "",
    }
    assert tagged(unlisted_model("42"))[0]["details"]["families"] is None


def test_a_tags_entry_has_the_lengths_that_are_known() -> None:
    (entry,) = tagged(read_one(meta={"n_ctx": 4096, "n_embd": 768}))
    assert (entry["details"]["context_length"], entry["details"]["embedding_length"]) == (4096, 768)


def test_digests_are_stable_and_belong_to_one_name() -> None:
    digests = [entry["digest"] for entry in tagged(*read({"id": "a"}, {"id": "b"}))]
    again = [entry["digest"] for entry in tagged(*read({"id": "a", "created": 5}))]
    assert digests[0] != digests[1]
    assert again == digests[:1]


def test_tags_are_sorted_newest_first() -> None:
    models = read(
        {"id": "old", "created": 1}, {"id": "undated"}, {"id": "new", "created": 3}, {"id": "mid", "created": 2}
    )
    assert [entry["name"] for entry in tagged(*models)] == ["new", "mid", "old", "undated"]


def test_tags_of_no_models_is_an_empty_list() -> None:
    assert json.loads(tags_body(())) == {"models": []}


@pytest.mark.parametrize(
    ("entry", "context_length"),
    [({"max_model_len": 4096}, 4096), ({}, DEFAULT_CONTEXT_LENGTH), ({"arch": "a.b"}, 32768)],
)
def test_show_has_exactly_one_context_length_under_its_architecture(entry: Json, context_length: int) -> None:
    info = shown(read_one(**entry))["model_info"]
    keys = [key for key in info if "context_length" in key]
    assert keys == [f"{info['general.architecture']}.context_length"]
    assert info[keys[0]] == context_length


def test_show_has_every_field_clients_demand() -> None:
    body = shown(read_one(created=1_700_000_000, meta={"n_params": 137_000_000, "n_embd": 768}), "M:latest")
    assert body["capabilities"] == ["completion", "tools"]
    assert body["details"]["parameter_size"] == "137M"
    assert body["modified_at"] == "2023-11-14T22:13:20Z"
    assert body["model_info"]["general.basename"] == "M:latest"
    assert body["model_info"]["general.parameter_count"] == 137_000_000
    assert body["model_info"]["m.embedding_length"] == 768
    assert shown(unlisted_model("42"))["model_info"]["general.architecture"] == "unknown"


def test_show_tells_the_context_as_a_parameter_only_where_it_is_known() -> None:
    assert shown(read_one(max_model_len=4096))["parameters"] == "num_ctx                        4096"
    assert "parameters" not in shown(read_one())


def test_show_offers_a_suffix_only_for_models_that_take_one() -> None:
    assert ".Suffix" in shown(read_one(capabilities=["completion", "insert"]))["template"]
    assert ".Suffix" not in shown(read_one())["template"]


def test_openai_entries_have_openai_fields_and_keep_what_the_backend_adds() -> None:
    models = read({"id": "org/a", "permission": [], "created": "2023-11-14T22:13:20Z", "object": "thing"}, {"id": "b"})
    assert json.loads(models_body(models)) == {
        "object": "list",
        "data": [
            {"id": "org/a", "object": "model", "created": 1_700_000_000, "owned_by": "org", "permission": []},
            {"id": "b", "object": "model", "created": 0, "owned_by": "unknown"},
        ],
    }
    assert json.loads(models_body(())) == {"object": "list", "data": []}


def test_one_openai_entry_carries_the_name_that_was_asked_for() -> None:
    model = read_one(max_model_len=5)
    assert json.loads(model_body(model, "m"))["id"] == "m"
    assert json.loads(model_body(model, "alias")) == {**json.loads(model_body(model, "m")), "id": "alias"}


def test_a_name_with_a_lone_surrogate_is_written_all_the_same() -> None:
    (model,) = read({"id": "a\ud800"})
    assert tagged(model)[0]["name"] == "a\ud800"
    assert shown(model, "a\ud800")["model_info"]["general.basename"] == "a\ud800"
    assert json.loads(models_body([model]))["data"][0]["id"] == "a\ud800"
