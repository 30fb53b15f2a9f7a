"""Backends files for tests: written, and read as a configuration."""

from pathlib import Path

import pytest

from gateway.config import Config, ConfigError

HEAD = "backends:\n- name: main\n  base_url: https://api.example.com/v1\n"
"""One backend in three lines; what a test adds begins on the fourth."""


def write(folder: Path, text: str | bytes, *, mode: int = 0o600) -> Path:
    path = folder / "backends.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def config_of(folder: Path, text: str, **settings: str) -> Config:
    return Config.from_mapping({"BACKENDS_FILE": str(write(folder, text)), **settings})


def problems_of(folder: Path, text: str | bytes, **settings: str) -> list[str]:
    """Return the lines of the error, without the folder."""
    with pytest.raises(ConfigError) as caught:
        Config.from_mapping({"BACKENDS_FILE": str(write(folder, text)), **settings})
    assert all(line.isprintable() and "; expected " in line for line in caught.value.lines)
    return [line.replace(f"{folder}/", "") for line in caught.value.lines]
