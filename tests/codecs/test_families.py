"""What a name alone tells."""

import pytest

from gateway.codecs.families import find_family
from gateway.codecs.models import unlisted_model


@pytest.mark.parametrize(
    ("name", "family", "context_length"),
    [
        ("gpt-4o-mini", "gpt4", 128_000),
        ("openai/gpt-4.1-nano", "gpt4", 1_047_576),
        ("gpt-4-0125-preview", "gpt4", 128_000),
        ("gpt-4", "gpt4", 8192),
        ("gpt-5-mini", "gpt5", 400_000),
        ("gpt-oss:20b", "gptoss", 131_072),
        ("o3-mini", "o3", 200_000),
        ("anthropic/claude-sonnet-4", "claude", 200_000),
        ("gemini-2.5-pro", "gemini", 1_048_576),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama", None),
        ("llama3.2:1b", "llama", None),
        ("Meta-Llama-3-8B", "llama", 8192),
        ("llama3:8b", "llama", 8192),
        ("qwen3:8b", "qwen3", None),
        ("Qwen/Qwen2.5-VL-7B", "qwen2vl", None),
        ("google/gemma-2-9b-it", "gemma2", 8192),
        ("all-minilm:latest", "bert", 512),
        ("text-embedding-3-small", "embedding", 8191),
        ("mistral-small", "mistral", None),
        ("deepseek-r1:7b", "deepseek2", None),
        ("gpt4all-j", "", None),
        ("my-gpt-4o", "", None),
        ("llamafile", "llama", None),
        ("model", "", None),
        ("42", "", None),
    ],
)
def test_well_known_families_are_known_by_name(name: str, family: str, context_length: int | None) -> None:
    model = unlisted_model(name)
    assert (model.family, model.family_context_length) == (family, context_length)


def test_a_family_that_servers_configure_has_no_context_of_its_own() -> None:
    found = find_family("qwen2.5-7b-instruct")
    assert found is not None
    assert found.context_length is None
