"""Tells a service manager (systemd) that the program is ready, alive, stopping. Without a manager it tells nobody."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from gateway.telemetry.logging import get_logger

SEND_WITHIN_S = 0.5
"""How long a message may wait for room in the manager's queue, which is hardly ever full."""
PINGS_PER_TIMEOUT = 2


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Who started the process. `address` is that of a datagram socket; None: nobody who wants to know."""

    address: str | None = None
    watchdog_s: float | None = None
    """The longest silence after which the manager ends the process; None: it may be silent for ever."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "ServiceManager":
        """Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; what is not of their form counts as not set."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls()
        # An abstract socket has a zero byte where its written form has an @.
        return cls(address.replace("@", "\0", 1) if address[0] == "@" else address, _watchdog_s(environ))

    def ready(self, address: str) -> None:
        """Say that clients are served at that URL."""
        self._tell(f"READY=1\nSTATUS=Serving at {address}")

    def reloading(self) -> None:
        """Say that the configuration is read again; `ready` ends it. The main process stays the same throughout."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\nSTATUS=Reading the configuration again")

    def stopping(self, within_s: float) -> None:
        """Say that no new requests are taken, and how long the end may take."""
        self._tell(f"STOPPING=1\nSTATUS=Finishing the requests that run\nEXTEND_TIMEOUT_USEC={int(within_s * 1e6)}")

    @asynccontextmanager
    async def kept_informed(self, healthy: Callable[[], bool] = lambda: True) -> AsyncIterator[None]:
        """Show in time, as long as the context is open, that the event loop turns, while `healthy` says so."""
        if self.watchdog_s is None:
            yield
            return
        pings = asyncio.create_task(self._ping(self.watchdog_s / PINGS_PER_TIMEOUT, healthy), name="watchdog")
        try:
            yield
        finally:
            pings.cancel()
            with suppress(asyncio.CancelledError):
                await pings

    async def _ping(self, interval_s: float, healthy: Callable[[], bool]) -> None:
        while True:
            if healthy():
                self._tell("WATCHDOG=1")
            await asyncio.sleep(interval_s)

    def _tell(self, state: str) -> None:
        if self.address is None:
            return
        try:
            # A socket per message: the manager may have made its own anew.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(SEND_WITHIN_S)
                sender.sendto(state.encode(), self.address)
        except OSError as error:
            get_logger("gateway.notify").warning("service manager not reached", state=state, detail=str(error))


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    # The variables reach children too, of whom the manager expects nothing.
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    timeout_us = environ.get("WATCHDOG_USEC", "")
    return int(timeout_us) / 1e6 if timeout_us.isdecimal() and int(timeout_us) > 0 else None
