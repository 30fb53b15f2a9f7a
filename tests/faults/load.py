"""Clients in numbers: at a fixed rate, or as many at a time as are wanted."""

import asyncio
import math
import random
import resource
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import linear_regression, mean

import aiohttp

from tests.faults.asking import WAYS, Asking, Outcome, Seen, Way

MIXED = (
    *["00-fine"] * 12,
    "03-error-once",
    "04-overloaded",
    "05-reset",
    "08-cut",
    "08-cut-unframed",
    "10-lost-event",
    "11-no-done",
    "12-too-long",
    "13-content-policy",
    "26-bytes",
    "26-gzip",
)
"""What a mixed load asks for: well for half of it."""
GIVE_UP_S = 60.0


@dataclass
class Offered:
    """What became of requests at a fixed rate: how many were sent, and how often each status came."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)


async def at_a_rate(url: str, way: Way, model: Callable[[int], str], rps: int, seconds: float) -> Offered:
    """Send requests at that rate, whether earlier ones were answered or not. `model`: the name for the n-th."""
    offered = Offered(round(rps * seconds))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=GIVE_UP_S)) as session:

        async def ask(number: int) -> None:
            try:
                async with session.post(url + way.path, json=way.body(model(number))) as response:
                    await response.read()
                    offered.statuses[response.status] += 1
            except (aiohttp.ClientError, TimeoutError):
                offered.statuses[0] += 1

        began_s = time.monotonic()
        calls: list[asyncio.Task[None]] = []
        for number in range(offered.requests):
            await asyncio.sleep(max(0.0, began_s + number / rps - time.monotonic()))
            calls.append(asyncio.create_task(ask(number)))
        await asyncio.gather(*calls)
    return offered


@dataclass
class Mixed:
    """What became of a mixed load; `broken` says what no client may see."""

    asked: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def note(self, way: Way, model: str, seen: Seen) -> None:
        """Count one call."""
        self.asked += 1
        self.outcomes[seen.outcome] += 1
        if seen.outcome in (Outcome.BROKEN, Outcome.HUNG):
            self.broken.append(f"{model}, {way.name}: {seen.outcome} {seen.why_broken()}")


async def mixed_load(asking: Asking, seconds: float, *, clients: int = 8, seed: int = 1) -> Mixed:
    """Ask for good and bad answers in all ways for a time, `clients` at once; some clients leave early."""
    mixed = Mixed()
    dice = random.Random(seed)
    until_s = time.monotonic() + seconds

    async def client() -> None:
        while time.monotonic() < until_s:
            way, fault = dice.choice(WAYS), dice.choice(MIXED)
            model = f"{fault}.{way.name}"
            if dice.random() < 0.1:
                await leave_early(asking, way, model, dice.uniform(0, 0.2))
            else:
                mixed.note(way, model, await asking.ask(way, model, GIVE_UP_S))

    await asyncio.gather(*(client() for _ in range(clients)))
    return mixed


async def leave_early(asking: Asking, way: Way, model: str, after_s: float) -> None:
    """Ask, and leave after a time, if it is not over by then."""
    call: Awaitable[Seen] = asking.ask(way, model, GIVE_UP_S)
    task = asyncio.ensure_future(call)
    await asyncio.wait([task], timeout=after_s)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def slope(samples: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the slope of (x, y) samples and half of its 95 % interval."""
    if len(samples) < 3:
        return 0.0, math.inf
    xs, ys = zip(*samples, strict=True)
    line = linear_regression(xs, ys)
    spread = sum((x - mean(xs)) ** 2 for x in xs)
    rest = sum((y - line.slope * x - line.intercept) ** 2 for x, y in samples)
    return line.slope, 1.96 * math.sqrt(rest / (len(samples) - 2) / spread)


def averaged(samples: Sequence[tuple[float, float]], window_s: float) -> list[tuple[float, float]]:
    """Return the means of windows: neighbours are too much alike to count as samples of their own."""
    groups: dict[int, list[tuple[float, float]]] = {}
    for second, value in samples:
        groups.setdefault(int(second / window_s), []).append((second, value))
    return [(mean(x for x, _ in group), mean(y for _, y in group)) for group in groups.values()]


def allow_many_files(wanted: int) -> int:
    """Raise this process' bound on open files, which those it starts inherit; return what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if most > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return soft
