"""The clients' packages in other versions than the development environment's, each installed once into a cache."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

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


def python_with_ollama(version: str) -> Path:
    """The interpreter of an environment with this version of the `ollama` package; made when it is not there."""
    python_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = _cache() / f"ollama-{version}-python{python_version}"
    python = folder / "bin" / "python"
    if _version_in(python) != version:
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", f"ollama=={version}"])
    return python


def node_module(version: str) -> Path:
    """The module file of npm's `ollama` in this version; installed when it is not there."""
    folder = _cache() / f"ollama-js-{version}"
    module = folder / "node_modules" / "ollama" / "dist" / "index.mjs"
    if not module.exists():
        quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        _run(["npm", "install", "--prefix", str(folder), *quiet, f"ollama@{version}"])
    return module


def _cache() -> Path:
    CACHE.mkdir(exist_ok=True)
    # It ignores itself, as the caches of other tools do: nobody has to know of it.
    (CACHE / ".gitignore").write_text("*\n")
    return CACHE


def _version_in(python: Path) -> str | None:
    question = "from importlib.metadata import version; print(version('ollama'))"
    try:
        told = subprocess.run([python, "-c", question], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip()


def _run(command: Sequence[str]) -> None:
    # A PYTHONPATH of the caller would let pip find packages there and leave them out.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}")
