"""What is built and installed: the archives, and the locks. `tests/deploy` has what takes longer."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from gateway import __version__, _version

ROOT = Path(__file__).resolve().parent.parent
DESCRIPTION: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = DESCRIPTION["project"]
LOCKS: dict[str, list[str]] = {
    # With the client of Redis: what is installed from the lock can share its cache.
    "requirements.txt": PROJECT["dependencies"] + PROJECT["optional-dependencies"]["redis"],
    "requirements-dev.txt": PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"],
    "requirements-deploy.txt": DESCRIPTION["dependency-groups"]["deploy"],
}
"""Each lock, with what it must hold."""
COMMITTED = "2026-01-02T03:04:05+00:00"


class Pin(NamedTuple):
    """One entry of a lock."""

    version: Version
    marker: str
    hashes: int


def pins(lock: str) -> dict[str, Pin]:
    """Return the entries of a lock by normalised name."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / lock).read_text(encoding="utf-8"))
    found: dict[str, Pin] = {}
    for line in text.splitlines():
        if entry := line.partition("#")[0].strip():
            requirement, *hashes = entry.split(" --hash=sha256:")
            name, _, version = requirement.partition(";")[0].partition("==")
            name = name.partition("[")[0]
            found[canonicalize_name(name)] = Pin(Version(version), requirement.partition(";")[2].strip(), len(hashes))
    return found


def tree() -> set[str]:
    """Return the files of the package as they lie in the tree."""
    files = (path for path in (ROOT / "gateway").rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(ROOT).as_posix() for path in files}


def commit(folder: Path) -> str:
    """Make a folder a checkout of one commit and return its hash."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    at = {"GIT_AUTHOR_DATE": COMMITTED, "GIT_COMMITTER_DATE": COMMITTED, "TZ": "UTC",
          "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}  # fmt: skip
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org")
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "All")):
        subprocess.run((*git, *command), cwd=folder, env=own | at, check=True)
    told = subprocess.run((*git, "rev-parse", "HEAD"), cwd=folder, env=own, capture_output=True, text=True, check=True)
    return told.stdout.strip()


class Built(NamedTuple):
    """A source archive, the wheel built from it, and the commit both come from."""

    sdist: Path
    wheel: Path
    commit: str


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return what is built from a copy of the tree: a build leaves files behind."""
    source = tmp_path_factory.mktemp("source")
    for name in (
        "pyproject.toml",
        "setup.cfg",
        "setup.py",
        "MANIFEST.in",
        "CHANGELOG.md",
        PROJECT["readme"],
        "LICENSE",
    ):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "gateway", source / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    for foreign in ("tests", "config", "docs"):
        (source / foreign).mkdir()
        (source / foreign / "__init__.py").touch()
    (source / "tests" / "test_app.py").touch()
    committed = commit(source)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "built", "."]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,), (wheel,) = (source / "built").glob("*.tar.gz"), (source / "built").glob("*.whl")
    return Built(sdist, wheel, committed)


@pytest.fixture
def wheel(built: Built) -> Path:
    """Return the wheel alone."""
    return built.wheel


def read(wheel: Path, name: str) -> str:
    """Return the text of a file in the wheel's dist-info."""
    with ZipFile(wheel) as archive:
        (path,) = (path for path in archive.namelist() if path.endswith(f".dist-info/{name}"))
        return archive.read(path).decode()


def test_the_wheel_has_no_top_level_but_gateway(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert tops == {"gateway", f"ollama_openai_proxy-{__version__}.dist-info"}


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("gateway/")}
    assert packed == tree()
    assert "gateway/py.typed" in packed


def test_the_source_archive_has_the_package_what_builds_it_and_no_more(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        packed = {entry.name.partition("/")[2] for entry in archive if entry.isfile()}
    tops = {name for name in packed if not name.startswith(("gateway/", "ollama_openai_proxy.egg-info/"))}
    assert {name for name in packed if name.startswith("gateway/")} == tree()
    assert tops == {"CHANGELOG.md", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md",
                    "pyproject.toml", "setup.cfg", "setup.py"}  # fmt: skip


def test_a_build_writes_commit_and_date_which_the_source_archive_hands_on(built: Built) -> None:
    with ZipFile(built.wheel) as archive:
        names: dict[str, str] = {}
        exec(archive.read("gateway/_version.py"), names)  # noqa: S102 - our own module
    assert (names["__version__"], names["COMMIT"], names["COMMIT_DATE"]) == (__version__, built.commit, COMMITTED)


def test_the_tree_itself_names_no_commit() -> None:
    assert (_version.COMMIT, _version.COMMIT_DATE) == ("", "")


def test_every_folder_of_the_package_is_a_package() -> None:
    folders = {Path(name).parent for name in tree() if name.endswith(".py")}
    assert [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").is_file()] == []


def test_the_wheel_installs_the_command(wheel: Path) -> None:
    entry_points = ConfigParser()
    entry_points.read_string(read(wheel, "entry_points.txt"))
    assert dict(entry_points["console_scripts"]) == {"ollama-openai-proxy": "gateway.cli:main"}


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    metadata = read(wheel, "METADATA").splitlines()
    for line in ("Name: ollama-openai-proxy", f"Version: {__version__}", "Requires-Python: >=3.12"):
        assert line in metadata
    assert "License-Expression: MIT" in metadata
    assert "MIT License" in read(wheel, "licenses/LICENSE")


@pytest.mark.parametrize("name", ["codecs", "handlers", "middlewares"])
def test_no_package_of_ours_lies_at_the_root(name: str) -> None:
    assert (ROOT / "gateway" / name).is_dir()
    assert not (ROOT / name).exists()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_a_hash_for_every_version(lock: str) -> None:
    entries = pins(lock)
    assert entries
    assert [name for name, pin in entries.items() if pin.hashes == 0] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_neither_addresses_nor_paths_nor_options(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert re.findall(r"(?:^|[\s=@])(?:[/~]|\.\.?/)\S*", text) == []
    options = [line.strip() for line in text.splitlines() if line.strip().startswith("-")]
    assert [option for option in options if not re.fullmatch(r"--hash=sha256:[0-9a-f]{64}( \\)?", option)] == []


@pytest.mark.parametrize(("lock", "wanted"), LOCKS.items(), ids=LOCKS)
def test_a_lock_covers_what_the_project_asks_for(lock: str, wanted: list[str]) -> None:
    entries = pins(lock)
    asked = [Requirement(text) for text in wanted]
    missing = [str(one) for one in asked if (name := canonicalize_name(one.name)) not in entries
               or not one.specifier.contains(entries[name].version, prereleases=True)]  # fmt: skip
    assert missing == []


def test_the_development_lock_has_the_versions_of_the_other() -> None:
    development = pins("requirements-dev.txt")
    differing = {name: pin.version for name, pin in pins("requirements.txt").items() if development[name] != pin}
    assert differing == {}


def test_the_lock_of_the_deploy_tools_can_be_installed_over_the_development_lock() -> None:
    development = pins("requirements-dev.txt")
    both = {name: pin for name, pin in pins("requirements-deploy.txt").items() if name in development}
    assert both
    assert {name: pin.version for name, pin in both.items() if development[name].version != pin.version} == {}


def test_the_wheel_offers_the_extras_that_users_need_and_one_for_developers(wheel: Path) -> None:
    metadata = read(wheel, "METADATA")
    assert re.findall(r"^Provides-Extra: (.*)$", metadata, re.MULTILINE) == ["otel", "redis", "dev"]
    base = [Requirement(text) for text in re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)]
    needed = {canonicalize_name(one.name) for one in base if "extra" not in str(one.marker)}
    assert needed == {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}


def test_the_pinned_python_is_one_the_project_supports() -> None:
    pinned = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    assert f"Programming Language :: Python :: {pinned}" in PROJECT["classifiers"]
    assert PROJECT["requires-python"] == ">=3.12"
