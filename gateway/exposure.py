"""Settings that are legal and dangerous: one sentence each, said at the start."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config import Config

LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".svc")


def exposures(config: "Config") -> Iterator[str]:
    """Yield a warning for each setting that shows a key or a connection to others."""
    open_with_key = config.backend.api_key is not None and not config.access.api_keys
    if not config.backend.verify_tls:
        yield (
            "DISABLE_SSL_VERIFICATION=true: the certificate of the backend is NOT checked; "
            "whoever sits between can read and change everything, the key included"
        )
    origins = {"CORS_ORIGINS": config.access.cors_origins, "OLLAMA_ORIGINS": config.access.ollama_origins}
    for name, allowed in origins.items():
        if open_with_key and "*" in (allowed or ()):
            yield f"{name}=* without API_KEYS: any web page a user opens can spend your OPENAI_API_KEY"
    if open_with_key and not is_loopback(config.listen.host):
        yield "PROXY_HOST is open to other machines without API_KEYS: whoever reaches it can spend your OPENAI_API_KEY"
    url = config.backend.base_url
    if config.backend.api_key is not None and url is not None and url.scheme == "http" and not is_local(url.host or ""):
        yield "OPENAI_API_BASE_URL is plain http to another network: OPENAI_API_KEY travels unencrypted; use https"


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
