"""Prometheus as Debian builds it, unpacked into the tests' cache: nothing is installed and no service starts."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.environments import CACHE


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`; skips the test where there is none, and says why."""
    if found := shutil.which(name):
        return found
    folder = CACHE / "prometheus-debian"
    if not (folder / "usr" / "bin" / name).exists():
        _unpack(folder)
    return str(folder / "usr" / "bin" / name)


def _unpack(folder: Path) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        pytest.skip("prometheus is not installed, and there is no apt-get to fetch it with")
    folder.mkdir(parents=True, exist_ok=True)
    fetched = subprocess.run(["apt-get", "download", "prometheus"], cwd=folder, capture_output=True, text=True)
    packages = list(folder.glob("prometheus_*.deb"))
    if fetched.returncode or not packages:
        pytest.skip(f"prometheus cannot be fetched (apt-get install prometheus): {fetched.stderr.strip()}")
    subprocess.run(["dpkg-deb", "--extract", packages[0], folder], check=True)
    packages[0].unlink()
