"""Keys of a file in a whole gateway: who gets in, what is passed on, what a reload changes, what the check says."""

import asyncio
from pathlib import Path

import pytest

from gateway.check import run_check, setting_rows
from gateway.cli import main
from gateway.config import Config
from gateway.settings_text import ConfigError
from tests.conftest import StartGateway
from tests.keys.made import key_of, written
from tests.support.answers import completion, plain
from tests.support.backend import ScriptedBackend
from tests.support.secrets import FILE_KEY
from tests.support.ways import V1

ADMIN = {"Authorization": "Bearer admin-key-of-this-test"}
CLIENT = {"Authorization": f"Bearer {FILE_KEY}"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with one key, "ci"."""
    return written(tmp_path / "keys.json", key_of(FILE_KEY, "ci"))


@pytest.fixture
def settings(path: Path) -> dict[str, str]:
    """The settings of a gateway with that file, of which a reload may be asked."""
    return {"KEYS_FILE": str(path), "ADMIN_KEY": "admin-key-of-this-test", "METRICS_PUBLIC": "true"}


async def test_a_key_of_the_file_lets_in_and_goes_nowhere_else(
    backend: ScriptedBackend, start: StartGateway, settings: dict[str, str]
) -> None:
    gateway = await start(**settings)
    backend.play(plain(completion()))
    assert (await gateway.ask(V1.path, V1.body, headers=CLIENT)).status == 200
    assert "Authorization" not in backend.calls[-1].headers
    assert FILE_KEY not in str(backend.calls[-1].headers)
    assert (await gateway.ask(V1.path, V1.body)).status == 401
    assert (await gateway.ask(V1.path, V1.body, headers={"x-api-key": "another"})).status == 401
    assert FILE_KEY not in gateway.log.getvalue().decode()


async def test_a_reload_lets_in_new_keys_and_shuts_out_revoked_ones(
    start: StartGateway, settings: dict[str, str], path: Path
) -> None:
    gateway = await start(**settings)
    new = {"x-api-key": "key-of-somebody-new"}
    assert (await gateway.ask("/api/tags", method="GET", headers=CLIENT)).status == 200
    assert (await gateway.ask("/api/tags", method="GET", headers=new)).status == 401
    written(path, key_of("key-of-somebody-new", "new"))
    assert (await gateway.ask("/admin/reload", headers=ADMIN)).status == 200
    assert (await gateway.ask("/api/tags", method="GET", headers=CLIENT)).status == 401
    assert (await gateway.ask("/api/tags", method="GET", headers=new)).status == 200


async def test_a_broken_file_is_refused_by_a_reload_and_the_old_keys_stay(
    start: StartGateway, settings: dict[str, str], path: Path
) -> None:
    gateway = await start(**settings)
    path.write_text('{"version": 1, "keys": [{"name": "half"}]}')
    reply = await gateway.ask("/admin/reload", headers=ADMIN)
    assert reply.status == 400
    assert 'keys[0].created (key "half") is missing' in reply.json["error"]["message"]
    assert (await gateway.ask("/api/tags", method="GET", headers=CLIENT)).status == 200


async def test_no_gateway_starts_with_a_file_that_is_broken_or_not_there(start: StartGateway, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("[]")
    for name, said in (("broken.json", "the file is wrong"), ("none.json", "there is no file")):
        with pytest.raises(ConfigError, match=said):
            await start(KEYS_FILE=str(tmp_path / name))


def test_the_check_refuses_a_broken_file_before_it_asks_anybody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "keys.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("KEYS_FILE", "keys.json")
    assert main(["check"]) == 2
    assert capsys.readouterr().err.startswith("ollama-openai-proxy: keys.json line 1: is not JSON")


def test_the_check_says_that_keys_of_a_file_are_wanted(path: Path) -> None:
    for settings, says in (
        ({}, "none: everybody may ask"),
        ({"API_KEYS": "a-key,b-key"}, "2"),
        ({"KEYS_FILE": str(path)}, f"those of {path}"),
        ({"KEYS_FILE": str(path), "API_KEYS": "a-key"}, f"1 and those of {path}"),
    ):
        assert ("client keys", says) in setting_rows(Config.from_mapping(settings))


async def test_the_check_warns_of_a_file_that_is_open_to_others(
    backend: ScriptedBackend, capsys: pytest.CaptureFixture[str], path: Path
) -> None:
    path.chmod(0o606)
    config = Config.from_mapping({"OPENAI_API_BASE_URL": backend.url, "KEYS_FILE": str(path)})
    await asyncio.to_thread(run_check, config)
    # A narrow terminal breaks the line.
    assert f"warning {path} may be changed by others" in " ".join(capsys.readouterr().out.split())
