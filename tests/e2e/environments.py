"""The clients' packages in other versions than the development environment's, each installed once into a cache."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.e2e.processes import ROOT

CACHE = ROOT / ".e2e_cache"

OLDER_OLLAMA = {
    "0.3.3": frozenset({"function tools", "capabilities", "create_blob", "think", "dimensions", "logprobs", "close"}),
    "0.4.9": frozenset({"modelfile", "think", "dimensions", "logprobs", "close"}),
    "0.5.4": frozenset({"modelfile", "logprobs", "close"}),
}
"""Versions of the Python SDK, and the features of the cases that each does not have."""
NEWEST_OLLAMA_LACKS = frozenset({"modelfile"})
OLLAMA_JS = "0.6.4"
PYTHON_CLIENTS = {
    "langchain-ollama": {"langchain-ollama": "1.1.0", "langchain-openai": "1.7.4", "numpy": "2.5.5"},
    "litellm": {"litellm": "1.106.2", "mcp": "2.3.0"},
    "llama-index-llms-ollama": {"llama-index-llms-ollama": "0.11.0", "llama-index-embeddings-ollama": "0.10.0"},
    "llm-ollama": {"llm-ollama": "0.19.1"},
}
"""Clients that others wrote in Python, each with the packages it is used with."""
NPM_CLIENTS = {
    "@langchain/ollama": {"@langchain/ollama": "1.3.0", "@langchain/core": "1.2.13"},
    "ollama-ai-provider-v2": {
        "ollama-ai-provider-v2": "3.6.0",
        "ai": "6.0.326",
        "@ai-sdk/openai-compatible": "2.0.92",
        "zod": "4.4.3",
    },
}
"""Clients that others wrote for node, each with the packages it is used with."""
OLDEST_NODE = 20
"""What the clients for node want."""
_UNREACHABLE = re.compile(
    r"ENOTFOUND|ETIMEDOUT|ECONNREFUSED|ECONNRESET|EAI_AGAIN|ENETUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT|"
    r"SELF_SIGNED_CERT_IN_CHAIN|CERTIFICATE_VERIFY_FAILED|Failed to establish a new connection|"
    r"Temporary failure in name resolution|Network is unreachable"
)
"""What npm and pip say when they reach nobody."""
_out_of_reach: dict[str, str] = {}
"""By program, why it cannot install anything here."""


def python_with_ollama(version: str) -> Path:
    """The interpreter of an environment with this version of the `ollama` package; made when it is not there."""
    return python_with({"ollama": version})


def python_with(packages: Mapping[str, str]) -> Path:
    """The interpreter of an environment with these packages in these versions; made when it is not there."""
    python_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = _cache() / f"{_folder_name(packages)}-python{python_version}"
    python = folder / "bin" / "python"
    if _versions_in(python, packages) != list(packages.values()):
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        # What is not imported need not be compiled: some of these have thousands of modules.
        wanted = [f"{name}=={version}" for name, version in packages.items()]
        _run([str(python), "-m", "pip", "install", "--quiet", "--no-compile", *wanted])
    return python


def node_module(version: str) -> Path:
    """The module file of npm's `ollama` in this version; installed when it is not there."""
    return node_with({"ollama": version}) / "ollama" / "dist" / "index.mjs"


def node_with(packages: Mapping[str, str], *, scripts: bool = True) -> Path:
    """The `node_modules` folder that has these packages in these versions; made when it is not there.

    Without `scripts` none of them runs what it wants to run when it is installed.
    """
    folder = _cache() / f"npm-{_folder_name(packages)}"
    modules = folder / "node_modules"
    if any(_npm_version_in(modules / name) != version for name, version in packages.items()):
        shutil.rmtree(folder, ignore_errors=True)
        how = [
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
            "--loglevel=error",
            *([] if scripts else ["--ignore-scripts"]),
        ]
        wanted = [f"{name}@{version}" for name, version in packages.items()]
        _run(["npm", "install", "--prefix", str(folder), *how, *wanted])
    return modules


def why_no_node() -> str | None:
    """Why the clients for node cannot run here; None where they can."""
    if not shutil.which("node") or not shutil.which("npm"):
        return f"needs node {OLDEST_NODE} or newer and npm"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        return f"needs node {OLDEST_NODE} or newer, this is {version}"
    return None


def _cache() -> Path:
    CACHE.mkdir(exist_ok=True)
    # It ignores itself, as the caches of other tools do: nobody has to know of it.
    (CACHE / ".gitignore").write_text("*\n")
    return CACHE


def _folder_name(packages: Mapping[str, str]) -> str:
    name, version = next(iter(packages.items()))
    return f"{name.removeprefix('@').replace('/', '-')}-{version}"


def _npm_version_in(module: Path) -> str | None:
    try:
        version: str = json.loads((module / "package.json").read_text("utf-8"))["version"]
    except (OSError, ValueError):
        return None
    return version


def _versions_in(python: Path, packages: Iterable[str]) -> list[str] | None:
    question = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    try:
        told = subprocess.run([python, "-c", question, *packages], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.split()


def _run(command: Sequence[str]) -> None:
    """Run what installs something. Skips the test where the registry cannot be reached; that is found out once."""
    if (why := _out_of_reach.get(Path(command[0]).name)) is not None:
        pytest.skip(why)
    # A PYTHONPATH of the caller would let pip find packages there and leave them out.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode and (sign := _UNREACHABLE.search(done.stdout)) is not None:
        why = _out_of_reach[Path(command[0]).name] = f"{Path(command[0]).name} cannot reach its registry: {sign[0]}"
        pytest.skip(why)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}")
