"""The settings about clients: where they reach us, how much of us they get, who may ask."""

from pathlib import Path

import pytest

from gateway.config import Config, ConfigError
from tests.refusals import problems_of


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Return the two settings of TLS, with files that exist; what is in them matters to the listener alone."""
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).touch()
    return {"TLS_CERT_FILE": str(tmp_path / "tls.crt"), "TLS_KEY_FILE": str(tmp_path / "tls.key")}


def test_https_wants_a_certificate_and_its_key(files: dict[str, str]) -> None:
    listen = Config.from_mapping(files).listen
    assert listen.tls
    assert {"TLS_CERT_FILE": str(listen.tls_cert_file), "TLS_KEY_FILE": str(listen.tls_key_file)} == files


@pytest.mark.parametrize(("kept", "missing"), [("TLS_CERT_FILE", "TLS_KEY_FILE"), ("TLS_KEY_FILE", "TLS_CERT_FILE")])
def test_one_of_them_alone_is_refused_and_the_missing_one_named(files: dict[str, str], kept: str, missing: str) -> None:
    (line,) = problems_of({kept: files[kept], missing: " "})
    assert line.startswith(f"{missing}: is not set, and {kept} is; expected a PEM file")


@pytest.mark.parametrize("name", ["TLS_CERT_FILE", "TLS_KEY_FILE"])
@pytest.mark.parametrize(
    ("path", "words"), [("none", "does not exist"), ("", "cannot be read"), ("a\0b", "control character")]
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(
    files: dict[str, str], tmp_path: Path, name: str, path: str, words: str
) -> None:
    (line,) = problems_of({**files, name: f"{tmp_path}/{path}"})
    assert line.startswith(f"{name}: ")
    assert words in line


def test_reading_again_notices_that_a_certificate_is_gone(files: dict[str, str]) -> None:
    config = Config.from_mapping(files)
    Path(files["TLS_CERT_FILE"]).unlink()
    with pytest.raises(ConfigError, match="TLS_CERT_FILE: names a file that does not exist"):
        config.reread()


def test_the_file_of_keys_need_not_exist_yet() -> None:
    access = Config.from_mapping({"KEYS_FILE": "/no/such/keys.json"}).access
    assert (access.keys_file, access.wants_key) == (Path("/no/such/keys.json"), True)


@pytest.mark.parametrize("settings", [{"API_KEYS": "k"}, {"KEYS_FILE": "keys.json"}])
def test_where_clients_show_keys_of_ours_none_is_passed_on(settings: dict[str, str]) -> None:
    config = Config.from_mapping({"OPENAI_API_BASE_URL": "http://127.0.0.1:1/v1", **settings})
    assert config.access.wants_key
    assert not config.fleet.backends[0].pass_client_key


def test_workers_are_a_number_or_as_many_as_there_are_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.setting_values.usable_cpus", lambda: 12)
    assert [Config.from_mapping({"WORKERS": text}).listen.workers for text in ("3", "auto", "AUTO")] == [3, 12, 12]


@pytest.mark.parametrize("word", ["live", "GUARDED", "whole"])
def test_the_delivery_is_a_word_in_any_case(word: str) -> None:
    assert Config.from_mapping({"DELIVERY": word}).backend.delivery == word.lower()


def test_what_may_be_switched_off_with_zero() -> None:
    off = dict.fromkeys(("HEARTBEAT_INTERVAL", "MAX_CONCURRENT_REQUESTS", "MAX_QUEUE", "SHUTDOWN_GRACE"), "0")
    config = Config.from_mapping(off)
    assert (config.backend.heartbeat_interval_s, config.listen.shutdown_grace_s) == (0, 0)
    assert (config.listen.max_concurrent, config.listen.max_queue) == (0, 0)
