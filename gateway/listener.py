"""The listening socket: our own, or one that the service manager made and listens on for us."""

import asyncio
import errno
import os
import socket
import ssl
import struct
import sys
from array import array
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypedDict, Unpack

from yarl import URL

from gateway.config import Config, ConfigError, ListenConfig, Problem
from gateway.exposure import exposures

BACKLOG = 1024
HALF_OPEN_S = 0.05
"""How long connections that are just being made may take: longer than a way to a reverse proxy and back."""
HANDOVER_S = 1.0
"""How long the handshakes of connections that queued may take."""
FIRST_ACTIVATED = 3
"""The descriptor of the first socket that a service manager hands over (sd_listen_fds)."""

_ATTACH_FILTER = 26
_NO_SYN = ((0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFF_FFFF))
"""A classic BPF program: load the flags of TCP's header, keep SYN and ACK; SYN alone is dropped, all else passes."""

type ProtocolFactory = Callable[[], asyncio.Protocol]


class TlsOptions(TypedDict):
    """What the event loop is told of TLS for new connections; both None without it."""

    ssl: ssl.SSLContext | None
    ssl_handshake_timeout: float | None


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens. `activated`: it comes from the service manager, so that the settings do not know where.

    `shared`: it is one end of several, as a worker has it.
    """

    socket: socket.socket
    activated: bool = False
    shared: bool = False

    def close(self) -> None:
        """Close this process's end of it."""
        self.socket.close()

    def configured(self, config: Config) -> Config:
        """Return the configuration with the place where clients really come in, and what is to be said of that."""
        if not self.activated:
            return config
        host, port = self.socket.getsockname()[:2]
        listen = config.listen.model_copy(update={"host": host, "port": port})
        config = config.model_copy(update={"listen": listen})
        return config.model_copy(update={"warnings": tuple(dict.fromkeys([*config.warnings, *exposures(config)]))})


def open_listener(listen: ListenConfig, environ: Mapping[str, str]) -> Listener:
    """Return the socket that the service manager handed over, else a new one. Raises ConfigError."""
    count = _activated(environ)
    if count == 0:
        return Listener(listening_socket(listen))
    wanted = "one stream socket for IPv4 or IPv6, as ListenStream= of a socket unit makes it"
    if count != 1:
        raise ConfigError([Problem("LISTEN_FDS", f"says that {count} sockets were handed over", wanted)])
    return Listener(_adopted(FIRST_ACTIVATED, wanted), activated=True)


def _activated(environ: Mapping[str, str]) -> int:
    # The variables reach children too, for whom the sockets are not meant.
    count = environ.get("LISTEN_FDS", "")
    return int(count) if environ.get("LISTEN_PID") == str(os.getpid()) and count.isdecimal() else 0


def _adopted(number: int, wanted: str) -> socket.socket:
    try:
        found = socket.socket(fileno=number)
    except OSError as error:
        wrong = f"names descriptor {number}, which is no socket ({error.strerror})"
        raise ConfigError([Problem("LISTEN_FDS", wrong, wanted)]) from None
    listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) if hasattr(socket, "SO_ACCEPTCONN") else 1
    if found.family not in {socket.AF_INET, socket.AF_INET6} or found.type != socket.SOCK_STREAM or not listens:
        found.detach()
        raise ConfigError([Problem("LISTEN_FDS", f"names descriptor {number}, another kind of socket", wanted)])
    found.set_inheritable(False)
    found.setblocking(False)
    return found


def listening_socket(listen: ListenConfig) -> socket.socket:
    """Return a socket that listens. Raises ConfigError when the port is taken or the host is not ours.

    There is no `SO_REUSEPORT`: a second start on a used port must be an error, and workers share this one socket,
    because closing a socket of their own would reset the connections that queue on it.
    """
    try:
        # A name may have addresses of both families, and there is one socket: clients expect IPv4 behind "localhost".
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = min(found, key=lambda item: item[0] != socket.AF_INET)
        dual = family == socket.AF_INET6 and listen.host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=dual)
    except (OSError, UnicodeError) as error:
        raise ConfigError([_listening_problem(listen, error)]) from None


def _listening_problem(listen: ListenConfig, error: OSError | UnicodeError) -> Problem:
    where = f"port {listen.port} on {listen.host}"
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        right = "a free port: stop what uses this one (Ollama itself?), or choose another with PROXY_PORT or --port"
        return Problem("PROXY_PORT", f"{where} is in use", right)
    if number in {errno.EACCES, errno.EPERM}:
        right = "a port above 1023, or the right to use this one (PROXY_PORT or --port)"
        return Problem("PROXY_PORT", f"{where} is not allowed to this user", right)
    # asyncio's and socket's own words for it repeat the address; a resolver's number is no errno.
    known = number is not None and not isinstance(error, socket.gaierror)
    reason = os.strerror(number or 0) if known else getattr(error, "strerror", "not a host name")
    right = "a name or an address of this machine (PROXY_HOST or --host)"
    return Problem("PROXY_HOST", f"cannot listen at {where} ({reason})", right)


def address_of(listener: socket.socket, *, tls: bool = False) -> str:
    """Return the URL at which this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    if ip_address(host).is_unspecified:
        host = "::1" if listener.family == socket.AF_INET6 else "127.0.0.1"
    return str(URL.build(scheme="https" if tls else "http", host=host, port=port)).rstrip("/")


async def turn_away(listener: socket.socket) -> None:
    """Have new connections fail before they are made, soon: those that are being made come into the queue until then.

    Their clients ask for them again after a second, find nobody, and may go elsewhere; none has sent a request that
    nobody reads. Linux alone can, and elsewhere this does nothing. It holds for all ends of a socket.
    """
    if sys.platform != "linux":
        return
    program = array("B", b"".join(struct.pack("HBBI", *step) for step in _NO_SYN))
    # Where the system does not allow it, a connection that comes in the moment of closing is reset.
    with suppress(OSError):
        where, _ = program.buffer_info()
        listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(_NO_SYN), where))
        await asyncio.sleep(HALF_OPEN_S)


async def take_queued(listener: socket.socket, factory: ProtocolFactory, **tls: Unpack[TlsOptions]) -> None:
    """Close a socket that listens, and serve the connections that queue on it: their clients may have sent already."""
    loop = asyncio.get_running_loop()
    taken = [loop.connect_accepted_socket(factory, client, **tls) for client in _accepted_last(listener)]
    # One that has left meanwhile is none of the others' business.
    with suppress(TimeoutError):
        async with asyncio.timeout(HANDOVER_S):
            await asyncio.gather(*taken, return_exceptions=True)


def _accepted_last(listener: socket.socket) -> list[socket.socket]:
    """Accept all that queue, then close at once: whoever comes between the two is refused."""
    found: list[socket.socket] = []
    # An error: nobody is left, or there is no descriptor for another one.
    with listener, suppress(OSError):
        while len(found) < BACKLOG:
            found.append(listener.accept()[0])
    return found
