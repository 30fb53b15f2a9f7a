"""Settings that are addresses: of Redis servers, with the passwords in them, and of networks."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from gateway.config import Config, settings
from tests.refusals import SECRET, problem_of, problems_of


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CACHE_URL", "memory"),
        ("CACHE_URL", "http://127.0.0.1:6379"),
        ("CACHE_URL", "redis://"),
        ("CACHE_URL", "redis://:6379"),
        ("CACHE_URL", "redis://host:0"),
        ("CACHE_URL", "redis://host:99999"),
        ("CACHE_URL", "redis://host/name"),
        ("CACHE_URL", "redis://host/0/1"),
        ("CACHE_URL", "redis://host?db=1"),
        ("CACHE_URL", "redis://ho st"),
        ("CACHE_URL", "redis://[::1"),
        ("TRUSTED_PROXIES", "nginx"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("TRUSTED_PROXIES", "::1,10.0.0.1:80"),
        ("REDIS_URL", "memory://"),
        ("REDIS_URL", "http://127.0.0.1:6379"),
        ("REDIS_URL", "redis://host/name"),
    ],
)
def test_a_wrong_address_is_refused_in_one_line(name: str, value: str) -> None:
    (row,) = [row for row in settings() if row.name == name]
    assert problem_of(name, value).endswith(row.right)


@pytest.mark.parametrize("url", ["memory://", "MEMORY://", "redis://h", "redis://u:p@[::1]:1/3", "rediss://:p@h/"])
def test_where_the_cache_may_be(url: str) -> None:
    found = Config.from_mapping({"CACHE_URL": url}).cache.url
    assert found is not None
    assert found.get_secret_value() == ("memory://" if url.lower() == "memory://" else url)


@pytest.mark.parametrize("url", ["redis://h", "redis://u:p@[::1]:1/3", "rediss://:p@h/"])
def test_where_counts_may_be_shared(url: str) -> None:
    found = Config.from_mapping({"REDIS_URL": url}).access.redis_url
    assert found is not None
    assert found.get_secret_value() == url


@pytest.mark.parametrize("name", ["CACHE_URL", "REDIS_URL"])
def test_a_password_of_a_redis_server_in_the_wrong_setting_is_not_shown(tmp_path: Path, name: str) -> None:
    (tmp_path / "names.json").write_text(f'{{"{SECRET}": 1}}')
    given = {"MODEL_MAPPING_FILE": str(tmp_path / "names.json"), name: f"redis://:{SECRET}@127.0.0.1"}
    (line,) = problems_of(given)
    assert SECRET not in line


def test_proxies_are_addresses_and_networks_of_both_families() -> None:
    proxies = Config.from_mapping(
        {"TRUSTED_PROXIES": " 10.0.0.7, 192.168.0.0/16,,::1, fd00::/8 "}
    ).listen.trusted_proxies
    assert [str(network) for network in proxies] == ["10.0.0.7/32", "192.168.0.0/16", "::1/128", "fd00::/8"]
    among = {
        text: any(ip_address(text) in network for network in proxies) for text in ("10.0.0.7", "10.0.0.8", "fd12::1")
    }
    assert among == {"10.0.0.7": True, "10.0.0.8": False, "fd12::1": True}


@pytest.mark.parametrize(("text", "wrong"), [("10.0.0.1/8", "bits set"), ("proxy.example", "neither an address")])
def test_a_wrong_proxy_is_refused_with_the_reason(text: str, wrong: str) -> None:
    (line,) = problems_of({"TRUSTED_PROXIES": f"127.0.0.1,{text}"})
    assert wrong in line
    assert text not in line
