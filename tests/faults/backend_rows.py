"""Rows 22, 26 and 27: what backends send, and where they are."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.faults.asking import SIX_WAYS, WAYS, Outcome, Seen, Way
from tests.faults.bench import LONG_S, Bench
from tests.faults.connection_faults import KEY_TOLD, PRIVATE_HEADERS
from tests.faults.judging import Verdict
from tests.faults.scorecard import Measured
from tests.test_backends_file import CERTIFICATE, PRIVATE_KEY

NOWHERE = {
    "name": "nowhere",
    "base_url": "http://no-such-host.invalid/v1",
    "models": ["*.nowhere"],
    "profile": "generic",
    "headers": {"X-Secret": KEY_TOLD},
}
UNTRUSTED = {
    "name": "untrusted",
    "base_url": "https://localhost:PORT/v1",
    "models": ["*.untrusted"],
    "profile": "generic",
    "headers": {"X-Secret": KEY_TOLD},
}
"""The port is that of `untrusted_server`, filled in before the gateway's backends file is written."""
_OWN_HEADERS = frozenset({"connection", "server", "access-control-allow-origin"})
"""Those that the gateway may have itself, with words of its own."""
REASONS: Mapping[str, tuple[str, ...]] = {
    "27-html": ("html",),
    "27-empty": ("empty",),
    "27-redirect": ("302", "redirect"),
}


@asynccontextmanager
async def untrusted_server(folder: Path) -> AsyncIterator[int]:
    """Listen with a certificate that nobody trusts, until the context closes; yield the port."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_text(CERTIFICATE)
    key.write_text(PRIVATE_KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def private_headers(bench: Bench) -> Measured:
    """Row 22: nothing of what is between the gateway and its backend reaches a client."""
    measured = Measured(22, "headers that must not pass", Verdict.PASS)
    private = dict(PRIVATE_HEADERS)
    for way in WAYS:
        seen = await bench.asking.ask(way, f"alone-22-headers.{way.name}", LONG_S)
        if seen.outcome is not Outcome.ANSWER:
            measured.notes.append(f"{way.name}: {seen.outcome} {seen.why_broken() or seen.error}")
        for name, value in private.items():
            passed = seen.headers.get(name)
            if passed is not None and (name.lower() not in _OWN_HEADERS or passed == value):
                measured.notes.append(f"{way.name}: {name}: {passed}")
    measured.numbers = {"headers": len(private), "ways": len(WAYS)}
    measured.verdict = Verdict.FAIL if measured.notes else Verdict.PASS
    return measured


async def odd_transport(bench: Bench) -> Measured:
    """Row 26: compression, split characters and closed connections are invisible to the client."""
    measured = Measured(26, "compressed, split at every byte, connections closed between requests", Verdict.PASS)

    async def ask(fault: str, way: Way) -> None:
        seen = await _ask(bench, way, f"alone-{fault}.{way.name}")
        if seen.outcome is not Outcome.ANSWER:
            measured.notes.append(f"{fault}, {way.name}: {seen.outcome} {seen.why_broken() or seen.error}")

    for fault, rounds in (("26-gzip", 2), ("26-bytes", 1), ("26-closing", 2), ("26-stale", 1)):
        for _ in range(rounds):
            await asyncio.gather(*(ask(fault, way) for way in WAYS))
    # The connections of that round are kept, and all of them are stale now: whoever asks next may meet any of them.
    for way in WAYS:
        await ask("26-stale", way)
    measured.numbers["calls"] = 7 * len(WAYS)
    measured.verdict = Verdict.FAIL if measured.notes else Verdict.PASS
    return measured


async def no_answers(bench: Bench) -> Measured:
    """Row 27: a clear 502 with the reason, and no secret in it."""
    measured = Measured(27, "no such name, wrong certificate, HTML, empty 200, 302", Verdict.PASS)

    async def ask(way: Way) -> None:
        for fault, words in REASONS.items():
            _expect_reason(measured, way, await _ask(bench, way, f"alone-{fault}.{way.name}"), fault, words)
        _expect_reason(measured, way, await _ask(bench, way, "alone-27-x.nowhere"), "no such name", ("resolved",))
        _expect_reason(measured, way, await _ask(bench, way, "alone-27-x.untrusted"), "TLS", ("certificate",))

    await asyncio.gather(*map(ask, SIX_WAYS))
    measured.numbers = {"calls": len(SIX_WAYS) * (len(REASONS) + 2)}
    measured.verdict = Verdict.FAIL if measured.notes else Verdict.PASS
    return measured


async def _ask(bench: Bench, way: Way, model: str) -> Seen:
    return await bench.asking.ask(way, model, LONG_S)


def _expect_reason(measured: Measured, way: Way, seen: Seen, what: str, words: tuple[str, ...]) -> None:
    said = f"{seen.error} {seen.problems} {dict(seen.headers)}"
    clear = any(word in seen.error.lower() for word in words)
    if seen.status != 502 or seen.outcome is not Outcome.ERROR or not clear:
        measured.notes.append(f"{what}, {way.name}: {seen.status} {seen.error!r} {seen.why_broken()}")
    if KEY_TOLD in said:
        measured.notes.append(f"{what}, {way.name}: a secret was told: {said}")


def with_port(backend: Mapping[str, Any], port: int) -> dict[str, Any]:
    """Return a backend with a port in its address."""
    return {**backend, "base_url": str(backend["base_url"]).replace("PORT", str(port))}
