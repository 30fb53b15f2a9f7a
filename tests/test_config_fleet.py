"""Config.fleet: which backends there are without a file, and how a configuration is read again."""

from pathlib import Path

import pytest
from yarl import URL

from gateway.backend_settings import BackendSettings, Timeouts
from gateway.config import Config, ConfigError
from tests.refusals import SECRET


def main_backend(**settings: str) -> BackendSettings:
    (backend,) = Config.from_mapping({"OPENAI_API_BASE_URL": "http://127.0.0.1:1/v1/", **settings}).fleet.backends
    return backend


def test_without_an_address_there_are_no_backends() -> None:
    assert Config.from_mapping({"OPENAI_API_KEY": SECRET}).fleet.backends == ()


def test_the_one_backend_of_the_environment_is_called_main_and_serves_whatever_it_lists() -> None:
    backend = main_backend(OPENAI_API_KEY=SECRET, DISABLE_SSL_VERIFICATION="true")
    assert (backend.name, backend.base_url, backend.models) == ("main", URL("http://127.0.0.1:1/v1"), None)
    assert (backend.secrets(), backend.tls.verify, backend.profile) == ([SECRET], False, None)


def test_clients_keys_are_passed_on_where_neither_side_has_a_key() -> None:
    assert main_backend().pass_client_key
    assert not main_backend(OPENAI_API_KEY="k").pass_client_key
    assert not main_backend(API_KEYS="k").pass_client_key


def test_the_middle_clocks_are_those_of_silence_unless_they_are_set() -> None:
    assert main_backend(REQUEST_TIMEOUT="7").timeouts == Timeouts(connect_s=5, first_token_s=7, idle_s=7, total_s=600)
    named = main_backend(
        HEADERS_TIMEOUT="0.5", CONNECT_TIMEOUT="1", FIRST_TOKEN_TIMEOUT="2", IDLE_TIMEOUT="3", TOTAL_TIMEOUT="4"
    )
    assert named.timeouts == Timeouts(connect_s=1, headers_s=0.5, first_token_s=2, idle_s=3, total_s=4)


def test_another_backend_is_the_only_one_also_after_reading_again(tmp_path: Path) -> None:
    url = URL("http://127.0.0.1:2/v1")
    path = tmp_path / "backends.yaml"
    path.write_text(f"backends: [{{name: a, base_url: 'http://a', api_key: {SECRET}}}]")
    config = Config.from_mapping({"BACKENDS_FILE": str(path)}).for_backend(url)
    for one in (config, config.reread()):
        assert [(backend.name, backend.base_url) for backend in one.fleet.backends] == [("main", url)]
        assert (one.secrets(), one.fleet.backends[0].pass_client_key) == ([], False)


def test_reading_again_asks_for_the_settings_anew() -> None:
    found = {"DEFAULT_MODEL": "one"}
    config = Config.from_mapping(dict(found), reread=lambda: found)
    found["DEFAULT_MODEL"] = "two"
    assert (config.models.default_model, config.reread().models.default_model) == ("one", "two")
    found["DEFAULT_MODEL"] = "three"
    assert config.reread().reread().models.default_model == "three"
    found["PROXY_PORT"] = "none"
    with pytest.raises(ConfigError, match="PROXY_PORT"):
        config.reread()


def test_reading_again_without_more_ado_takes_the_same_settings() -> None:
    config = Config.from_mapping({"PROXY_PORT": "99"})
    assert config.reread() == config
    assert "reread" not in repr(config) + config.model_dump_json()


def test_another_backend_gets_no_key() -> None:
    config = Config.from_mapping({"OPENAI_API_KEY": SECRET, "PROXY_PORT": "99"}).for_backend(
        URL("http://127.0.0.1:1/v1")
    )
    url = URL("http://127.0.0.1:1/v1")
    assert (config.backend.base_url, config.backend.api_key, config.listen.port) == (url, None, 99)
    assert [(one.name, one.base_url, one.api_key) for one in config.fleet.backends] == [("main", url, None)]
