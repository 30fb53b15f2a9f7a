import socket

import pytest

from gateway.exposure import is_loopback
from gateway.middlewares.hosts import LocalHosts, without_port


@pytest.mark.parametrize(("host", "loopback"), [
    ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("LOCALHOST", True),
    ("0.0.0.0", False), ("::", False), ("192.168.1.2", False), ("gateway.local", False), ("", False),
])  # fmt: skip
def test_loopback_addresses_are_known(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(("header", "host"), [
    ("localhost:11434", "localhost"), ("LocalHost", "localhost"), ("127.0.0.1:1", "127.0.0.1"), ("[::1]:1", "::1"),
    ("[::1]", "::1"), ("::1", "::1"), ("", ""), (":11434", ""), ("a.b:", "a.b"), ("a:b", "a:b"),
])  # fmt: skip
def test_the_port_of_a_host_header_is_stripped(header: str, host: str) -> None:
    assert without_port(header) == host


@pytest.mark.parametrize("address", [
    "127.0.0.1", "127.1.2.3", "::1", "0.0.0.0", "::", "10.1.2.3", "172.16.0.1", "192.168.0.9", "fd00::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1",
])  # fmt: skip
def test_loopback_private_and_unspecified_addresses_are_local(address: str) -> None:
    assert LocalHosts().has_address(address)


@pytest.mark.parametrize("address", ["203.0.113.7", "8.8.8.8", "2001:db8::1", "172.32.0.1", "localhost", "", "1.2.3"])
def test_other_addresses_and_names_are_no_local_addresses(address: str) -> None:
    assert not LocalHosts().has_address(address)


def test_an_address_of_this_machine_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket.socket, "bind", lambda _self, address: asked.append(address))
    assert LocalHosts().has_address("8.8.8.8")
    assert asked == [("8.8.8.8", 0)]


@pytest.mark.parametrize("name", ["", "localhost", "big-box", "app.localhost", "nas.local", "host.docker.internal"])
def test_local_names_are_known(name: str) -> None:
    assert LocalHosts("Big-Box").has_name(name)


@pytest.mark.parametrize("name", ["example.com", "localhost.example.com", "local", "notlocalhost", "big-box.com"])
def test_other_names_are_foreign(name: str) -> None:
    assert not LocalHosts("Big-Box").has_name(name)


def test_the_machines_own_name_is_looked_up() -> None:
    assert LocalHosts().has_name(socket.gethostname().lower())
