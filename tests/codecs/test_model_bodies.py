"""The bodies that clients read about models."""

import json
import re
from typing import Any

import pytest

from gateway.codecs.model_bodies import LOADED_UNTIL, model_body, models_body, ps_body, show_body, tags_body
from gateway.codecs.models import ModelInfo, unlisted_model, virtual_model
from gateway.codecs.virtual import read_virtual_model
from tests.codecs.listed_models import Json, read, read_one

DEFAULT = 20_000


def shown(model: ModelInfo, name: str = "m") -> Json:
    body: Json = json.loads(show_body(model, name, DEFAULT))
    return body


def tagged(*models: ModelInfo) -> list[Json]:
    entries: list[Json] = json.loads(tags_body(models))["models"]
    return entries


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
        "family": "",
        "families": None,
        "parameter_size": "",
        "quantization_level": "",
    }
    assert tagged(unlisted_model("org/Llama-3.1-8B"))[0]["details"]["families"] == ["llama"]


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
    [
        ({"max_model_len": 4096}, 4096),
        ({}, DEFAULT),
        ({"arch": "a.b"}, DEFAULT),
        ({"id": "gpt-4o"}, 128_000),
        ({"id": "gpt-4o", "max_model_len": 9}, 9),
    ],
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
    assert body["model_info"]["unknown.embedding_length"] == 768
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


def test_ps_has_every_field_clients_demand_and_only_what_is_loaded() -> None:
    models = read(
        {"id": "gpt-4o", "state": "loaded"},
        {"id": "sleeping", "status": {"value": "sleeping"}},
        {"id": "unknown"},
    )
    (entry,) = json.loads(ps_body(models, DEFAULT))["models"]
    assert entry == {
        "name": "gpt-4o",
        "model": "gpt-4o",
        "size": 0,
        "digest": tagged(models[0])[0]["digest"],
        "details": shown(models[0])["details"],
        "expires_at": LOADED_UNTIL,
        "size_vram": 0,
        "context_length": 128_000,
    }
    assert re.fullmatch(r"2[3-9]\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", LOADED_UNTIL)


ENTRY: Json = {
    "model": "gpt-4o",
    "description": "A pirate.\nArr.",
    "system": 'You are a "pirate".',
    "options": {"temperature": 0.2, "num_predict": 50, "stop": ["a", "b\n"], "num_ctx": 4096},
    "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Arr,\nmatey"}],
    "template": "{{ .System }} {{ .Prompt }}",
}


def virtual(**changes: Any) -> ModelInfo:
    return virtual_model(read_virtual_model("pirate", {**ENTRY, **changes}), unlisted_model("gpt-4o"))


def test_show_tells_what_a_virtual_model_is_made_of() -> None:
    body = shown(virtual(), "Pirate:latest")
    assert body["modelfile"] == (
        "# A pirate.\n# Arr.\nFROM gpt-4o\nTEMPLATE {{ .System }} {{ .Prompt }}\n"
        'SYSTEM """You are a "pirate"."""\n'
        "PARAMETER temperature 0.2\nPARAMETER num_predict 50\n"
        'PARAMETER stop "a"\nPARAMETER stop "b\\n"\nPARAMETER num_ctx 4096\n'
        'MESSAGE user hi\nMESSAGE assistant """Arr,\nmatey"""\n'
    )
    assert body["parameters"].splitlines() == [
        "temperature                    0.2",
        "num_predict                    50",
        'stop                           "a"',
        'stop                           "b\\n"',
        "num_ctx                        4096",
    ]
    assert (body["system"], body["messages"]) == (ENTRY["system"], ENTRY["messages"])
    assert body["template"] == ENTRY["template"]
    assert body["model_info"]["general.basename"] == "Pirate:latest"


def test_show_has_the_models_own_capabilities_and_context_unless_the_entry_says_others() -> None:
    assert shown(virtual())["capabilities"] == ["completion", "tools", "vision"]
    assert shown(virtual())["model_info"]["gpt4.context_length"] == 128_000
    body = shown(virtual(capabilities=["completion"], context_length=9000))
    assert (body["capabilities"], body["model_info"]["gpt4.context_length"]) == (["completion"], 9000)


def test_a_plain_other_name_is_shown_as_one() -> None:
    body = shown(virtual_model(read_virtual_model("a", "gpt-4o"), unlisted_model("gpt-4o")))
    assert body["modelfile"] == "FROM gpt-4o\n"
    assert not {"system", "messages", "parameters"} & body.keys()


def test_a_virtual_model_has_an_entry_and_a_digest_of_its_own() -> None:
    entry = json.loads(models_body([virtual()]))["data"][0]
    assert (entry["id"], entry["object"], entry["description"]) == ("pirate", "model", ENTRY["description"])
    names = [(tag["name"], tag["digest"]) for tag in tagged(virtual(), unlisted_model("gpt-4o"))]
    assert [name for name, _ in names] == ["pirate", "gpt-4o"]
    assert names[0][1] != names[1][1]
