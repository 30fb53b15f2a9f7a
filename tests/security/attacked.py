"""A gateway as a process of its own, how much memory it takes, and a well-behaved client that asks all the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.e2e.processes import Program


@dataclass
class Served:
    """What the well-behaved client got: the status of each answer, and how long the slowest took."""

    statuses: list[int] = field(default_factory=list)
    slowest_s: float = 0.0


@asynccontextmanager
async def others_are_served(url: str) -> AsyncIterator[Served]:
    """Ask for the version every 20 ms while the context is open, each time on a connection of its own; all must be 200.

    A gateway that serves nobody meanwhile fails here.
    """
    served, stop = Served(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def ask() -> None:
        connector = aiohttp.TCPConnector(force_close=True)
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as client:
            while not stop.is_set():
                start_s = loop.time()
                async with client.get(f"{url}/api/version") as response:
                    await response.read()
                served.statuses.append(response.status)
                served.slowest_s = max(served.slowest_s, loop.time() - start_s)
                await asyncio.sleep(0.02)

    asking = asyncio.create_task(ask())
    try:
        yield served
    finally:
        stop.set()
        await asking
    assert served.statuses
    assert set(served.statuses) == {200}


def memory_bytes(program: Program, name: str = "RssAnon") -> int:
    """Return a row of a process's memory: RssAnon what it takes of its own now, VmHWM its peak."""
    text = Path(f"/proc/{program.process.pid}/status").read_text(encoding="ascii")
    return int(next(line for line in text.splitlines() if line.startswith(f"{name}:")).split()[1]) * 1024


def forget_the_peak(program: Program) -> None:
    """Have VmHWM count from now on."""
    Path(f"/proc/{program.process.pid}/clear_refs").write_text("5", encoding="ascii")
