"""Whose address a request comes from: the connection's, or what reverse proxies that are trusted say of it."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import hdrs, web

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network

_FORWARDED_PAIR = re.compile(r"""\s*([^\s;,="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*(;|,|$)""")
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]+)?|([0-9.]+):[0-9]+")
_SITE_BYTES = 8
"""How much of an IPv6 address says whose it is: whoever has one has all that begin with the same 64 bits."""


def client_address(request: web.Request, trusted: Sequence[Network] = ()) -> str:
    """Return the client's address, in its shortest form; empty where the connection has none.

    `X-Forwarded-For`, or else `Forwarded`, is read from its right end for as long as `trusted` proxies wrote it: what
    a client writes there itself stands further left. Where the two headers tell two clients, neither is believed.
    """
    peer = request.remote or ""
    address = _parsed(peer) if trusted else None
    if address is None or not _is_in(address, trusted):
        return peer
    headers = request.headers
    said = {
        _nearest(address, hops, trusted)
        for hops in (
            _hops(headers.getall("X-Forwarded-For", ())),
            _forwarded_hops(headers.getall(hdrs.FORWARDED, ())),
        )
        if hops
    }
    return str(said.pop() if len(said) == 1 else address)


def client_site(address: str) -> str:
    """Return what limits count instead of an address: an IPv6 network of 64 bits, every other address itself."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return f"{IPv6Address(parsed.packed[:_SITE_BYTES].ljust(16, b'\0'))}/64"
    return address if parsed is None else str(parsed)


def _nearest(peer: Address, hops: Sequence[str], trusted: Sequence[Network]) -> Address:
    """Return the first address from the right that is no trusted proxy; the last one known where a hop is none."""
    known = peer
    for hop in reversed(hops):
        address = _parsed(hop)
        if address is None:
            return known
        known = address
        if not _is_in(address, trusted):
            return known
    return known


def _hops(lines: Iterable[str]) -> list[str]:
    return [hop.strip() for line in lines for hop in line.split(",")]


def _forwarded_hops(lines: Iterable[str]) -> list[str]:
    """Return the `for` of each element of a Forwarded header, empty where it has none (RFC 7239).

    A proxy may quote there what a client sent, commas included. One hop that is no address stands for what cannot be
    read.
    """
    text = ",".join(lines)
    hops, address, position = [], "", 0
    while position < len(text):
        pair = _FORWARDED_PAIR.match(text, position)
        if pair is None:
            return [""]
        if pair[1].lower() == "for":
            address = pair[3] if pair[2] is None else pair[2]
        if pair[4] != ";":
            hops.append(address)
            address = ""
        position = pair.end()
    return [*hops, address] if address else hops


def _parsed(text: str) -> Address | None:
    """Return an address as proxies write it: alone, with a port, in brackets; IPv4 inside IPv6 becomes IPv4."""
    if (found := _WITH_PORT.fullmatch(text)) is not None:
        text = found[1] or found[2] or ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
