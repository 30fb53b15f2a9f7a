"""What is written about the gateway is true of it: settings, commands, routes, packages, links."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gateway.backends_file import read_backends_file
from gateway.cli import demo_banner, parser
from gateway.config import Config, ConfigError, settings
from gateway.exchange import ROUTES
from tests.conftest import StartGateway
from tests.documents.files import ROOT, documents, links, without_code

SETTINGS = settings()
MACHINE_PATH = re.compile(r"(?<![\w.-])/(?:root|home/\w+|Users/\w+)/|\b[A-Z]:\\Users\\")
"""A path that only one machine has. The pattern does not match itself."""


def read(name: str) -> str:
    """Return the text of a file of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def project_files() -> list[Path]:
    """Return the files that belong to the project: those git knows, and new ones it would take."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def anchors(document: Path) -> set[str]:
    """Return what a link may name of a document: its headings, in lower case, with dashes between the words."""
    headings = re.findall(r"^#+ (.+)$", without_code(document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def table(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


class Described(NamedTuple):
    """A setting as docs/configuration.md has it; `default` is empty where it says "none"."""

    name: str
    type: str
    default: str
    example: str


def described() -> list[tuple[Described, str]]:
    """Return each section of docs/configuration.md about a setting, and the words of its own."""
    sections = re.findall(r"^### `(\w+)`\n\n(.*?)\n\n(.*?)(?=^#|\Z)", read("docs/configuration.md"), re.M | re.S)
    found: list[tuple[Described, str]] = []
    for name, facts, words in sections:
        parts = re.fullmatch(r"(.+?)\. Default: (?:none|`(\S+)`)\. Example: `(\w+)=(\S+)`\.", facts)
        assert parts is not None, f"{name}: {facts}"
        kind, default, assigned, example = parts.groups(default="")
        assert assigned == name
        found.append((Described(name, kind.lower(), default, example), words.strip()))
    return found


# Settings


def test_every_setting_is_described_with_its_type_default_and_example() -> None:
    expected = [Described(row.name, row.type.lower(), row.default, row.example) for row in SETTINGS]
    assert [facts for facts, _ in described()] == expected


def test_the_meaning_of_every_setting_is_said_in_a_sentence_of_its_own() -> None:
    assert [facts.name for facts, words in described() if len(words.split()) < 10 or not words.endswith(".")] == []


def test_it_is_said_of_every_setting_when_to_change_it() -> None:
    advice = re.compile(r"(?:^|[.;,:] |\n)(?:raise|lower|set|change)\s+(?:it|both|another|one|`)", re.IGNORECASE)
    assert [facts.name for facts, words in described() if not advice.search(words)] == []


def test_the_readme_shows_the_defaults_of_the_settings_it_lists() -> None:
    defaults = {row.name: row.default for row in SETTINGS}
    rows = {name.strip("`"): default for name, default, _ in table(read("README.md"), "Configure it")}
    assert {"OPENAI_API_BASE_URL", "OPENAI_API_KEY", "PROXY_HOST", "PROXY_PORT", "API_KEYS"} <= rows.keys()
    assert rows == {name: f"`{defaults[name]}`" if defaults[name] else "none" for name in rows}


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_document_assigns_no_setting_that_does_not_exist(document: Path) -> None:
    known = {row.name for row in SETTINGS} | {"ARGS", "BASE", "PYTHON"}
    assigned = re.findall(r"\b([A-Z][A-Z_]{2,})=", document.read_text(encoding="utf-8"))
    assert set(assigned) <= known


def tables(text: str, heading: str) -> list[set[str]]:
    """Return the first cells of each table below a heading, without their heads."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [
        set(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)) for rows in re.findall(r"(?:^\|.*\n)+", section, re.M)
    ]


def test_every_entry_of_the_backends_file_is_described(tmp_path: Path) -> None:
    file = tmp_path / "backends.yaml"
    file.write_text("backends: [{nobody: 1}]\nmodels: {m: {nobody: 1}}\n")
    with pytest.raises(ConfigError) as caught:
        read_backends_file(file, {})
    unknown = [str(problem) for problem in caught.value.problems if '"nobody"' in str(problem)]
    known = [set(text.partition("expected one of ")[2].split(", ")) for text in unknown]
    assert tables(read("docs/configuration.md"), "The backends file") == known


# Commands


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_document_names_no_command_that_does_not_exist(document: Path) -> None:
    known = set(re.findall(r"^    (\w+)  ", parser().format_help(), re.MULTILINE))
    assert {"check", "key"} <= known
    named = re.findall(r"python -m gateway ([a-z]+)", document.read_text(encoding="utf-8"))
    assert set(named) <= known


# README


def test_the_readme_begins_with_two_commands_that_make_knows() -> None:
    block = re.search(r"```sh\n(.*?)```", read("README.md"), re.DOTALL)
    assert block is not None
    assert re.findall(r"^make ([\w-]+)", block[1], re.MULTILINE) == ["run", "test"]
    targets = re.findall(r"^([a-z-]+):(?!=)", read("Makefile"), re.MULTILINE)
    assert {"run", "test"} <= set(targets)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_a_document_names_only_targets_that_make_knows(name: str) -> None:
    targets = re.findall(r"^([a-z-]+):(?!=)", read("Makefile"), re.MULTILINE)
    named = re.findall(r"(?:^|`)(?:\w+=\S+ )*make ([a-z][\w-]*)", read(name), re.MULTILINE)
    assert set(named) <= set(targets)


def test_contributing_names_every_target() -> None:
    declared = re.search(r"^\.PHONY: (.*)", read("Makefile"), re.MULTILINE)
    assert declared is not None
    rows = "".join(re.findall(r"^\| (.*?) \|", read("CONTRIBUTING.md"), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)`", rows)) == set(declared[1].split()) - {"help", "find-python"}


def test_the_readme_shows_what_the_demo_prints() -> None:
    banner = demo_banner("http://127.0.0.1:11434", Config.from_mapping({}))
    assert f"```text\n{banner}\n```" in read("README.md")


async def test_the_readme_names_every_route_and_no_other(start: StartGateway) -> None:
    gateway = await start(ADMIN_KEY="admin-secret-1")
    cells = " ".join(cell for _, endpoints, _ in table(read("README.md"), "Compatibility") for cell in [endpoints])
    named = {path.rpartition(" ")[2] for path in re.findall(r"`([^`]+)`", cells)} - {"GET", "HEAD"}
    served = {re.sub(r":[^}]+\}", "}", info.label) for info in gateway.app[ROUTES].values()}
    assert {path.replace("{id}", "{model}") for path in named} == served


def test_the_badges_say_what_the_package_says() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert f">{' | '.join(versions)}</text>" in read("docs/images/badge-python.svg")
    assert f">{project['license']}</text>" in read("docs/images/badge-licence.svg")


# ARCHITECTURE.md


def test_architecture_gives_a_reason_for_every_runtime_dependency_and_for_no_other() -> None:
    dependencies = tomllib.loads(read("pyproject.toml"))["project"]["dependencies"]
    rows = {name.strip("`"): reason for name, reason in table(read("ARCHITECTURE.md"), "Runtime dependencies")}
    assert set(rows) == {canonicalize_name(Requirement(text).name) for text in dependencies}
    assert all(rows.values())


def test_architecture_names_every_folder_and_module_at_the_top_of_the_package() -> None:
    tree = read("ARCHITECTURE.md").partition("```text\n")[2].partition("```")[0]
    folders = {path.parent.name for path in (ROOT / "gateway").glob("*/__init__.py")}
    assert set(re.findall(r"^  (\w+)/ ", tree, re.MULTILINE)) == folders
    modules = {path.name for path in (ROOT / "gateway").glob("*.py")} - {"__init__.py"}
    assert modules <= set(re.findall(r"\w+\.py\b", tree))


def test_architecture_names_only_files_that_exist() -> None:
    named = set(re.findall(r"[\w/]+\.py\b", read("ARCHITECTURE.md")))
    known = [path.as_posix() for folder in ("gateway", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in known)] == []


def test_architecture_names_only_what_the_source_has() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "gateway").rglob("*.py"))
    words = set(re.findall(r"\w+", source))
    quoted = re.findall(r"`([A-Za-z_][\w.]*)(?:\([^`]*\))?`", without_code(read("ARCHITECTURE.md")))
    names = {part for name in quoted if re.search(r"[A-Z][a-z]|_", name) for part in name.split(".")}
    assert {"Exchange", "Pool", "read_body"} <= names
    assert sorted(names - words) == []


# All documents


def relative_links() -> Iterator[tuple[Path, str]]:
    """Yield each link of a document that leads to another file, or to a heading."""
    for document in documents():
        for target in links(document):
            if not re.match(r"[a-z][a-z0-9+.-]*:", target):
                yield document, target


def test_every_relative_link_leads_somewhere() -> None:
    found = list(relative_links())
    broken: list[str] = []
    for document, target in found:
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(f"{document.name}: {target}")
    assert found
    assert broken == []


def test_every_document_can_be_reached_from_the_readme() -> None:
    led: dict[Path, set[Path]] = {}
    for document, target in relative_links():
        path = (document.parent / target.partition("#")[0]).resolve()
        led.setdefault(document, set()).add(path / "README.md" if path.is_dir() else path)
    reached, ahead = set[Path](), {ROOT / "README.md"}
    while ahead:
        reached |= ahead
        ahead = {target for document in ahead for target in led.get(document, set())} - reached
    assert [path.relative_to(ROOT).as_posix() for path in documents() if path not in reached] == []


def test_the_list_of_documents_names_each_of_them() -> None:
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)}
    there = {path for path in documents() if index.parent in path.parents} - {index}
    assert sorted(there - named) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    found: list[str] = []
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        lines = enumerate(text.splitlines(), 1)
        found += [f"{path.relative_to(ROOT)}:{number}" for number, line in lines if MACHINE_PATH.search(line)]
    assert found == []


def test_the_changelog_says_what_is_not_released_yet() -> None:
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", read("CHANGELOG.md"), re.MULTILINE | re.DOTALL)
    assert unreleased is not None
    assert re.search(r"^### Added\n\n- \S", unreleased[1], re.MULTILINE)
