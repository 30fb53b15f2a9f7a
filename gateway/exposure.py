"""Settings that are legal and dangerous: one sentence each, said at the start."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from yarl import URL

if TYPE_CHECKING:
    from gateway.config import Config

_BETWEEN = "whoever sits between can read and change everything, the key included"
LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".svc")


def exposures(config: "Config") -> Iterator[str]:
    """Yield a warning for each setting that shows a key or a connection to others."""
    from_file = config.backend.backends_file is not None
    # Without a file, the key of the environment counts even where no backend uses it yet.
    key = any(one.has_key for one in config.fleet.backends) or (not from_file and config.backend.api_key is not None)
    yield from _of_the_listener(config, "the keys of your backends" if from_file else "your OPENAI_API_KEY", key=key)
    if from_file:
        yield from _of_backends(config)
        return
    if not config.backend.verify_tls:
        yield f"DISABLE_SSL_VERIFICATION=true: the certificate of the backend is NOT checked; {_BETWEEN}"
    url = config.backend.base_url
    if key and url is not None and _is_open(url):
        yield "OPENAI_API_BASE_URL is plain http to another network: OPENAI_API_KEY travels unencrypted; use https"


def _of_the_listener(config: "Config", keys: str, *, key: bool) -> Iterator[str]:
    # No warning for RATE_LIMIT_RPM without TRUSTED_PROXIES: behind a proxy it only makes the limit one that all share.
    open_with_key = key and not config.access.wants_key
    origins = {"CORS_ORIGINS": config.access.cors_origins, "OLLAMA_ORIGINS": config.access.ollama_origins}
    for name, allowed in origins.items():
        if open_with_key and "*" in (allowed or ()):
            yield f"{name}=* without API_KEYS: any web page a user opens can spend {keys}"
    if open_with_key and not is_loopback(config.listen.host):
        yield f"PROXY_HOST is open to other machines without API_KEYS: whoever reaches it can spend {keys}"
    if config.access.admin_key in config.access.api_keys:
        yield "ADMIN_KEY is one of API_KEYS: every client that has it can reload the backends; use another"
    if any(network.prefixlen == 0 for network in config.listen.trusted_proxies):
        yield "TRUSTED_PROXIES trusts every address: whoever asks can pass for any other, and escape limits"
    for name, url in {"CACHE_URL": config.cache.url, "REDIS_URL": config.access.redis_url}.items():
        if url is not None and _shows_a_password(url.get_secret_value()):
            yield f"{name} is redis:// to another network: its password travels unencrypted; use rediss://"


def _of_backends(config: "Config") -> Iterator[str]:
    """Yield what is to be said of the backends of a file, each by its name."""
    for backend in config.fleet.backends:
        name = f"backend {backend.name}"
        if not backend.tls.verify:
            yield f"{name}: its certificate is NOT checked; {_BETWEEN}"
        if backend.has_key and _is_open(backend.base_url):
            yield f"{name}: base_url is plain http to another network: its key travels unencrypted; use https"
        if backend.pass_client_key and config.access.wants_key:
            setting = "API_KEYS" if config.access.api_keys else "KEYS_FILE"
            yield f"{name}: api_key is passthrough and {setting} is set: clients' keys are ours then, and not passed on"


def _shows_a_password(text: str) -> bool:
    """Tell whether others may read the password of a Redis server on its way there."""
    url = urlsplit(text)
    return url.scheme == "redis" and bool(url.password) and not is_local(url.hostname or "")


def _is_open(url: URL) -> bool:
    """Tell whether others may read what travels to a URL."""
    return url.scheme == "http" and not is_local(url.host or "")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost")


def is_local(host: str) -> bool:
    """Tell whether a host is on this machine or in a private network (an address range, or a name only known there)."""
    try:
        address = ip_address(host)
    except ValueError:
        name = host.lower().rstrip(".")
        return "." not in name or name.endswith(LOCAL_SUFFIXES)
    return address.is_loopback or address.is_private or address.is_link_local
