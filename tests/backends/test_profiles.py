"""The table of profiles, and which row is a model's."""

import re
from pathlib import Path

import pytest
from yarl import URL

from gateway.backend_settings import PROFILE_NAMES
from gateway.backends.profiles import GENERIC, LLAMACPP, OPENAI, PROFILES, ROWS, VLLM, profile_for
from gateway.backends_file import read_backends_file
from gateway.codecs.chat_reader import ChatReader
from gateway.codecs.contract import Profile
from gateway.codecs.events import Thinking
from gateway.codecs.metadata import metadata_questions
from gateway.codecs.models import unlisted_model
from gateway.codecs.options import TABLE, encode_options, read_options

SOMEWHERE = URL("http://10.1.2.3:11434/v1")
DOCUMENT = Path(__file__).parents[2] / "docs" / "backends.md"


def sent(profile: Profile, **options: object) -> dict[str, object]:
    return encode_options(read_options(options), profile)


# The table


def test_a_configuration_can_name_every_row_and_no_other() -> None:
    assert tuple(PROFILES) == PROFILE_NAMES
    assert [profile.name for profile in PROFILES.values()] == list(PROFILES)


def test_no_two_rows_claim_the_same_sign() -> None:
    claimed = [sign for row in ROWS for sign in (*row.hints.hosts, *row.hints.headers, *row.hints.root)]
    assert len(claimed) == len(set(claimed))
    owners = [owner for row in ROWS for owner in row.hints.owners]
    assert len(owners) == len(set(owners))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_each_row_names_parameters_that_options_become(profile: Profile) -> None:
    known = {parameter for option in TABLE for parameter in option.parameters}
    assert profile.parameters <= known
    assert profile.max_tokens in known


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_where_a_row_has_metadata_there_is_a_question_for_it(profile: Profile) -> None:
    questions = metadata_questions([unlisted_model("m")], profile.metadata)
    assert [question.path for question in questions][:1] == [profile.metadata][: len(questions)]
    assert bool(questions) == bool(profile.metadata)


@pytest.mark.parametrize(
    "delta",
    [
        '"reasoning_content":"hm"',
        '"reasoning":"hm"',
        '"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]',
    ],
)
def test_thinking_is_read_from_every_field_that_a_row_names(delta: str) -> None:
    fields = {profile.thinking_field for profile in PROFILES.values()} - {""}
    assert fields == {"reasoning_content", "reasoning", "content"}
    assert delta.split('"')[1] in fields
    chunk = f'data: {{"choices":[{{"index":0,"delta":{{{delta}}}}}]}}\n\n'.encode()
    assert Thinking("hm") in ChatReader(show_thinking=True).feed(chunk, 0)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("openai", {"max_completion_tokens": 5, "seed": 7}),
        ("azure", {"max_completion_tokens": 5, "seed": 7}),
        ("generic", {"max_tokens": 5, "seed": 7}),
        ("ollama", {"max_tokens": 5, "seed": 7}),
        ("litellm", {"max_tokens": 5, "seed": 7}),
        ("transformers", {"max_tokens": 5, "seed": 7}),
        ("mistral", {"max_tokens": 5, "random_seed": 7, "top_k": 3, "repetition_penalty": 1.5}),
        ("lmstudio", {"max_tokens": 5, "seed": 7, "top_k": 3, "repeat_penalty": 1.5}),
        ("vllm", {"max_tokens": 5, "seed": 7, "top_k": 3, "min_p": 0.5, "repetition_penalty": 1.5}),
        ("openrouter", {"max_tokens": 5, "seed": 7, "top_k": 3, "min_p": 0.5, "repetition_penalty": 1.5}),
        ("demo", {"max_tokens": 5, "seed": 7, "top_k": 3, "min_p": 0.5}),
    ],
)
def test_options_are_sent_in_the_backends_words(name: str, parameters: dict[str, object]) -> None:
    asked = sent(PROFILES[name], num_predict=5, seed=7, top_k=3, min_p=0.5, repeat_penalty=1.5, typical_p=0.5)
    assert asked == parameters


def test_llama_cpp_takes_every_option_of_sampling() -> None:
    given = {"top_k": 3, "typical_p": 0.5, "repeat_penalty": 1.5, "repeat_last_n": 9, "mirostat": 2, "num_keep": 4}
    assert sent(LLAMACPP, **given) == {key.replace("num_keep", "n_keep"): value for key, value in given.items()}


# Whose row


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://API.OpenAI.com/v1", "openai"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://eu.openrouter.ai/api/v1", "openrouter"),
        ("https://api.mistral.ai/v1", "mistral"),
        ("https://mine.openai.azure.com/openai/v1", "azure"),
        ("https://mine.services.ai.azure.com/openai/v1", "azure"),
        ("https://notopenrouter.ai/v1", "generic"),
        ("https://api.openai.com.example.org/v1", "generic"),
        ("http://localhost:11434/v1", "generic"),
        ("http://localhost:1234/v1", "generic"),
        ("http://localhost:4000/v1", "generic"),
    ],
)
def test_a_host_tells_the_kind_and_a_port_never_does(url: str, name: str) -> None:
    assert profile_for(URL(url)).name == name


@pytest.mark.parametrize(
    ("owned_by", "name"),
    [
        ("vllm", "vllm"),
        ("LlamaCpp", "llamacpp"),
        ("library", "ollama"),
        ("organization_owner", "lmstudio"),
        ("demo", "demo"),
        ("openai", "generic"),
        ("mistralai", "generic"),
        ("", "generic"),
        (None, "generic"),
    ],
)
def test_an_owner_tells_the_kind_unless_proxies_repeat_it(owned_by: str | None, name: str) -> None:
    assert profile_for(SOMEWHERE, owned_by).name == name


def test_the_configuration_counts_most_then_the_host_then_what_was_found_then_the_owner() -> None:
    openai = URL("https://api.openai.com/v1")
    assert profile_for(openai, "vllm", name="llamacpp", found=GENERIC) is LLAMACPP
    assert profile_for(openai, "vllm", found=LLAMACPP) is OPENAI
    assert profile_for(SOMEWHERE, "vllm", found=LLAMACPP) is LLAMACPP
    assert profile_for(SOMEWHERE, "vllm") is VLLM


# The document


def test_the_document_has_a_section_a_row_with_its_evidence_and_its_configuration() -> None:
    sections = re.findall(r"^### .*?\n(.*?)(?=^##|\Z)", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S)
    described = {found[1]: text for text in sections if (found := re.search(r"^ +profile: (\w+)", text, re.M))}
    assert described.keys() == PROFILES.keys()
    for name, text in described.items():
        assert f"({PROFILES[name].evidence})" in text, name
        assert re.search(r"^ +base_url: http", text, re.M), name


def test_the_documents_table_says_what_the_rows_say() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCUMENT.read_text(encoding="utf-8"), re.M)
    assert {name: cells.split(" | ") for name, cells in rows} == {
        profile.name: _cells(profile) for profile in PROFILES.values()
    }


def _cells(profile: Profile) -> list[str]:
    codes = ", ".join(f"`{parameter}`" for parameter in sorted(profile.parameters))
    bounds = f"`{profile.max_tokens}`, `{profile.seed}`"
    kinds = ", ".join(sorted(form.removeprefix("json_") for form in profile.formats))
    paths = ", ".join(f"`{path}`" for path in (profile.metadata, profile.health) if path)
    flags = ["yes" if flag else "no" for flag in (profile.stream_usage, profile.base64_embeddings)]
    field = f"`{profile.thinking_field}`" if profile.thinking_field else "-"
    return [profile.evidence, codes or "-", bounds, kinds or "-", *flags, field, paths or "-"]


@pytest.mark.parametrize("block", re.findall(r"^```yaml\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S))
def test_the_documents_configurations_are_valid(block: str, tmp_path: Path) -> None:
    path = tmp_path / "backends.yaml"
    path.write_text(block, encoding="utf-8")
    keys = dict.fromkeys(re.findall(r"\$\{(\w+)\}", block), "a-key-of-some-length")
    fleet, warnings = read_backends_file(path, keys)
    assert ([backend.profile in PROFILES for backend in fleet.backends], warnings) == ([True], [])
