"""What the gateway assumes of a model before it is asked, so that findings can be held against it."""

from dataclasses import replace

from gateway.codecs.contract import Profile
from gateway.codecs.models import ModelInfo
from gateway.doctor.results import Answer, ModelReport

_BY_LIST = {
    "plain": "completion",
    "tools": "tools",
    "thinking": "thinking",
    "vision": "vision",
    "embeddings": "embedding",
}
"""Checks, and the words of lists for them."""


def add_assumptions(report: ModelReport, profile: Profile) -> None:
    """Write into each finding what was assumed of it, and by what."""
    assumed = {name: (answer, "profile") for name, answer in _by_profile(profile).items()}
    assumed |= {name: (answer, "list") for name, answer in _by_list(report.info).items()}
    for name, (answer, source) in assumed.items():
        if (result := report.checks.get(name)) is not None:
            report.checks[name] = replace(result, expected=answer, expected_by=source)


def _by_profile(profile: Profile) -> dict[str, Answer]:
    return {
        "stream_options": _answer(profile.stream_usage),
        "thinking_off": _answer(profile.thinking_off is not None),
        "json_schema": _answer("json_schema" in profile.formats),
        "json_mode": _answer("json_object" in profile.formats),
        "embeddings_base64": _answer(profile.base64_embeddings),
    }


def _by_list(info: ModelInfo) -> dict[str, Answer]:
    """Return what the list says of a model, and what its name suggests where the list says nothing."""
    return {name: _answer(word in info.capabilities) for name, word in _BY_LIST.items()}


def _answer(able: bool) -> Answer:
    return Answer.YES if able else Answer.NO
