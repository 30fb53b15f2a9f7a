"""Every block of code of every document is what it says it is."""

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from configparser import RawConfigParser
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from gateway.backends_file import read_backends_file
from tests.documents.files import Block, blocks, documents, named

BLOCKS = [block for document in documents() for block in blocks(document)]
READ_ELSEWHERE = frozenset({"text", "js", "dockerfile"})
"""What nothing holds for, and what the tools of `make docs-check` judge."""


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


def _ini(text: str) -> None:
    # A unit of systemd names a key again to empty it first.
    RawConfigParser(strict=False).read_string(text)


READERS: Mapping[str, Callable[[str], object]] = {
    "python": _python,
    "py": _python,
    "json": _json,
    "jsonl": _json,
    "yaml": _yaml,
    "toml": tomllib.loads,
    "ini": _ini,
    "sh": _shell,
    "shell": _shell,
    "bash": _shell,
}


@pytest.mark.parametrize("document", documents(), ids=named)
def test_every_block_ends(document: Path) -> None:
    fences = re.findall(r"^ *(?:```|~~~)", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(list(blocks(document)))


def bodies(block: Block) -> list[str]:
    """Return what curl sends in a block of shell, as far as it stands there."""
    words = shlex.split(block.text.replace("\\\n", " "), comments=True)
    sent = [word for flag, word in pairwise(words) if flag in ("-d", "--data", "--json")]
    sent += [word.partition("=")[2] for flag, word in pairwise(words) if flag == "-F"]
    return [body for body in sent if body.startswith(("{", "["))]


@pytest.mark.parametrize("block", [block for block in BLOCKS if "curl " in block.text], ids=lambda block: block.place)
def test_what_curl_sends_is_json(block: Block) -> None:
    for body in bodies(block):
        json.loads(re.sub(r"\$\w+", "any", body))


def test_bodies_of_curl_are_found() -> None:
    assert sum(len(bodies(block)) for block in BLOCKS if "curl " in block.text) > 40


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


BACKENDS_FILES = [block for block in BLOCKS if block.language == "yaml" and block.text.startswith("backends:")]


@pytest.mark.parametrize("block", BACKENDS_FILES, ids=lambda block: block.place)
def test_a_backends_file_that_is_shown_is_read_without_a_warning(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "backends.yaml"
    file.write_text(block.text)
    fleet, warnings = read_backends_file(file, dict.fromkeys(re.findall(r"\$\{(\w+)", block.text), "any"))
    assert fleet.backends
    assert warnings == []


def test_backends_files_are_shown() -> None:
    assert len(BACKENDS_FILES) > 10
