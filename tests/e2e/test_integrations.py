"""What docs/integrations.md says was tried with code is run as it stands there, in the versions that it names."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.documents.files import Block, blocks
from tests.e2e import processes
from tests.e2e.environments import NPM_CLIENTS, PYTHON_CLIENTS, node_with, python_with, why_no_node
from tests.e2e.shown import WRITTEN_FOR

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

PAGE = processes.ROOT / "docs" / "integrations.md"
ANSWER = "6*7 = 42. I received 1 message with 3 words."
PYTHON_SECTIONS = {
    "LangChain, Python": ("langchain-ollama", 3),
    "LlamaIndex": ("llama-index-llms-ollama", 1),
    "LiteLLM": ("litellm", 2),
}
"""Sections with the client whose packages they want, and how often they print the answer."""
NODE_SECTIONS = {
    "LangChain, JavaScript": ("@langchain/ollama", 2),
    "Vercel AI SDK": ("ollama-ai-provider-v2", 2),
}


def section(title: str) -> tuple[str, list[Block]]:
    """Return the text of a section, and its blocks."""
    page = PAGE.read_text(encoding="utf-8")
    begin = page.index(f"\n## {title}\n")
    text = page[begin + 1 :].partition("\n## ")[0]
    first = page.count("\n", 0, begin) + 2
    return text, [block for block in blocks(PAGE) if first <= block.line <= first + text.count("\n")]


def programs(title: str, language: str, packages: Mapping[str, str], url: str) -> list[str]:
    """Return the programs of a section, which must name the versions it was tried with, for the gateway at `url`."""
    text, found = section(title)
    told = dict(re.findall(r"(@?[\w/-]+) (\d+\.\d+\.\d+)", text.partition("\n```")[0]))
    assert {name: told[name] for name in told if name in packages} == {
        name: version for name, version in packages.items() if name in told
    }
    assert next(iter(packages)) in told
    return [block.text.replace(WRITTEN_FOR, url) for block in found if block.language == language]


@pytest.mark.parametrize("title", PYTHON_SECTIONS)
def test_a_client_in_python_answers(title: str, gateway_url: str, tmp_path: Path) -> None:
    client, answers = PYTHON_SECTIONS[title]
    found = programs(title, "python", PYTHON_CLIENTS[client], gateway_url)
    try:
        python = python_with(PYTHON_CLIENTS[client])
    except RuntimeError as error:
        pytest.skip(f"{client} cannot be installed here: {error}")
    said = "".join(processes.run(python, "-c", program, cwd=tmp_path, HOME=str(tmp_path)) for program in found)
    assert said.count(ANSWER) == answers, said


@pytest.mark.parametrize("title", NODE_SECTIONS)
def test_a_client_in_javascript_answers(title: str, gateway_url: str, tmp_path: Path) -> None:
    if missing := why_no_node():
        pytest.skip(missing)
    client, answers = NODE_SECTIONS[title]
    [program] = programs(title, "js", NPM_CLIENTS[client], gateway_url)
    try:
        os.symlink(node_with(NPM_CLIENTS[client]), tmp_path / "node_modules")
    except RuntimeError as error:
        pytest.skip(f"{client} cannot be installed here: {error}")
    (tmp_path / "program.mjs").write_text(program)
    said = processes.run("node", "program.mjs", cwd=tmp_path, HOME=str(tmp_path))
    assert said.count(ANSWER) == answers, said
