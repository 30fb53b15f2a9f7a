"""The listening socket: where it is, why it cannot be there, and one that a service manager hands over."""

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.certificate import Certificate
from gateway.config import Config, ConfigError, ListenConfig
from gateway.listener import Listener, address_of, listening_socket, open_listener, take_queued, turn_away
from tests.support.backend import LONG_S
from tests.support.certificates import FIRST


def listen_at(host: str, port: int) -> ListenConfig:
    return Config.from_mapping({"PROXY_HOST": host}).listen.model_copy(update={"port": port})


async def test_an_address_for_every_interface_is_named_as_this_machine_reaches_it() -> None:
    everywhere = "0.0.0.0"
    with closing(listening_socket(listen_at(everywhere, 0))) as listener:
        assert address_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_second_start_on_a_used_port_is_an_error_that_names_port_and_setting() -> None:
    with closing(listening_socket(listen_at("127.0.0.1", 0))) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            listening_socket(listen_at("127.0.0.1", port))
    (line,) = caught.value.lines
    assert line.startswith("PROXY_PORT: ")
    assert str(port) in line
    assert "in use" in line


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "a" * 70 + ".invalid", "..."])
def test_a_host_that_is_not_this_machine_is_an_error_that_names_it(host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        listening_socket(listen_at(host, 0))
    (line,) = caught.value.lines
    assert line.startswith("PROXY_HOST: ")
    assert host in line


# A socket of the service manager


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket as it is handed over: all the listener knows is its descriptor."""
    given = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr("gateway.listener.FIRST_ACTIVATED", given.fileno())
    yield given
    given.detach()


def environ(count: int = 1, pid: int | None = None) -> dict[str, str]:
    return {"LISTEN_FDS": str(count), "LISTEN_PID": str(os.getpid() if pid is None else pid)}


def test_a_socket_that_is_handed_over_is_taken_whatever_the_settings_say(handed_over: socket.socket) -> None:
    with closing(open_listener(listen_at("192.0.2.1", 9), environ())) as listener:
        assert listener.activated
        assert listener.socket.fileno() == handed_over.fileno()
        assert not listener.socket.get_inheritable()


def test_the_configuration_then_says_where_clients_really_come_in(handed_over: socket.socket) -> None:
    config = Config.from_mapping({"PROXY_HOST": "0.0.0.0", "OPENAI_API_BASE_URL": "http://127.0.0.1:9/v1"})
    with closing(open_listener(config.listen, environ())) as listener:
        there = listener.configured(config)
        assert (there.listen.host, there.listen.port) == handed_over.getsockname()
        assert Listener(listener.socket).configured(config) is config


def test_an_open_socket_that_is_handed_over_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.from_mapping(
        {"OPENAI_API_BASE_URL": "https://api.example.com/v1", "OPENAI_API_KEY": "sk-of-backend"}
    )
    assert not [warning for warning in config.warnings if "PROXY_HOST" in warning]
    with closing(listening_socket(listen_at("0.0.0.0", 0))) as everywhere:
        there = Listener(everywhere, activated=True).configured(config)
    assert [warning for warning in there.warnings if "PROXY_HOST" in warning]


@pytest.mark.parametrize(
    "variables", [environ(pid=1), environ(0), {"LISTEN_PID": str(os.getpid())}, {"LISTEN_FDS": "1"}]
)
def test_sockets_for_another_process_are_not_taken(handed_over: socket.socket, variables: dict[str, str]) -> None:
    with closing(open_listener(listen_at("127.0.0.1", 0), variables)) as listener:
        assert not listener.activated
        assert listener.socket.fileno() != handed_over.fileno()


def test_several_sockets_are_refused(handed_over: socket.socket) -> None:
    with pytest.raises(ConfigError, match="LISTEN_FDS: says that 2 sockets were handed over; expected one"):
        open_listener(listen_at("127.0.0.1", 0), environ(2))


def test_what_is_no_listening_socket_for_ip_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = socket.socketpair()
    try:
        monkeypatch.setattr("gateway.listener.FIRST_ACTIVATED", ends[0].fileno())
        with pytest.raises(ConfigError, match="another kind of socket"):
            open_listener(listen_at("127.0.0.1", 0), environ())
    finally:
        for end in ends:
            end.close()
    with pytest.raises(ConfigError, match="which is no socket"):
        open_listener(listen_at("127.0.0.1", 0), environ())


# The end


class Greeting(asyncio.Protocol):
    """Says hello and goes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


@pytest.mark.skipif(sys.platform == "win32", reason="it is not used there")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_connections_that_queue_are_taken_before_the_socket_is_closed(tls: bool, tmp_path: Path) -> None:
    listener = listening_socket(listen_at("127.0.0.1", 0))
    listener.setblocking(False)
    address = listener.getsockname()
    clients = [socket.create_connection(address) for _ in range(3)]
    certificate = Certificate.of(Config.from_mapping(FIRST.write(tmp_path)).listen) if tls else None
    async with asyncio.timeout(LONG_S), asyncio.TaskGroup() as tasks:
        said = [tasks.create_task(heard(client, tls=tls)) for client in clients]
        if certificate is None:
            await take_queued(listener, Greeting, ssl=None, ssl_handshake_timeout=None)
        else:
            await take_queued(listener, Greeting, ssl=certificate.context, ssl_handshake_timeout=LONG_S)
    assert [task.result() for task in said] == [b"hello"] * 3
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can")
async def test_who_is_turned_away_is_never_connected_and_who_was_connected_stays() -> None:
    listener = listening_socket(listen_at("127.0.0.1", 0))
    listener.setblocking(False)
    early = socket.create_connection(listener.getsockname())
    await turn_away(listener)
    with socket.socket() as late:
        late.setblocking(False)
        assert late.connect_ex(listener.getsockname()) == errno.EINPROGRESS
        async with asyncio.timeout(LONG_S), asyncio.TaskGroup() as tasks:
            said = tasks.create_task(heard(early, tls=False))
            await take_queued(listener, Greeting, ssl=None, ssl_handshake_timeout=None)
        assert said.result() == b"hello"
        # Nothing came to it: it is neither connected nor reset, and will ask again.
        assert late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        with pytest.raises(OSError, match="not connected"):
            late.getpeername()


async def heard(client: socket.socket, *, tls: bool) -> bytes:
    """Read all that a server says on a connection."""
    context, name = (FIRST.trusted(), "127.0.0.1") if tls else (None, None)
    reader, writer = await asyncio.open_connection(sock=client, ssl=context, server_hostname=name)
    try:
        return await reader.read()
    finally:
        writer.close()
