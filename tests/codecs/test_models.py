"""Lists of models as backends write them."""

import json

import pytest

from gateway.codecs.model_bodies import models_body, tags_body
from gateway.codecs.models import described_model, read_models, refuse_html, unlisted_model
from gateway.errors import TranslationError
from tests.codecs.listed_models import Json, read, read_one


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
    (entry,) = json.loads(tags_body([model]))["models"]
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


def test_command_lines_of_a_router_are_not_passed_on() -> None:
    model = read_one(status={"value": "loaded", "args": ["--api-key", "secret"], "preset": "api-key = secret"})
    assert json.loads(models_body([model]))["data"][0]["status"] == {"value": "loaded"}


@pytest.mark.parametrize(
    ("entry", "loaded"),
    [
        ({"status": {"value": "loaded"}}, True),
        ({"status": {"value": "unloaded"}}, False),
        ({"state": "loaded"}, True),
        ({"state": "not-loaded"}, False),
        ({}, None),
        ({"status": 7, "state": None}, None),
    ],
)
def test_whether_a_model_is_loaded_is_known_where_the_backend_says_it(entry: Json, loaded: bool | None) -> None:
    assert read_one(**entry).loaded is loaded


def test_what_is_behind_an_id_of_the_servers_own_tells_what_a_model_is() -> None:
    model = read_one(root="/models/Qwen/Qwen3-8B-AWQ", max_model_len=4096)
    assert (model.family, model.quantization, model.context_length) == ("qwen3", "AWQ", 4096)
    assert model.capabilities == ("completion", "tools", "thinking")


def test_facts_from_elsewhere_count_and_the_openai_entry_stays() -> None:
    model = read_one(created=5, owned_by="x")
    described = described_model(model, {"max_context_length": 7, "state": "loaded", "publisher": "y", "created": 9})
    assert (described.context_length, described.loaded) == (7, True)
    assert (described.entry, described.owned_by, described.created_s) == (model.entry, "x", 5)


def test_mistrals_list_is_read() -> None:
    said = {"completion_chat": True, "function_calling": False, "vision": True, "completion_fim": False}
    model = read_one(max_context_length=32768, capabilities=said, owned_by="mistralai")
    assert (model.context_length, model.capabilities) == (32768, ("completion", "vision"))


def test_openrouters_list_is_read() -> None:
    model = read_one(
        context_length=200_000,
        architecture={"input_modalities": ["text", "image"], "tokenizer": "Claude"},
        supported_parameters=["max_tokens", "tools", "reasoning"],
    )
    assert (model.context_length, model.capabilities) == (200_000, ("completion", "tools", "vision", "thinking"))
