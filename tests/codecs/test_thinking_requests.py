"""How each kind of backend is asked to think."""

from typing import Any

import pytest

from gateway.backends.profiles import GENERIC, LLAMACPP, OPENAI, OPENROUTER, PROFILES, VLLM
from gateway.codecs.contract import Profile
from gateway.codecs.thinking_requests import encode_think

OLLAMA, MISTRAL, LITELLM = PROFILES["ollama"], PROFILES["mistral"], PROFILES["litellm"]
LMSTUDIO, TRANSFORMERS = PROFILES["lmstudio"], PROFILES["transformers"]


def effort(level: str) -> dict[str, Any]:
    return {"reasoning_effort": level}


def template(**kwargs: Any) -> dict[str, Any]:
    return {"chat_template_kwargs": kwargs}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_nothing_is_said_of_thinking_that_was_not_asked_about(profile: Profile) -> None:
    assert encode_think(None, profile) == {}


@pytest.mark.parametrize(
    ("profile", "parameters"),
    [
        (GENERIC, {}),
        (OPENAI, {}),
        (OLLAMA, {}),
        (LLAMACPP, template(enable_thinking=True)),
        (TRANSFORMERS, template(enable_thinking=True)),
        (VLLM, template(enable_thinking=True, thinking=True)),
        (OPENROUTER, {"reasoning": {"enabled": True}}),
        (LMSTUDIO, effort("medium")),
        (LITELLM, effort("medium")),
        (MISTRAL, effort("high")),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_thinking_is_asked_for_in_the_backends_way(profile: Profile, parameters: dict[str, Any]) -> None:
    assert encode_think(True, profile) == parameters


@pytest.mark.parametrize(
    ("profile", "parameters"),
    [
        (GENERIC, {}),
        (OPENAI, {}),
        (LITELLM, {}),
        (LLAMACPP, template(enable_thinking=False)),
        (TRANSFORMERS, template(enable_thinking=False)),
        (VLLM, template(enable_thinking=False, thinking=False)),
        (OPENROUTER, {"reasoning": {"effort": "none"}}),
        (OLLAMA, effort("none")),
        (LMSTUDIO, effort("none")),
        (MISTRAL, effort("none")),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_thinking_is_switched_off_where_a_way_is_known(profile: Profile, parameters: dict[str, Any]) -> None:
    assert encode_think(False, profile) == parameters


@pytest.mark.parametrize(
    ("profile", "parameters"),
    [
        (GENERIC, {}),
        (OPENAI, effort("low")),
        (VLLM, effort("low")),
        (OLLAMA, effort("low")),
        (LLAMACPP, template(enable_thinking=True, reasoning_effort="low")),
        (OPENROUTER, {"reasoning": {"effort": "low"}}),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_level_is_sent_where_levels_are_known(profile: Profile, parameters: dict[str, Any]) -> None:
    assert encode_think("low", profile) == parameters


def test_any_level_is_on_for_a_backend_that_knows_on_and_off_alone() -> None:
    assert encode_think("low", MISTRAL) == encode_think("max", MISTRAL) == effort("high")


@pytest.mark.parametrize(
    ("profile", "parameters"),
    [(OPENAI, effort("high")), (OLLAMA, effort("max")), (OPENROUTER, {"reasoning": {"effort": "xhigh"}})],
    ids=lambda value: getattr(value, "name", None),
)
def test_max_is_the_most_that_the_backend_knows(profile: Profile, parameters: dict[str, Any]) -> None:
    assert encode_think("max", profile) == parameters
