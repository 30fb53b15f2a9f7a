"""What a gateway takes while it waits: memory when idle, with live streams, with idle connections; its cold start."""

import asyncio
import sys
from contextlib import suppress
from time import perf_counter

from benchmarks import machine
from benchmarks.answers import Script
from benchmarks.asks import Ask, ask
from benchmarks.contest import Watch
from benchmarks.load import Budget, Client, Measured, connect, fire
from benchmarks.noise import spread
from benchmarks.part import Part
from benchmarks.quick import GATEWAY
from benchmarks.tables import Table, number, spread_text
from benchmarks.targets import Target, first_answer_s

IDLE = "memory, idle, MB"
STREAMING = "memory, 200 streams, MB"
STREAMING_AGAIN = "memory, 200 streams the third time, MB"
CONNECTED = "memory, 5,000 idle connections, MB"
START = "cold start to the first answer, s"
CONNECTIONS = 5_000
STREAMS = 200
STARTS = 6
SETTLE_S = 1.0


async def measure_memory(part: Part) -> None:
    """Measure one gateway from its start: idle, then streams three times, then idle connections."""
    raise_file_limit()
    one = ask("/api/chat", Script())
    async with part.gateway(GATEWAY) as gateway:
        await first_answer_s(gateway, one)
        await asyncio.sleep(SETTLE_S)
        _note(part, IDLE, [machine.memory_mb(gateway.family)])
        peaks = [await _streams_mb(part, gateway) for _ in range(3)]
        _note(part, STREAMING, peaks[:1])
        _note(part, STREAMING_AGAIN, peaks[2:])
    async with part.gateway(GATEWAY) as gateway:
        await first_answer_s(gateway, one)
        count = part.scaled(CONNECTIONS)
        before_mb, open_mb, wrong = await idle_connections(gateway, one, count)
        _note(part, CONNECTED, [open_mb])
    each_kb = (open_mb - before_mb) / count * 1000
    rows = [[name, spread_text(part.report.facts[name])] for name in (IDLE, STREAMING, STREAMING_AGAIN, CONNECTED)]
    rows += [["an idle connection, kB", number(each_kb)], [f"wrong answers over {count:,} connections", str(wrong)]]
    part.report.tables.append(Table("memory that no file backs (RssAnon)", ("", "measured"), rows))


async def measure_start(part: Part) -> None:
    """Start gateways one after another; each is asked as soon as it listens."""
    one = ask("/api/chat", Script())
    times: list[float] = []
    for _ in range(part.rounds_at_most(STARTS)):
        began = perf_counter()
        async with part.gateway(GATEWAY) as gateway:
            await first_answer_s(gateway, one)
            times.append(perf_counter() - began)
    _note(part, START, times)
    part.report.tables.append(Table("start", ("", "measured"), [[START, spread_text(part.report.facts[START])]]))


async def idle_connections(target: Target, one: Ask, count: int) -> tuple[float, float, int]:
    """Return the memory (MB) before and with `count` connections that were used once and stay, and wrong answers.

    All of them are asked a second time at the end: a connection that was dropped meanwhile is a wrong answer.
    """
    before_mb = machine.memory_mb(target.family)
    measured = Measured()
    clients = await connect(target.host, target.port, one, Budget(0), measured, count)
    try:
        await _each_once(clients)
        await asyncio.sleep(SETTLE_S)
        open_mb = machine.memory_mb(target.family)
        await _each_once(clients)
    finally:
        for client in clients:
            client.transport.abort()
        await asyncio.sleep(0)
    return before_mb, open_mb, 2 * count - measured.answers


async def _each_once(clients: list[Client], at_once: int = 50) -> None:
    """Let every connection ask once, some of them at a time."""
    for begin in range(0, len(clients), at_once):
        some = clients[begin : begin + at_once]
        for client in some:
            client.again(Budget(1))
        await asyncio.wait_for(asyncio.gather(*(client.done for client in some)), 60)


async def _streams_mb(part: Part, gateway: Target) -> float:
    streams = ask("/api/chat", Script(100, 20), stream=True)
    count = part.scaled(STREAMS)
    async with Watch(gateway, part.load_pids) as watch:
        measured = await fire(gateway.host, gateway.port, streams, count, requests=count, spread_s=0.5)
    if measured.errors:
        part.report.notes.append(f"{STREAMING}: {measured.errors.total()} wrong answers")
    return watch.peak_mb


def _note(part: Part, name: str, values: list[float]) -> None:
    part.report.facts[name] = spread(values)


def raise_file_limit() -> None:
    """Let this process open as many connections as it may."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
