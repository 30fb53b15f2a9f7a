"""The pool for a Redis server that a setting names."""

import sys

import pytest

from gateway.redis_connections import redis_connections


@pytest.mark.parametrize("url", ["redis://host:not-a-port", "http://host", "elsewhere"])
def test_an_address_that_cannot_be_used_is_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="REDIS_URL is not an address of Redis") as error:
        redis_connections(url, "REDIS_URL")
    assert url not in str(error.value)


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ValueError, match=r"CACHE_URL needs the package redis: install ollama-openai-proxy\[redis\]"):
        redis_connections("redis://host", "CACHE_URL")
