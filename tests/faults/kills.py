"""The cancel proof: clients that leave at any moment. `python -m tests.faults.kills --count 1000`.

Every close must be seen by the backend, the gateway must count as many clients gone as there were, and no task, socket
or descriptor may be left over.
"""

import argparse
import asyncio
import random
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.asking import WAYS, Way
from tests.faults.backend import Attempt
from tests.faults.bench import LONG_S, connected, request
from tests.faults.inside import Inside, inside, open_files, working

FAULTS = ("17-slow", "17-slow", "17-slow", "17-silent", "07-slow-first-token", "alone-17-slow-refusal")
AT_ONCE = 20
LATEST_S = 0.15
"""Later than everything that `17-slow` does first, by the scale of 0.1."""


@dataclass
class Kills:
    """What came of them: seconds from each client's leaving to its backend connection's end, and what was left."""

    count: int
    asked: int = 0
    delays_s: list[float] = field(default_factory=list)
    phases: Counter[str] = field(default_factory=Counter)
    still_open: int = 0
    counted: int = 0
    tasks_left: list[str] = field(default_factory=list)
    files_left: int = 0

    def problems(self) -> list[str]:
        """Return what is not as it should be."""
        found: list[str] = []
        if self.still_open:
            found.append(f"{self.still_open} backend connections were not closed")
        if self.counted != self.count:
            found.append(f"{self.counted} clients were counted as gone, not {self.count}")
        if self.tasks_left:
            found.append(f"tasks are left: {self.tasks_left[:5]}")
        if self.files_left > 0:
            found.append(f"{self.files_left} descriptors are left")
        return found

    def distribution(self) -> dict[str, float]:
        """Return the delays in milliseconds."""
        ordered = sorted(self.delays_s) or [0.0]
        ranks = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "longest": 1.0}
        return {
            name: round(1000 * ordered[min(int(len(ordered) * rank), len(ordered) - 1)], 2)
            for name, rank in ranks.items()
        }


async def kill(count: int, seed: int = 1) -> Kills:
    """Have so many clients leave."""
    kills = Kills(count)
    dice = random.Random(seed)
    async with inside() as both:
        await _warm_up(both)
        files, tasks = open_files(), working()
        before = await both.total("gateway_requests_total", status="499")
        plans = [
            (dice.choice(WAYS), dice.choice(FAULTS), dice.uniform(0, LATEST_S), dice.random()) for _ in range(count)
        ]
        for at in range(0, count, AT_ONCE):
            batch = enumerate(plans[at : at + AT_ONCE], at)
            await asyncio.gather(*(_leave(both, kills, number, *plan) for number, plan in batch))
        kills.asked = sum(kills.phases[phase] for phase in kills.phases if phase != "before the backend was asked")
        await _settle(both, kills, before)
        kills.tasks_left = await _tasks_left(tasks)
        kills.files_left = await _files_left(files)
    return kills


async def _warm_up(both: Inside) -> None:
    """Make what is made once: connections, caches, threads."""
    await asyncio.gather(*(both.asking.ask(way, f"00-fine.{way.name}", LONG_S) for way in WAYS))
    await both.total("gateway_requests_total")
    await _idle_connections_gone(both)


async def _idle_connections_gone(both: Inside) -> None:
    for transport in list(both.backend.transports):
        transport.close()
    await asyncio.sleep(0.1)


async def _leave(both: Inside, kills: Kills, number: int, way: Way, fault: str, after_s: float, how: float) -> None:
    model = f"{fault}.{number}.{way.name}"
    _, writer = await connected(both.gateway.port)
    writer.write(request(way, model, f"X-Gateway-Delivery: {way.delivery or 'whole'}"))
    await asyncio.sleep(after_s)
    if how < 0.5:
        client = writer.get_extra_info("socket")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()
    left_s = time.monotonic()
    await asyncio.sleep(0.05)
    attempts = both.backend.of(model)
    kills.phases[_phase(attempts)] += 1
    for attempt in attempts:
        await _note_close(kills, attempt, left_s)


def _phase(attempts: Sequence[Attempt]) -> str:
    if not attempts:
        return "before the backend was asked"
    if attempts[-1].done:
        return "between attempts"
    return attempts[-1].model.removeprefix("alone-").partition(".")[0]


async def _note_close(kills: Kills, attempt: Attempt, left_s: float) -> None:
    if attempt.done:
        return  # a refusal, whose connection may be used again
    while attempt.closed_s is None and time.monotonic() < left_s + LONG_S:
        await asyncio.sleep(0.005)
    if attempt.closed_s is None:
        kills.still_open += 1
    else:
        kills.delays_s.append(max(0.0, attempt.closed_s - left_s))


async def _settle(both: Inside, kills: Kills, before: float) -> None:
    deadline_s = time.monotonic() + 5
    while time.monotonic() < deadline_s:
        kills.counted = int(await both.total("gateway_requests_total", status="499") - before)
        if kills.counted >= kills.count:
            break
        await asyncio.sleep(0.05)
    await _idle_connections_gone(both)


async def _tasks_left(before: set[asyncio.Task[Any]]) -> list[str]:
    deadline_s = time.monotonic() + LONG_S
    while (left := {task for task in working() - before if not task.done()}) and time.monotonic() < deadline_s:
        await asyncio.sleep(0.05)
    return [str(task.get_coro()) for task in left]


async def _files_left(before: int) -> int:
    deadline_s = time.monotonic() + LONG_S
    while (left := open_files() - before) > 0 and time.monotonic() < deadline_s:
        await asyncio.sleep(0.05)
    return left


def main() -> int:
    """Run it and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    kills = asyncio.run(kill(arguments.count, arguments.seed))
    lines = [f"{kills.count} kills, {kills.asked} of them after the backend was asked, {kills.counted} counted"]
    lines += [f"  {phase}: {count}" for phase, count in kills.phases.most_common()]
    lines += [f"milliseconds from leaving to the end of the backend's connection: {kills.distribution()}"]
    sys.stdout.write("\n".join([*lines, *kills.problems(), ""]))
    return 1 if kills.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
