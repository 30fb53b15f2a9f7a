"""`make soak`: hours of mixed load on one gateway. Wrong answers, memory or descriptors that grow end it with 1."""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import psutil

from benchmarks.machine import memory_mb
from tests.e2e.processes import demo_backend
from tests.soak.load import Clients
from tests.support.backend import ScriptedBackend
from tests.support.program import Program, client, running

CLIENTS = 16
LAPS = 60
SHORTEST_LAP_S = 2.0
REST_S = 2.0
"""After each lap, so that what is measured is at rest."""
MOST_GROWTH_MB = 8.0
"""Between the second quarter of the laps and the last one; caches and pools are full by the first."""
MOST_DESCRIPTORS = 12


@dataclass(frozen=True, slots=True)
class Sample:
    """The gateway at rest after a lap."""

    passed_s: float
    requests: int
    wrong: int
    memory_mb: float
    descriptors: int


def main() -> int:
    """Run it; return 0 when all is as it should be, else 1."""
    arguments = _parser().parse_args()
    report = asyncio.run(soak(arguments.hours * 3600, arguments.seed))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for complaint in report["complaints"]:
        sys.stdout.write(f"! {complaint}\n")
    return 1 if report["complaints"] else 0


async def soak(seconds: float, seed: int) -> dict[str, Any]:
    """Load a gateway for so long; return the samples, what was done, and what is wrong."""
    laps = max(4, min(LAPS, int(seconds / (SHORTEST_LAP_S + REST_S))))
    lap_s = max(SHORTEST_LAP_S, seconds / laps - REST_S)
    samples: list[Sample] = []
    began_s = time.monotonic()
    with TemporaryDirectory() as name, demo_backend(Path(name)) as demo:
        async with ScriptedBackend() as faulty, client() as session:
            settings = {"BACKENDS_FILE": _backends_file(Path(name), demo.url, faulty.url), "LOG_LEVEL": "ERROR"}
            async with running(Path(name), **settings) as gateway:
                clients = Clients(gateway.url, session, faulty, seed)
                for _ in range(laps):
                    await clients.work(lap_s, CLIENTS)
                    faulty.calls.clear()
                    await asyncio.sleep(REST_S)
                    samples.append(await _sample(gateway, clients, time.monotonic() - began_s))
                    _tell(samples[-1])
                complaints = judged(samples, clients, await _in_flight(session, gateway.url))
    return {
        "seconds": seconds,
        "seed": seed,
        "samples": [asdict(sample) for sample in samples],
        "done": dict(clients.done),
        "wrong": dict(clients.wrong),
        "complaints": complaints,
    }


def judged(samples: Sequence[Sample], clients: Clients, in_flight: float) -> list[str]:
    """Return what is wrong with a soak."""
    complaints = [f"{name}: {count} wrong answers" for name, count in sorted(clients.wrong.items())]
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    growth_mb = _median(late, "memory_mb") - _median(early, "memory_mb")
    if growth_mb > MOST_GROWTH_MB:
        complaints.append(f"memory grew by {growth_mb:.1f} MB")
    more = _median(late, "descriptors") - _median(early, "descriptors")
    if more > MOST_DESCRIPTORS:
        complaints.append(f"{more:.0f} more descriptors are open")
    if in_flight:
        complaints.append(f"{in_flight:.0f} requests are in flight, though nobody asks")
    return complaints


def _median(samples: Sequence[Sample], field: str) -> float:
    return float(statistics.median(getattr(sample, field) for sample in samples))


async def _sample(gateway: Program, clients: Clients, passed_s: float) -> Sample:
    pid = gateway.process.pid
    descriptors = psutil.Process(pid).num_fds()
    return Sample(
        round(passed_s, 1), clients.done.total(), clients.wrong.total(), round(memory_mb([pid]), 1), descriptors
    )


async def _in_flight(session: aiohttp.ClientSession, url: str) -> float:
    """Return how many requests the gateway counts as running, this one left out."""
    async with session.get(f"{url}/metrics") as response:
        text = await response.text()
    lines = [line for line in text.splitlines() if line.startswith("gateway_requests_in_flight{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if "metrics" not in line)


def _backends_file(folder: Path, sound: str, faulty: str) -> str:
    rows = [{"name": "sound", "base_url": sound}, {"name": "faulty", "base_url": faulty, "models": ["faulty"]}]
    path = folder / "backends.json"
    path.write_text(json.dumps({"backends": rows}), encoding="utf-8")
    return str(path)


def _tell(sample: Sample) -> None:
    wrong = f", {sample.wrong} WRONG" if sample.wrong else ""
    sys.stdout.write(
        f"{sample.passed_s:9.0f} s  {sample.requests:9} requests{wrong}  {sample.memory_mb:6.1f} MB"
        f"  {sample.descriptors:4} descriptors\n"
    )
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="how long (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="of what clients do")
    parser.add_argument("--json", type=Path, help="where to write all that was measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())
