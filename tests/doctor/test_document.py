"""The report for programs, held against its documentation."""

import json
import re
from pathlib import Path
from typing import Any

from gateway.doctor.document import report_document
from gateway.doctor.results import CHECKS, Answer
from tests.doctor.checking import checked, serving, settings
from tests.doctor.strict import StrictBackend

DOCUMENTATION = (Path(__file__).resolve().parents[2] / "docs" / "check.md").read_text("utf-8")


def section(title: str) -> str:
    """Return the part of the documentation under a heading."""
    return re.split(r"^#+ ", DOCUMENTATION.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def documented(title: str) -> list[str]:
    """Return the first column of the table under a heading."""
    return re.findall(r"^\| `([a-z0-9_]+)` \|", section(title), flags=re.MULTILINE)


async def document() -> dict[str, Any]:
    async with serving(StrictBackend()) as url:
        report = await checked(settings(url))
    found: dict[str, Any] = json.loads(json.dumps(report_document(report, ("careful",))))
    return found


async def test_every_key_is_documented_and_every_documented_key_is_there() -> None:
    found = await document()
    (backend,) = found["backends"]
    (model,) = backend["models"]
    assert list(found) == documented("The report")
    assert list(backend) == documented("A backend")
    assert list(model) == documented("A model")
    for result in (backend["reachable"], backend["key"], backend["listing"], *model["checks"].values()):
        assert list(result) == documented("A result")


async def test_every_check_is_documented_and_always_there() -> None:
    (backend,) = (await document())["backends"]
    assert list(backend["models"][0]["checks"]) == list(CHECKS) == documented("What is asked of a model")


async def test_answers_are_the_documented_words() -> None:
    (backend,) = (await document())["backends"]
    words = set(re.findall(r"^\* `(\w+)`", section("Answers"), flags=re.MULTILINE))
    assert words == {str(answer) for answer in Answer}
    assert {result["answer"] for result in backend["models"][0]["checks"].values()} <= words


async def test_the_values_have_the_documented_types() -> None:
    found = await document()
    assert (found["version"], found["ok"], found["warnings"]) == (1, True, ["careful"])
    assert found["requests"] > 5
    assert found["backends"][0]["profile"] == "generic"
    assert found["backends"][0]["models"][0]["checks"]["streaming"]["unit"] == "ms"
    assert found["backends"][0]["models"][0]["refused_parameters"] == [
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "temperature",
        "top_p",
    ]
