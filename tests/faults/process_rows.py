"""Rows 23 to 25: stopping, storms, and what a process holds in the long run."""

import asyncio
import signal
import time

import psutil

from tests.faults.asking import LIVE_WAYS, SIX_WAYS, Outcome, Seen
from tests.faults.bench import LONG_S, MEGABYTE, Bench, Connection, MemoryWatch, anonymous_bytes, bench, connected
from tests.faults.fleet import CLIENT_IDLE_S
from tests.faults.judging import Verdict
from tests.faults.load import allow_many_files, at_a_rate, averaged, mixed_load, slope
from tests.faults.profiles import Profile
from tests.faults.scorecard import Measured

MOST_ATTEMPTS = 1.1
MOST_ANONYMOUS_MB = 150.0
MOST_MB_PER_MINUTE = 0.5
"""A slope of memory is one where its interval lies above this."""
_STREAM_S = 60.0
_BATCH = 200


def _judged(measured: Measured) -> Measured:
    if measured.notes:
        measured.verdict = Verdict.FAIL
    return measured


async def stopping(profile: Profile) -> Measured:
    """Row 23: SIGTERM lets every stream finish; replacing the workers breaks and refuses nothing."""
    measured = Measured(23, "SIGTERM with live streams; rolling restart under load", Verdict.PASS)
    async with bench(profile) as running:
        streams = await _open_streams(running, profile.live_streams)
        running.program.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(1.0)
        refused = await _is_refused(running)
        _note_streams(measured, await asyncio.gather(*streams), "SIGTERM")
        code = await asyncio.to_thread(running.program.process.wait, LONG_S)
        if code:
            measured.notes.append(f"exit code {code}")
        if not refused:
            measured.notes.append("a new connection was taken while it stopped")
    async with bench(profile, WORKERS="2") as running:
        asked = await _roll(running, measured, profile.live_streams)
    measured.numbers = {"streams": 2 * profile.live_streams, "other requests during the restart": asked}
    return _judged(measured)


async def _open_streams(running: Bench, count: int) -> list[asyncio.Task[Seen]]:
    """Begin streams and wait until the backend was asked for all of them."""
    ways = [LIVE_WAYS[number % 3] for number in range(count)]
    asks = [running.asking.ask(way, f"alone-23-drip.{way.name}", _STREAM_S) for way in ways]
    streams = [asyncio.create_task(ask) for ask in asks]
    async with asyncio.timeout(LONG_S):
        while len(running.backend.attempts) < count:
            await asyncio.sleep(0.01)
    return streams


def _note_streams(measured: Measured, seen: list[Seen], when: str) -> None:
    broken = [one.why_broken() or one.error or one.outcome for one in seen if one.outcome is not Outcome.ANSWER]
    if broken:
        measured.notes.append(f"{when}: {len(broken)} of {len(seen)} streams broken: {broken[0]}")


async def _is_refused(running: Bench) -> bool:
    """Tell whether a new connection gets nothing but a refusal."""
    seen = await running.asking.ask(SIX_WAYS[0], f"00-fine.{SIX_WAYS[0].name}", LONG_S)
    return bool(seen.problems) or seen.status == 503


async def _roll(running: Bench, measured: Measured, count: int) -> int:
    """Replace the workers under live streams and short requests; return how many of the latter there were."""
    before = _workers(running)
    streams = await _open_streams(running, count)
    short: list[asyncio.Task[Seen]] = []
    running.program.process.send_signal(signal.SIGHUP)
    while not all(stream.done() for stream in streams):
        way = SIX_WAYS[len(short) % 6]
        short.append(asyncio.create_task(running.asking.ask(way, f"00-fine.{way.name}", LONG_S)))
        await asyncio.sleep(0.05)
    _note_streams(measured, await asyncio.gather(*streams), "restart")
    _note_streams(measured, await asyncio.gather(*short), "restart, short requests")
    deadline_s = time.monotonic() + LONG_S
    while before & (after := _workers(running)) and time.monotonic() < deadline_s:
        await asyncio.sleep(0.1)
    if not before or before & after:
        measured.notes.append(f"the workers were not replaced: {before} and {after}")
    return len(short)


def _workers(running: Bench) -> set[int]:
    return {child.pid for child in psutil.Process(running.pid).children(recursive=True) if child.status() != "zombie"}


async def storm(profile: Profile) -> Measured:
    """Row 24: while the backend gives 503, it receives at most 1.1 times what was offered."""
    measured = Measured(24, "storm of requests while the backend gives 503", Verdict.PASS)
    way = SIX_WAYS[3]
    for name, model in (
        ("one model", lambda _: f"alone-24-storm.{way.name}"),
        ("many models", lambda number: f"alone-24-storm.{number % profile.storm_rps}.{way.name}"),
    ):
        # A gateway for each: one storm would leave the next what it did not use of its budget.
        async with bench(profile) as running:
            offered = await at_a_rate(running.url, way, model, profile.storm_rps, profile.storm_s / 2)
            attempts = len(running.backend.attempts)
            seen = await running.asking.ask(way, f"00-fine.{way.name}", LONG_S)
        ratio = attempts / offered.requests
        measured.numbers[f"attempts per request, {name}"] = round(ratio, 3)
        if ratio > MOST_ATTEMPTS:
            measured.notes.append(f"{name}: {ratio:.2f} attempts for each request")
        if odd := {status: count for status, count in offered.statuses.items() if status != 503}:
            measured.notes.append(f"{name}: other statuses than 503: {odd}")
        if seen.outcome is not Outcome.ANSWER:
            measured.notes.append(f"the next call: {seen.outcome} {seen.error}")
    measured.numbers |= {"requests a second": profile.storm_rps, "seconds": profile.storm_s}
    return _judged(measured)


async def endurance(profile: Profile) -> Measured:
    """Row 25: idle connections and a mixed load leave memory flat, and nothing open."""
    measured = Measured(25, "idle connections; mixed load and faults", Verdict.PASS)
    count = min(profile.idle_connections, allow_many_files(profile.idle_connections + 2000) - 1000)
    async with bench(profile, scale=0.1, CLIENT_IDLE_TIMEOUT=f"{CLIENT_IDLE_S:g}") as running:
        await mixed_load(running.asking, 1.0)
        files = psutil.Process(running.pid).num_fds()
        idle = await _open_idle(running, count)
        seen = await running.asking.ask(SIX_WAYS[0], f"00-fine.{SIX_WAYS[0].name}", LONG_S)
        if seen.outcome is not Outcome.ANSWER:
            measured.notes.append(f"a call beside the idle connections: {seen.outcome}")
        idle_mb = anonymous_bytes(running.pid) / MEGABYTE
        for _, writer in idle:
            writer.close()
        async with MemoryWatch(running.pid, 0.25) as memory:
            mixed = await mixed_load(running.asking, profile.mixed_s)
        measured.notes += mixed.broken[:5]
        await _note_rest(running, measured, files)
    _note_memory(measured, memory, idle_mb, profile)
    measured.numbers |= {"idle connections": count, "idle MB": round(idle_mb, 1), "requests": mixed.asked}
    return _judged(measured)


async def _open_idle(running: Bench, count: int) -> list[Connection]:
    """Open connections, in batches that the gateway's queue has room for."""
    idle: list[Connection] = []
    while len(idle) < count:
        batch = min(_BATCH, count - len(idle))
        idle += await asyncio.gather(*(connected(running.port) for _ in range(batch)))
        await asyncio.sleep(0.02)
    return idle


def _note_memory(measured: Measured, memory: MemoryWatch, idle_mb: float, profile: Profile) -> None:
    if max(idle_mb, memory.peak_mb) > MOST_ANONYMOUS_MB:
        measured.notes.append(f"{max(idle_mb, memory.peak_mb):.0f} MB of anonymous memory")
    measured.numbers["peak MB"] = memory.peak_mb
    began_s = memory.samples[0][0]
    settled = [(at_s, size / MEGABYTE) for at_s, size in memory.samples if at_s - began_s > profile.mixed_s / 3]
    if profile.mixed_s < 60:
        return  # too short to tell a slope from warming up
    per_s, half = slope(averaged(settled, 10.0))
    measured.numbers["MB a minute"] = f"{60 * per_s:.3f} ± {60 * half:.3f}"
    if 60 * (per_s - half) > MOST_MB_PER_MINUTE:
        measured.notes.append("memory grows")


async def _note_rest(running: Bench, measured: Measured, files: int) -> None:
    """What is in flight, and open, must go back to what it was."""
    deadline_s = time.monotonic() + LONG_S
    while time.monotonic() < deadline_s:
        flying = await running.total("gateway_requests_in_flight") - 1  # the one that asks
        left = psutil.Process(running.pid).num_fds() - files
        # Connections to backends are kept for a while, some of them new since.
        if flying <= 0 and left <= 32:
            return
        await asyncio.sleep(0.2)
    measured.notes.append(f"{flying:g} requests in flight and {left} more open files than before")
