"""What is said at the start of settings that are legal and dangerous."""

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
