"""Every block of code of every document is what it says it is."""

import json
import subprocess
import tomllib
from collections.abc import Callable, Mapping

import pytest
import yaml

from tests.documents.files import Block, blocks, documents

BLOCKS = [block for document in documents() for block in blocks(document)]
READ_ELSEWHERE = frozenset(
    {
        "text",
        "http",
        "diff",
        "html",
        "xml",
        "java",
        "properties",
        "typescript",
        "ini",
        "dockerfile",
        "nginx",
        "promql",
        "mermaid",
        "js",
        "javascript",
        "ts",
    }
)
"""What no reader here knows, or nothing holds for; JavaScript is judged with the tools of `make docs-check`."""


def _python(text: str) -> None:
    compile(text, "<block>", "exec", dont_inherit=True)


def _json(text: str) -> None:
    """One value, or a line each."""
    try:
        json.loads(text)
    except json.JSONDecodeError:
        for line in filter(None, text.splitlines()):
            json.loads(line)


def _yaml(text: str) -> None:
    assert list(yaml.safe_load_all(text))


def _shell(text: str) -> None:
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


READERS: Mapping[str, Callable[[str], object]] = {
    "python": _python,
    "py": _python,
    "json": _json,
    "jsonl": _json,
    "yaml": _yaml,
    "toml": tomllib.loads,
    "sh": _shell,
    "shell": _shell,
    "bash": _shell,
}


def test_every_block_says_what_it_is() -> None:
    known = READERS.keys() | READ_ELSEWHERE
    assert [f"{block.place}: {block.language!r}" for block in BLOCKS if block.language not in known] == []
    assert len(BLOCKS) > 40


@pytest.mark.parametrize(
    "block",
    [block for block in BLOCKS if block.language in READERS],
    ids=lambda block: f"{block.place}-{block.language}",
)
def test_a_block_of_code_can_be_read(block: Block) -> None:
    READERS[block.language](block.text)
