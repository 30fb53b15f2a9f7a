"""Which models a key may use."""

import pytest

from gateway.admission import allowed
from gateway.callers import Caller


def test_a_key_that_names_no_models_may_use_all() -> None:
    assert allowed(Caller(), "anything")


def test_a_key_without_any_model_may_use_none() -> None:
    assert not allowed(Caller(models=()), "anything")


@pytest.mark.parametrize(
    "model", ["llama3", "LLAMA3", "llama3:latest", "Llama3:LATEST", "gpt-4o", "gpt-4o-mini:latest"]
)
def test_a_name_is_compared_in_any_case_and_without_latest(model: str) -> None:
    assert allowed(Caller(models=("Llama3:latest", "gpt-*")), model)


@pytest.mark.parametrize("model", ["llama3.1", "llama3:8b", "my-gpt-4o", "", "gpt"])
def test_a_name_that_no_glob_matches_as_a_whole_is_not_allowed(model: str) -> None:
    assert not allowed(Caller(models=("llama3", "gpt-*")), model)
