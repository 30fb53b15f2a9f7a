"""The certificate of the listener: read anew when its files change; open connections keep the one they have."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from gateway.config import ConfigError, ListenConfig, Problem
from gateway.telemetry.logging import get_logger

LOOK_EVERY_S = 5.0

_log = get_logger("certificate")

type Stamps = tuple[tuple[int, int, int] | None, ...]
"""What shows that a file changed: its time, its inode and its size; None where it is not there."""


class Certificate:
    """What the listener shows, from two PEM files. `context` belongs to the listener and stays the same object."""

    def __init__(self, cert_file: Path, key_file: Path) -> None:
        """Read the files. Raises ConfigError when they do not belong together or are no PEM files."""
        self._files = (cert_file, key_file)
        self._stamps = self._look()
        self.context = self._current = self._read()
        # Called for each new connection, whether the client names a host or not. What it sets replaces certificate
        # and key as one: a handshake never sees a new certificate with an old key.
        self.context.sni_callback = self._choose

    @classmethod
    def of(cls, listen: ListenConfig) -> "Certificate | None":
        """Return the configured one, None where clients speak plain HTTP. Raises ConfigError."""
        if listen.tls_cert_file is None or listen.tls_key_file is None:
            return None
        return cls(listen.tls_cert_file, listen.tls_key_file)

    def refresh(self) -> None:
        """Read the files anew if they have changed; what cannot be used is logged, and the old certificate stays."""
        stamps = self._look()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._current = self._read()
        except ConfigError as error:
            for line in error.lines:
                _log.error("new certificate refused, the old one stays", detail=line)
        else:
            _log.info("new certificate", file=str(self._files[0]))

    @asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        """Look after the files as long as the context is open."""
        task = asyncio.create_task(self._keep_fresh(), name="certificate")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.to_thread(self.refresh)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        if self._current is not self.context:
            connection.context = self._current

    def _read(self) -> ssl.SSLContext:
        cert_file, key_file = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            # Without this OpenSSL would ask for the password of an encrypted key, at a terminal that may not be there.
            context.load_cert_chain(cert_file, key_file, password=_no_password)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
            right = "a certificate (with its chain) and its private key without a password, both in PEM form"
            wrong = f"{cert_file} and {key_file} cannot be used ({reason})"
            raise ConfigError([Problem("TLS_CERT_FILE", wrong, right)]) from None
        return context

    def _look(self) -> Stamps:
        return tuple(_stamp(file) for file in self._files)


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
