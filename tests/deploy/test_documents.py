"""What tools say of documents and examples: docstrings, spelling, scripts, the form of files."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.files import ROOT, blocks, documents, named, prose

pytestmark = pytest.mark.deploy

DOCUMENTED = ["gateway", "benchmarks", "docker", "examples", ".github", "setup.py"]
WRITTEN = (".cfg", ".css", ".html", ".md", ".mjs", ".py", ".sh", ".toml", ".yaml", ".yml", ".example", ".service")

WORDS = ROOT / "tests" / "documents" / "words.txt"
"""Words that documents have and the dictionary does not: one a line, in order."""


def judge(name: str, *arguments: str | Path, said: str | None = None) -> None:
    """Run a program that must have nothing to say against what it is given."""
    program = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, input=said, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr


def written() -> list[str]:
    """Return the files that people write and read: those that git knows, beside what others made."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        return [named(document) for document in documents()]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name.endswith(WRITTEN) and "/vendored/" not in name]


def test_every_public_class_and_function_has_a_docstring() -> None:
    judge("interrogate", "--config", "pyproject.toml", "--quiet", *DOCUMENTED)


def test_everything_is_spelled_right() -> None:
    files = written()
    assert {"README.md", "docs/configuration.md"} <= set(files)
    judge("codespell", *files)


def test_every_word_of_a_document_is_in_a_dictionary_or_listed() -> None:
    known = set(WORDS.read_text(encoding="utf-8").split())
    english = pytest.importorskip("spellchecker").SpellChecker()
    written: dict[str, str] = {}
    for document in documents():
        # Names in capitals, parts of paths and of names with digits are no words.
        for word in re.findall(r"(?<![\w./@#-])[A-Za-z][a-z]+(?![\w/@])", prose(document)):
            written.setdefault(word.lower(), named(document))
    assert len(written) > 2000
    assert {word: place for word, place in written.items() if word not in english and word not in known} == {}
    assert sorted(word for word in known if word in english) == []


def test_blocks_of_javascript_can_be_read() -> None:
    for document in documents():
        for block in blocks(document):
            if block.language == "js":
                judge("node", "--input-type=module", "--check", said=block.text)


def test_blocks_of_image_files_can_be_built() -> None:
    for document in documents():
        for block in blocks(document):
            if block.language == "dockerfile":
                judge("hadolint", "--failure-threshold", "error", "-", said=block.text)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.mjs")), ids=lambda path: path.name)
def test_an_example_in_javascript_can_be_read(path: Path) -> None:
    judge("node", "--check", path)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.sh")), ids=lambda path: path.name)
def test_a_script_among_the_examples_can_be_read(path: Path) -> None:
    judge("sh", "-n", path)


def test_the_compose_file_among_the_examples_fits_the_schema() -> None:
    judge("check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "examples" / "compose" / "compose.yaml")
