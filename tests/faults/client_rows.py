"""Rows 17 to 19: clients that leave, that do not read, that do not send."""

import asyncio
import time
from collections.abc import Callable, Sequence
from statistics import median

from tests.faults.asking import LIVE_WAYS, SIX_WAYS, WAYS, Outcome, Way
from tests.faults.backend import Attempt
from tests.faults.bench import LONG_S, Bench, Connection, MemoryWatch, connected, request, response
from tests.faults.fleet import CLIENT_IDLE_S
from tests.faults.judging import FAR_BEYOND, Verdict
from tests.faults.scorecard import Measured

CLOSED_WITHIN_S = 0.25
NARROW = {
    "name": "narrow",
    "base_url": "http://127.0.0.1:PORT/narrow/v1",
    "models": ["*.narrow"],
    "profile": "generic",
    "limits": {"concurrency": 1},
}
"""A backend that takes one request at a time, so that the others wait."""
MOST_GROWN_MB = 64.0
SLOW_READERS = 12
GIVE_UP_S = 150.0
"""Twice as long as the longest deadline of the gateway, which is that for headers."""


async def leaving(bench: Bench) -> Measured:
    """Row 17: in every phase the backend's connection is closed, at once, and the leaving is counted."""
    measured = Measured(17, "client leaves, in every phase", Verdict.PASS)
    before = await bench.total("gateway_requests_total", status="499")
    delays: list[float] = []
    asked = 0
    for leave in (_before_the_request, _while_uploading, _while_queued):
        asked += await leave(bench, measured)
    for name, after_s in (("17-silent", 0.05), ("07-slow-first-token", 0.05), ("17-slow", 1.2 * bench.profile.scale)):
        found = await asyncio.gather(*(_leave(bench, way, f"{name}.{way.name}", after_s) for way in WAYS))
        delays += [delay for delay in found if delay is not None]
        asked += len(found)
        if None in found:
            measured.notes.append(f"{name}: the backend's connection stayed open, or was never made")
    asked += await _between_attempts(bench, measured)
    counted = await bench.settled("gateway_requests_total", before + asked, status="499") - before
    if counted != asked:
        measured.notes.append(f"{asked} left, {counted:g} were counted")
    if max(delays, default=0.0) > FAR_BEYOND * CLOSED_WITHIN_S:
        measured.notes.append("a backend's connection was closed late")
    measured.numbers = {
        "left": asked,
        "counted": int(counted),
        "median ms": round(1000 * median(delays), 1) if delays else None,
        "longest ms": round(1000 * max(delays), 1) if delays else None,
    }
    return _judged(measured)


def _judged(measured: Measured) -> Measured:
    if measured.notes:
        measured.verdict = Verdict.FAIL
    return measured


async def _before_the_request(bench: Bench, measured: Measured) -> int:
    """Leave before the headers are whole: that is no request, and is not counted."""
    since = len(bench.backend.attempts)
    for way in SIX_WAYS:
        whole = request(way, f"00-fine.{way.name}")
        for part in (b"", whole[:10], whole[: whole.index(b"\r\n\r\n") + 2]):
            _, writer = await connected(bench.port)
            writer.write(part)
            await writer.drain()
            writer.close()
    _expect_no_attempt(bench, since, measured, "before the request")
    return 0


async def _while_uploading(bench: Bench, measured: Measured) -> int:
    since = len(bench.backend.attempts)
    for way in SIX_WAYS:
        _, writer = await connected(bench.port)
        writer.write(request(way, f"00-fine.{way.name}")[:-20])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
    _expect_no_attempt(bench, since, measured, "while it uploaded")
    return len(SIX_WAYS)


async def _while_queued(bench: Bench, measured: Measured) -> int:
    """Leave while another request has the backend's only place."""
    _, holding = await connected(bench.port)
    holding.write(request(SIX_WAYS[0], "17-slow.narrow"))
    await _attempts(bench, "17-slow.narrow")
    since = len(bench.backend.attempts)
    waiting: list[Connection] = []
    for way in SIX_WAYS:
        waiting.append(await connected(bench.port))
        waiting[-1][1].write(request(way, "17-silent.narrow"))
    await asyncio.sleep(0.05)
    for _, writer in waiting:
        writer.close()
    await asyncio.sleep(0.05)
    holding.close()
    _expect_no_attempt(bench, since, measured, "while it waited for a place")
    return len(SIX_WAYS) + 1


async def _between_attempts(bench: Bench, measured: Measured) -> int:
    async def leave(way: Way) -> int:
        model = f"alone-17-slow-refusal.{way.name}"
        _, writer = await connected(bench.port)
        writer.write(request(way, model))
        await _attempts(bench, model)
        await asyncio.sleep(0.1)
        writer.close()
        await asyncio.sleep(1.5)
        return len(bench.backend.of(model))

    counts = await asyncio.gather(*map(leave, SIX_WAYS))
    if any(count != 1 for count in counts):
        measured.notes.append(f"asked again for a client that had left: {counts}")
    return len(SIX_WAYS)


def _expect_no_attempt(bench: Bench, since: int, measured: Measured, phase: str) -> None:
    if reached := [one.model for one in bench.backend.attempts[since:]]:
        measured.notes.append(f"a client left {phase}, and the backend was asked for {reached}")


async def _attempts(bench: Bench, model: str) -> list[Attempt]:
    """Wait until the backend was asked for a model."""
    async with asyncio.timeout(LONG_S):
        while not (found := bench.backend.of(model)):
            await asyncio.sleep(0.005)
    return found


async def _leave(bench: Bench, way: Way, model: str, after_s: float) -> float | None:
    """Ask and leave; return how long the backend's connection outlived the client's, None if for long."""
    _, writer = await connected(bench.port)
    writer.write(request(way, model, f"X-Gateway-Delivery: {way.delivery or 'whole'}"))
    (attempt, *_) = await _attempts(bench, model)
    await asyncio.sleep(after_s)
    left_s = time.monotonic()
    writer.close()
    while attempt.closed_s is None and time.monotonic() < left_s + LONG_S:
        await asyncio.sleep(0.002)
    return None if attempt.closed_s is None else attempt.closed_s - left_s


async def slow_readers(bench: Bench) -> Measured:
    """Row 18: clients that read a byte a second hold little memory, slow nobody down, and are ended at last."""
    measured = Measured(18, "client reads one byte a second", Verdict.PASS)
    since = len(bench.backend.attempts)
    async with MemoryWatch(bench.pid) as memory:
        readers = [await connected(bench.port, receive_bytes=4096) for _ in range(SLOW_READERS)]
        for number, (_, writer) in enumerate(readers):
            way = LIVE_WAYS[number % 3]
            writer.write(request(way, f"alone-18-flood.{way.name}", "X-Gateway-Delivery: live"))
        sipping = [asyncio.create_task(_sip([reader for reader, _ in readers]))]
        served = await _serve_others(bench, measured, lambda: _all_closed(bench.backend.attempts[since:], SLOW_READERS))
        sipping[0].cancel()
    await asyncio.gather(*sipping, return_exceptions=True)
    for _, writer in readers:
        writer.close()
    flooded = [one for one in bench.backend.attempts[since:] if "18-flood" in one.model]
    if not _all_closed(flooded, SLOW_READERS):
        measured.notes.append("a client that does not read was never ended")
    if memory.grown_mb > MOST_GROWN_MB:
        measured.notes.append(f"memory grew by {memory.grown_mb} MB")
    lasted = [one.closed_s - one.at_s for one in flooded if one.closed_s is not None]
    measured.numbers = {"readers": SLOW_READERS, "MB grown": memory.grown_mb, "others served": served}
    measured.numbers["ended after s"] = round(max(lasted, default=0.0), 1)
    return _judged(measured)


def _all_closed(attempts: Sequence[Attempt], wanted: int) -> bool:
    flooded = [one for one in attempts if "18-flood" in one.model]
    return len(flooded) == wanted and all(one.closed_s is not None for one in flooded)


async def _sip(readers: Sequence[asyncio.StreamReader]) -> None:
    while True:
        for reader in readers:
            await reader.read(1)
        await asyncio.sleep(1)


async def _serve_others(bench: Bench, measured: Measured, done: Callable[[], bool]) -> int:
    """Ask as a good client, again and again, until `done`, or for long; return how often it was served."""
    deadline_s = time.monotonic() + GIVE_UP_S
    served = 0
    while time.monotonic() < deadline_s and (not done() or served < 3):
        way = WAYS[served % len(WAYS)]
        seen = await bench.asking.ask(way, f"00-fine.{way.name}", LONG_S)
        if seen.outcome is not Outcome.ANSWER:
            measured.notes.append(f"another client was not served: {seen.outcome}, {seen.why_broken() or seen.error}")
            break
        served += 1
        await asyncio.sleep(0.1)
    return served


async def slow_senders(bench: Bench) -> Measured:
    """Row 19: clients that send a byte a second are cut off, headers and bodies; others are served."""
    measured = Measured(19, "client sends one byte a second", Verdict.PASS)
    since = len(bench.backend.attempts)
    senders = [asyncio.create_task(_send_slowly(bench, number)) for number in range(bench.profile.slow_senders)]
    async with MemoryWatch(bench.pid) as memory:
        served = await _serve_others(bench, measured, lambda: all(one.done() for one in senders))
    left = sum(not one.done() for one in senders)
    for one in senders:
        one.cancel()
    ended = await asyncio.gather(*senders, return_exceptions=True)
    if left:
        measured.notes.append(f"{left} of {len(senders)} were not cut off")
    if memory.grown_mb > MOST_GROWN_MB:
        measured.notes.append(f"memory grew by {memory.grown_mb} MB")
    if any("00-fine.slow" in one.model for one in bench.backend.attempts[since:]):
        measured.notes.append("half a request reached the backend")
    lasted = [one for one in ended if isinstance(one, float)]
    if max(lasted, default=0.0) > FAR_BEYOND * max(1.0, CLIENT_IDLE_S * bench.profile.scale):
        measured.notes.append(f"a client was cut off late, after {max(lasted):.1f} s")
    measured.numbers = {
        "senders": len(senders),
        "others served": served,
        "cut off after s": round(max(lasted, default=0.0), 1),
        "MB grown": memory.grown_mb,
    }
    return _judged(measured)


async def _send_slowly(bench: Bench, number: int) -> float:
    """Send the headers, or the body, byte by byte; return after how many seconds the gateway had enough."""
    way = SIX_WAYS[number % 6]
    whole = request(way, "00-fine.slow", "X-Filler: " + "x" * 200)
    start = 40 if number % 2 else whole.index(b"\r\n\r\n") + 4
    began_s = time.monotonic()
    reader, writer = await connected(bench.port)
    writer.write(whole[:start])
    ended = asyncio.create_task(response(reader, 2 * GIVE_UP_S))
    try:
        for at in range(start, len(whole) - 1):
            done, _ = await asyncio.wait([ended], timeout=1)
            if done:
                return time.monotonic() - began_s
            writer.write(whole[at : at + 1])
    finally:
        ended.cancel()
        writer.close()
    raise TimeoutError
