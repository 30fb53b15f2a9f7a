"""What docs/testing.md says that the demo answers is what it answers."""

import re

import ollama
import pytest

from tests.e2e.processes import ROOT

pytestmark = pytest.mark.e2e

PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
PART = PAGE.partition("\n## An application of yours\n")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", PART, re.MULTILINE)


@pytest.mark.parametrize(("question", "answer"), ROWS)
def test_the_demo_answers_as_the_page_says(gateway_url: str, question: str, answer: str) -> None:
    with ollama.Client(gateway_url) as client:
        said = client.chat("demo", [{"role": "user", "content": question}])
    assert said.message.content == answer


def test_there_are_answers_on_the_page() -> None:
    assert len(ROWS) > 3
