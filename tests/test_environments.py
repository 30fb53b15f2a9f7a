"""The templates of config/ and helm/values: settings that there are, in forms that are read, and the same in both."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import Config, settings
from gateway.exposure import exposures
from gateway.setting_sources import SECRET_SETTINGS, read_dotenv
from tests.e2e.processes import clean_environment, free_port

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((ROOT / "config").glob("*.env"))
FOR_OTHERS = ("staging", "production")
each_template = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file that the templates name, made as they say."""
    folder = tmp_path_factory.mktemp("configured")
    (folder / "config").mkdir()
    command = ["key", "create", "prometheus", "--models", "none", "--file", "config/keys.json"]
    subprocess.run([sys.executable, "-m", "gateway", *command], cwd=folder, env=clean_environment(), check=True)
    return folder


def values_of(name: str) -> dict[str, Any]:
    """Return the values of the chart for an environment."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "helm" / "values" / f"{name}.yaml").read_text(encoding="utf-8"))
    return values


def test_there_is_a_template_of_each_kind_for_each_environment() -> None:
    names = ["development", "production", "staging"]
    assert [path.stem for path in TEMPLATES] == names
    assert sorted(path.stem for path in (ROOT / "helm" / "values").glob("*.yaml")) == names


@each_template
def test_a_template_is_read_and_nothing_in_it_is_unknown(
    path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(keys)
    given = read_dotenv(path)
    assert given
    assert set(given) <= {row.name for row in settings()}
    config = Config.from_mapping(given)
    assert config.fleet.backends
    assert config.access.wants_key is (path.stem in FOR_OTHERS)


@pytest.mark.parametrize("name", FOR_OTHERS)
def test_what_is_for_others_has_nothing_to_be_warned_of(name: str, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(keys)
    given = read_dotenv(ROOT / "config" / f"{name}.env")
    config = Config.from_mapping(given | {"PROXY_HOST": "0.0.0.0", "OPENAI_API_KEY": "key-of-the-backend"})
    assert list(exposures(config)) == []


def test_production_does_not_start_before_there_are_keys(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes((ROOT / "config" / "production.env").read_bytes())
    environment = clean_environment(PROXY_PORT=str(free_port()), WORKERS="1")
    command = [sys.executable, "-m", "gateway"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "config/keys.json" in done.stderr


@each_template
def test_a_template_has_no_secret(path: Path) -> None:
    given = read_dotenv(path)
    assert {name: value for name, value in given.items() if name in SECRET_SETTINGS and value} == {}


@each_template
def test_the_chart_is_given_the_same(path: Path) -> None:
    values = values_of(path.stem)
    # These are the cluster's own affair there: addresses, files, and how many processes a pod has.
    elsewhere = {"OPENAI_API_KEY", "KEYS_FILE", "TRUSTED_PROXIES", "WORKERS"}
    told = {name: str(value).lower() for name, value in values["settings"].items() if name not in elsewhere}
    assert told == {name: value.lower() for name, value in read_dotenv(path).items() if name not in elsewhere}
    assert ("keysFile" in values) is (path.stem in FOR_OTHERS)
