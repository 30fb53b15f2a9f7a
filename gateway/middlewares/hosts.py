"""Which Host headers a gateway on loopback takes: against web pages that point a name of theirs at this machine."""

import ipaddress
import re
import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

_LOCAL_SUFFIXES = (".localhost", ".local", ".internal")
_PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
_LONGEST_ADDRESS = 64
"""Of IPv6, with the name of an interface."""
_PORT = re.compile(r":[0-9]*\Z")


@lru_cache(maxsize=256)
def without_port(host: str) -> str:
    """Return the name or address of a Host header, in lower case, IPv6 without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return (host if host.count(":") > 1 else _PORT.sub("", host)).lower()


class LocalHosts:
    """The names and addresses that mean this machine or its network."""

    def __init__(self, machine: str | None = None) -> None:
        self._machine = (socket.gethostname() if machine is None else machine).lower()

    def has_address(self, host: str) -> bool:
        """Return whether `host` (without port) is an address that no foreign name stands for."""
        if len(host) > _LONGEST_ADDRESS:
            return False
        address, local = _address(host)
        return local or (address is not None and _is_own(address))

    def always_has(self, host: str) -> bool:
        """Return whether `host` (without port) means this machine whatever its interfaces are: by name, or loopback."""
        return self.has_name(host) or (len(host) <= _LONGEST_ADDRESS and _address(host)[1])

    def has_name(self, host: str) -> bool:
        """Return whether `host` (without port) is a name of this machine; no name at all counts."""
        return host in ("", "localhost", self._machine) or host.endswith(_LOCAL_SUFFIXES)


@lru_cache(maxsize=256)
def _address(host: str) -> tuple[IPv4Address | IPv6Address | None, bool]:
    """Return `host` as an address, None for a name, and whether it is one of this machine or of a private network.

    Kept, since every request has one, and nearly always the same.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None, False
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    local = address.is_loopback or address.is_unspecified
    return address, local or any(address in network for network in _PRIVATE_NETWORKS)


def _is_own(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an interface of this machine has `address`: only then can a socket be bound to it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
