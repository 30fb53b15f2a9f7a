"""From the text of a setting to addresses: of Redis servers, with the passwords in them, and of networks.

As in `setting_values`, no message quotes a value.
"""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BeforeValidator, SecretStr

from gateway.setting_values import split_list
from gateway.settings_text import SettingKind

CACHE_IN_MEMORY = "memory://"
REDIS_SCHEMES = frozenset({"redis", "rediss"})

_REDIS_PATH = re.compile(r"/?|/[0-9]{1,4}")

type Network = IPv4Network | IPv6Network


def read_cache_url(text: str) -> SecretStr:
    """Read where answers are kept: `memory://`, or a Redis server with the password it may want."""
    if text.lower() == CACHE_IN_MEMORY:
        return SecretStr(CACHE_IN_MEMORY)
    return _read_redis(text, "is neither memory:// nor starts with redis:// or rediss://")


def read_redis_url(text: str) -> SecretStr:
    """Read the address of a Redis server, with the password it may want."""
    return _read_redis(text, "does not start with redis:// or rediss://")


def _read_redis(text: str, other_scheme: str) -> SecretStr:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("holds a blank, a control character or one outside ASCII")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if url.scheme not in REDIS_SCHEMES:
        raise ValueError(other_scheme)
    if not url.hostname or port == 0:
        raise ValueError("names port 0" if url.hostname else "names no host")
    if not _REDIS_PATH.fullmatch(url.path) or url.query or url.fragment:
        raise ValueError("has more after the host than the number of a database")
    return SecretStr(text)


def passwords_in(text: str) -> list[str]:
    """Return the password of a URL, as it stands there and decoded; nothing where there is none."""
    url = _split(text)
    return list(dict.fromkeys([url.password, unquote(url.password)])) if url and url.password else []


def _split(text: str) -> SplitResult | None:
    try:
        return urlsplit(text)
    except ValueError:
        return None


def read_networks(text: str) -> tuple[Network, ...]:
    """Read a comma list of networks; an address alone is a network of one."""
    return tuple(_read_network(item) for item in split_list(text))


def _read_network(item: str) -> Network:
    try:
        return ip_network(item)
    except ValueError:
        pass
    try:
        ip_network(item, strict=False)
    except ValueError:
        raise ValueError("holds an entry that is neither an address nor a network") from None
    raise ValueError("holds a network whose address has bits set behind its prefix")


_REDIS = "an address such as redis://user:password@host:6379/0 (rediss:// with TLS)"

CacheUrl = Annotated[SecretStr | None, BeforeValidator(read_cache_url), SettingKind("secret", f"memory:// or {_REDIS}")]
RedisUrl = Annotated[SecretStr | None, BeforeValidator(read_redis_url), SettingKind("secret", _REDIS)]
Networks = Annotated[
    tuple[Network, ...],
    BeforeValidator(read_networks),
    SettingKind("comma list", "addresses and networks such as 10.0.0.7 or 10.1.0.0/16, separated by commas"),
]
