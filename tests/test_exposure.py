"""What is said at the start of settings that are legal and dangerous."""

from pathlib import Path

import pytest

from gateway.config import Config
from tests.refusals import SECRET


def warnings_of(**mapping: str) -> list[str]:
    return list(Config.from_mapping(mapping).warnings)


def test_unchecked_certificates_are_warned_of_loudly() -> None:
    (warning,) = warnings_of(DISABLE_SSL_VERIFICATION="true")
    assert "NOT" in warning
    assert warnings_of(DISABLE_SSL_VERIFICATION="false") == []


def test_an_open_door_in_front_of_a_key_is_warned_of() -> None:
    (warning,) = warnings_of(CORS_ORIGINS="*", OPENAI_API_KEY=SECRET)
    assert "CORS_ORIGINS" in warning
    (warning,) = warnings_of(OLLAMA_ORIGINS="http://a.example,*", OPENAI_API_KEY=SECRET)
    assert "OLLAMA_ORIGINS" in warning
    (warning,) = warnings_of(PROXY_HOST="0.0.0.0", OPENAI_API_KEY=SECRET)
    assert "PROXY_HOST" in warning
    assert warnings_of(CORS_ORIGINS="*", PROXY_HOST="0.0.0.0", OPENAI_API_KEY=SECRET, API_KEYS="k") == []
    assert warnings_of(CORS_ORIGINS="*", PROXY_HOST="0.0.0.0", OPENAI_API_KEY=SECRET, KEYS_FILE="keys.json") == []
    assert warnings_of(CORS_ORIGINS="*", PROXY_HOST="0.0.0.0") == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST."])
def test_listening_on_loopback_is_no_open_door(host: str) -> None:
    assert warnings_of(PROXY_HOST=host, OPENAI_API_KEY=SECRET) == []


@pytest.mark.parametrize("url", ["http://api.example.com/v1", "http://8.8.8.8/v1"])
def test_a_key_over_plain_http_to_elsewhere_is_warned_of(url: str) -> None:
    (warning,) = warnings_of(OPENAI_API_BASE_URL=url, OPENAI_API_KEY=SECRET)
    assert "unencrypted" in warning
    assert warnings_of(OPENAI_API_BASE_URL=url) == []
    assert warnings_of(OPENAI_API_BASE_URL=url.replace("http:", "https:"), OPENAI_API_KEY=SECRET) == []


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]", "localhost", "10.0.0.7", "vllm", "host.docker.internal"])
def test_a_key_over_plain_http_nearby_is_not_warned_of(host: str) -> None:
    assert warnings_of(OPENAI_API_BASE_URL=f"http://{host}/v1", OPENAI_API_KEY=SECRET) == []


def test_an_admin_key_that_clients_have_is_warned_of() -> None:
    (warning,) = warnings_of(ADMIN_KEY=SECRET, API_KEYS=f"a,{SECRET}")
    assert "ADMIN_KEY" in warning
    assert SECRET not in warning
    assert warnings_of(ADMIN_KEY=SECRET, API_KEYS="a") == []
    assert warnings_of(ADMIN_KEY=SECRET) == []


# Backends of a file

NEAR = "base_url: 'http://10.0.0.7'"
FAR = "base_url: 'http://api.example.com'"


def file_warnings_of(folder: Path, *backends: str, **settings: str) -> list[str]:
    path = folder / "backends.yaml"
    listed = (f"{{name: b{number}, {fields}}}" for number, fields in enumerate(backends))
    path.write_text(f"backends: [{', '.join(listed)}]")
    return warnings_of(BACKENDS_FILE=str(path), MY_KEY=SECRET, **settings)


@pytest.mark.parametrize("key", ["api_key: '${MY_KEY}'", "headers: {x-api-key: '${MY_KEY}'}"])
def test_an_open_door_in_front_of_any_backend_with_a_key_is_warned_of(tmp_path: Path, key: str) -> None:
    (warning,) = file_warnings_of(tmp_path, NEAR, f"{NEAR}, {key}", PROXY_HOST="0.0.0.0")
    assert "PROXY_HOST" in warning
    (warning,) = file_warnings_of(tmp_path, NEAR, f"{NEAR}, {key}", CORS_ORIGINS="*")
    assert "CORS_ORIGINS" in warning
    assert file_warnings_of(tmp_path, NEAR, f"{NEAR}, {key}", PROXY_HOST="0.0.0.0", API_KEYS="k") == []
    assert file_warnings_of(tmp_path, NEAR, PROXY_HOST="0.0.0.0", OPENAI_API_KEY=SECRET) == []


def test_a_key_of_the_file_over_plain_http_to_elsewhere_is_warned_of_by_name(tmp_path: Path) -> None:
    (warning,) = file_warnings_of(tmp_path, FAR, f"{FAR}, api_key: '${{MY_KEY}}'", f"{NEAR}, api_key: '${{MY_KEY}}'")
    assert warning.startswith("backend b1: ")
    assert "unencrypted" in warning


def test_unchecked_certificates_are_warned_of_by_name(tmp_path: Path) -> None:
    (warning,) = file_warnings_of(tmp_path, NEAR, f"{NEAR}, tls: {{verify: false}}")
    assert warning.startswith("backend b1: ")
    assert "NOT" in warning
    (warning,) = file_warnings_of(tmp_path, NEAR, f"{NEAR}, tls: {{verify: true}}", DISABLE_SSL_VERIFICATION="true")
    assert warning.startswith("backend b0: ")


def test_passing_keys_on_that_are_the_gateways_own_is_warned_of(tmp_path: Path) -> None:
    (warning,) = file_warnings_of(tmp_path, f"{NEAR}, api_key: passthrough", API_KEYS="k")
    assert "passthrough and API_KEYS is set" in warning
    (warning,) = file_warnings_of(tmp_path, f"{NEAR}, api_key: passthrough", KEYS_FILE="keys.json")
    assert "passthrough and KEYS_FILE is set" in warning
    assert file_warnings_of(tmp_path, f"{NEAR}, api_key: passthrough") == []


@pytest.mark.parametrize("proxies", ["0.0.0.0/0", "10.0.0.1,::/0"])
def test_trusting_every_address_is_warned_of(proxies: str) -> None:
    (warning,) = warnings_of(TRUSTED_PROXIES=proxies)
    assert "TRUSTED_PROXIES" in warning
    assert warnings_of(TRUSTED_PROXIES="10.0.0.0/8", RATE_LIMIT_RPM="5") == []


def test_a_limit_on_an_open_address_without_proxies_is_none() -> None:
    assert warnings_of(PROXY_HOST="0.0.0.0", RATE_LIMIT_RPM="5") == []


@pytest.mark.parametrize("name", ["CACHE_URL", "REDIS_URL"])
def test_a_password_of_redis_over_the_open_network_is_warned_of(name: str) -> None:
    (warning,) = warnings_of(**{name: f"redis://:{SECRET}@redis.example.com"})
    assert name in warning
    assert SECRET not in warning
    for url in (f"rediss://:{SECRET}@redis.example.com", f"redis://:{SECRET}@10.0.0.7", "redis://redis.example.com"):
        assert warnings_of(**{name: url}) == []
