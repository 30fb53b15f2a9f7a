"""Rows 20 and 21: bodies that are too much, and requests that are not one thing for everybody."""

import asyncio
import json
import re
from collections.abc import Iterable

from tests.faults.asking import SIX_WAYS, Outcome, Way
from tests.faults.bench import LONG_S, Bench, MemoryWatch, connected, response
from tests.faults.hostile import battery, bomb, large, nested
from tests.faults.judging import Verdict
from tests.faults.scorecard import Measured

MOST_GROWN_MB = 120.0
"""A few bodies of the largest size that is taken, and some room."""
_ROUTES = (SIX_WAYS[0], SIX_WAYS[1])
_HUGE_LINE_S = 60.0
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] \d{3} ")


async def too_much(bench: Bench) -> Measured:
    """Row 20: refused in the route's own words, with bounded memory; the next call is fine."""
    measured = Measured(20, "100 MB, deep JSON, zip bombs, endless lines", Verdict.PASS)
    size_bytes = bench.profile.body_bytes
    packed = await asyncio.to_thread(bomb, 2 * size_bytes)
    since = len(bench.backend.attempts)
    async with MemoryWatch(bench.pid, 0.02) as memory:
        for way in _ROUTES:
            await _expect(bench, measured, way, "a large body", 413, large(size_bytes))
            await _expect(bench, measured, way, "a large body in chunks", 413, large(size_bytes), "chunks")
            await _expect(bench, measured, way, "deep JSON", 400, [nested()])
            await _expect(bench, measured, way, "a zip bomb", 413, [packed], "gzip")
        if bench.backend.attempts[since:]:
            measured.notes.append("a refused body reached the backend")
        for way in SIX_WAYS:
            seen = await bench.asking.ask(way, f"alone-20-huge-line.{way.name}", _HUGE_LINE_S)
            if seen.outcome is not Outcome.ERROR:
                measured.notes.append(f"an endless line, {way.name}: {seen.outcome} {seen.why_broken()}")
    for way in SIX_WAYS:
        seen = await bench.asking.ask(way, f"00-fine.{way.name}", LONG_S)
        if seen.outcome is not Outcome.ANSWER:
            measured.notes.append(f"the next call, {way.name}: {seen.outcome} {seen.why_broken() or seen.error}")
    if memory.grown_mb > MOST_GROWN_MB:
        measured.notes.append(f"memory grew by {memory.grown_mb} MB")
    measured.numbers = {"body MB": size_bytes // 1_000_000, "MB grown": memory.grown_mb}
    measured.verdict = Verdict.FAIL if measured.notes else Verdict.PASS
    return measured


async def _expect(
    bench: Bench, measured: Measured, way: Way, what: str, wanted: int, pieces: Iterable[bytes], form: str = ""
) -> None:
    status, data = await _send(bench, way, list(pieces), form)
    body = data.partition(b"\r\n\r\n")[2]
    try:
        error = json.loads(body[: body.rindex(b"}") + 1])["error"]
    except (ValueError, KeyError, TypeError):
        error = None
    shaped = isinstance(error, dict) if way.v1 else isinstance(error, str)
    if status != wanted or not shaped:
        measured.notes.append(f"{what}, {way.path}: {status} {data[-120:]!r}")


async def _send(bench: Bench, way: Way, pieces: list[bytes], form: str) -> tuple[int, bytes]:
    """Send a body, until it is refused; return the answer."""
    reader, writer = await connected(bench.port)
    framing = "Transfer-Encoding: chunked" if form == "chunks" else f"Content-Length: {sum(map(len, pieces))}"
    lines = [f"POST {way.path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", "Connection: close"]
    lines += ["Content-Encoding: gzip"] if form == "gzip" else []
    writer.write("\r\n".join([*lines, framing, "", ""]).encode())
    answer = asyncio.create_task(response(reader))
    try:
        for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if form == "chunks" else piece)
            await writer.drain()
            if answer.done():
                break
        else:
            writer.write(b"0\r\n\r\n" if form == "chunks" else b"")
    except ConnectionError:
        pass  # refused while we were sending: the answer tells
    try:
        return await answer
    finally:
        writer.close()


async def smuggling(bench: Bench) -> Measured:
    """Row 21: each is refused and its connection closed; nothing reaches the backend."""
    measured = Measured(21, "request smuggling battery", Verdict.PASS)
    since = len(bench.backend.attempts)
    requests = battery(f"00-fine.{SIX_WAYS[0].name}")
    for what, data in requests.items():
        reader, writer = await connected(bench.port)
        writer.write(data)
        status, answer = await response(reader, 5.0)
        writer.close()
        if not 400 <= status < 500 or len(_STATUS_LINE.findall(answer)) > 1:
            measured.notes.append(f"{what}: {status} {answer[:60]!r}")
        if bench.backend.attempts[since:]:
            measured.notes.append(f"{what}: the backend was asked")
            since = len(bench.backend.attempts)
    seen = await bench.asking.ask(SIX_WAYS[0], f"00-fine.{SIX_WAYS[0].name}", LONG_S)
    if seen.outcome is not Outcome.ANSWER:
        measured.notes.append(f"the next call: {seen.outcome}")
    measured.numbers = {"requests": len(requests), "refused": len(requests) - len(measured.notes)}
    measured.verdict = Verdict.FAIL if measured.notes else Verdict.PASS
    return measured
