"""How the real servers are installed, as far as nothing need be fetched for it."""

import json
import sys
from pathlib import Path

import pytest

from tests.backends.real import debian, installs
from tests.backends.real.installs import UnavailableError, appearing, need, run
from tests.backends.real.servers import FAULTS, Server


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian, "CACHE", tmp_path / "cache")
    with pytest.raises(UnavailableError, match="apt-get and dpkg-deb not found"):
        debian.llama_server()
    with pytest.raises(UnavailableError, match="singer not found"):
        need("singer")


def test_a_server_on_path_is_taken_where_there_is_no_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / debian.PROGRAM
    own.write_text("")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert debian.llama_server().words == [str(own)]


def test_what_fails_tells_its_last_words() -> None:
    with pytest.raises(UnavailableError, match="failed: no such luck"):
        run([sys.executable, "-c", "import sys; sys.exit('no such luck')"])


def test_what_is_left_half_done_is_not_there(tmp_path: Path) -> None:
    wanted = tmp_path / "cache" / "thing"
    with pytest.raises(RuntimeError), appearing(wanted) as folder:
        (folder / "half").touch()
        raise RuntimeError
    assert list(wanted.parent.iterdir()) == []
    with appearing(wanted) as folder:
        (folder / "whole").touch()
    assert [path.name for path in wanted.iterdir()] == ["whole"]


def test_every_environment_has_a_lock_that_names_its_servers_version() -> None:
    for wanted in installs.REQUIREMENTS.glob("*.in"):
        server = wanted.read_text("utf-8").splitlines()[0].replace("[proxy]", "").replace("[serving]", "")
        assert server in wanted.with_suffix(".txt").read_text("utf-8").splitlines()


def test_a_server_is_an_entry_of_a_backends_file() -> None:
    assert Server("http://here/v1", profile="vllm").settings("main") == {
        "name": "main",
        "base_url": "http://here/v1",
        "profile": "vllm",
    }


def test_the_last_fixture_of_a_model_answers_every_time() -> None:
    fixtures = json.loads(FAULTS.read_text("utf-8"))["fixtures"]
    last = {fixture["match"]["model"]: fixture["match"] for fixture in fixtures}
    assert not [model for model, match in last.items() if "sequenceIndex" in match]
