"""Whose address a request comes from, and who is believed about it."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.admission import client_address
from gateway.admission.addresses import client_site

TRUSTED = tuple(ip_network(text) for text in ("10.0.0.0/8", "fd00::/8"))


def address(peer: str | None, headers: Mapping[str, str] | Sequence[tuple[str, str]] = (), trusted: bool = True) -> str:
    request = make_mocked_request("POST", "/api/chat", CIMultiDict(headers)).clone(remote=peer or "")
    return client_address(request, TRUSTED if trusted else ())


def test_without_trusted_proxies_the_connection_counts_whatever_headers_say() -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    assert address("10.0.0.1", headers, trusted=False) == "10.0.0.1"


def test_a_client_that_is_no_trusted_proxy_is_not_believed() -> None:
    assert address("198.51.100.1", {"X-Forwarded-For": "203.0.113.9"}) == "198.51.100.1"


def test_a_trusted_proxy_is_believed() -> None:
    assert address("10.0.0.1", {"X-Forwarded-For": "203.0.113.9"}) == "203.0.113.9"


def test_what_the_client_wrote_itself_stands_left_of_what_is_believed() -> None:
    assert address("10.0.0.1", {"X-Forwarded-For": "127.0.0.1, 10.9.9.9, 203.0.113.9"}) == "203.0.113.9"


def test_a_chain_of_trusted_proxies_leads_to_the_first_that_is_none() -> None:
    assert address("10.0.0.1", {"X-Forwarded-For": "1.1.1.1, 203.0.113.9, 10.2.2.2,10.3.3.3"}) == "203.0.113.9"


def test_several_lines_are_one_chain() -> None:
    lines = [("X-Forwarded-For", "1.1.1.1, 203.0.113.9"), ("X-Forwarded-For", "10.2.2.2")]
    assert address("10.0.0.1", lines) == "203.0.113.9"


def test_a_client_inside_the_trusted_networks_is_the_leftmost() -> None:
    assert address("10.0.0.1", {"X-Forwarded-For": "10.4.4.4, 10.3.3.3"}) == "10.4.4.4"


def test_a_proxy_that_says_nothing_is_the_client() -> None:
    assert address("10.0.0.1") == "10.0.0.1"
    assert address("10.0.0.1", {"X-Forwarded-For": ""}) == "10.0.0.1"


@pytest.mark.parametrize(
    "hop", ["unknown", "_hidden", "203.0.113", "203.0.113.9.9", "evil\x7f", "[::1", ":80", "[]:80"]
)
def test_a_hop_that_is_no_address_is_not_passed(hop: str) -> None:
    assert address("10.0.0.1", {"X-Forwarded-For": f"203.0.113.9, {hop}, 10.3.3.3"}) == "10.3.3.3"


@pytest.mark.parametrize(
    ("hop", "expected"),
    [
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("2001:DB8:0::9", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("[2001:db8::9]:4711", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_is_read_in_every_form_that_proxies_write(hop: str, expected: str) -> None:
    assert address("10.0.0.1", {"X-Forwarded-For": hop}) == expected
    assert address("10.0.0.1", {"Forwarded": f'for="{hop}"'}) == expected


@pytest.mark.parametrize("peer", ["::ffff:10.0.0.1", "fd00::1", "fd00::1%eth0"])
def test_a_trusted_proxy_is_known_in_every_form_of_its_address(peer: str) -> None:
    assert address(peer, {"X-Forwarded-For": "203.0.113.9"}) == "203.0.113.9"


@pytest.mark.parametrize(
    "forwarded",
    [
        "for=203.0.113.9",
        "For=203.0.113.9;proto=https;by=10.0.0.1",
        'proto=https; for="203.0.113.9:80"',
        "for=1.1.1.1, for=203.0.113.9, for=10.3.3.3;host=gateway.test",
    ],
)
def test_the_standard_header_is_read_where_there_is_no_other(forwarded: str) -> None:
    assert address("10.0.0.1", {"Forwarded": forwarded}) == "203.0.113.9"


@pytest.mark.parametrize(
    "forwarded",
    [
        "proto=https",
        "for=",
        "xfor=8.8.8.8",
        'host="a;for=8.8.8.8"',
        'host="a,for=8.8.8.8"',
        'host="a, for=8.8.8.8',
        ",",
        "x",
    ],
)
def test_an_element_without_an_address_is_not_passed(forwarded: str) -> None:
    assert address("10.0.0.1", {"Forwarded": f"for=1.1.1.1, {forwarded}"}) == "10.0.0.1"


def test_what_a_client_sent_and_a_proxy_quotes_is_no_element_of_its_own() -> None:
    forwarded = r'for=203.0.113.9;host="evil\",for=8.8.8.8";proto=http'
    assert address("10.0.0.1", {"Forwarded": forwarded}) == "203.0.113.9"


def test_two_headers_that_tell_one_client_are_believed() -> None:
    headers = {"X-Forwarded-For": "1.1.1.1, 203.0.113.9", "Forwarded": 'for="203.0.113.9"'}
    assert address("10.0.0.1", headers) == "203.0.113.9"


def test_two_headers_that_tell_two_clients_are_both_not_believed() -> None:
    assert address("10.0.0.1", {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=8.8.8.8"}) == "10.0.0.1"


@pytest.mark.parametrize("peer", [None, "", "@socket"])
def test_a_connection_without_an_address_has_none_to_believe_in(peer: str | None) -> None:
    assert address(peer, {"X-Forwarded-For": "203.0.113.9"}) == (peer or "")


def test_limits_count_a_whole_network_of_ipv6_as_one_client() -> None:
    assert client_site("2001:db8:1:2:aaaa::1") == client_site("2001:db8:1:2::2") == "2001:db8:1:2::/64"
    assert client_site("2001:db8:1:3::1") != client_site("2001:db8:1:2::1")
    assert (client_site("203.0.113.9"), client_site("::ffff:203.0.113.9")) == ("203.0.113.9", "203.0.113.9")
    assert (client_site(""), client_site("@socket")) == ("", "@socket")
