"""`wrk`, where it is installed: a second load generator for plain calls, so that the first is not believed alone."""

import asyncio
import json
import re
import shutil
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks import machine
from benchmarks.contest import Entry
from benchmarks.tables import Table, number
from benchmarks.targets import TargetError

MISSING = "wrk is not installed: plain calls were measured with this project's own load alone"
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
_LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$", re.MULTILINE)
_WRONG = re.compile(
    r"Non-2xx or 3xx responses: (\d+)|Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)"
)
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class WrkResult(NamedTuple):
    """What wrk says: requests a second, percentiles in ms, and answers that were errors."""

    rate: float
    p50_ms: float
    p99_ms: float
    wrong: int


def available() -> bool:
    """Return whether wrk is installed."""
    return shutil.which("wrk") is not None


def read(said: str) -> WrkResult:
    """Read wrk's output. Raises ValueError for anything else."""
    rate = _RATE.search(said)
    latencies = {found[1]: float(found[2]) * _MS[found[3]] for found in _LATENCY.finditer(said)}
    if rate is None or latencies.keys() != {"50", "99"}:
        raise ValueError(f"not the output of wrk: {said[:200]!r}")
    wrong = sum(int(count) for found in _WRONG.finditer(said) for count in found.groups("0"))
    return WrkResult(float(rate[1]), latencies["50"], latencies["99"], wrong)


def script(entry: Entry) -> str:
    """Return the Lua that makes wrk ask the same."""
    body = json.dumps(entry.ask.body.decode())  # a JSON string of ASCII is one of Lua too
    return f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = {body}\n'


async def ask_with_wrk(entry: Entry, seconds: int, on: tuple[int, ...]) -> WrkResult:
    """Ask over sixteen connections from one thread. Raises TargetError."""
    url = f"http://{entry.target.host}:{entry.target.port}{entry.ask.path}"
    with TemporaryDirectory() as folder, machine.pinned(on):
        lua = Path(folder, "ask.lua")
        lua.write_text(script(entry), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *("wrk", "-t1", "-c16", f"-d{seconds}s", "--latency", "-s", str(lua), url), stdout=PIPE, stderr=PIPE
        )
        said, complaint = await process.communicate()
    if process.returncode:
        raise TargetError(f"wrk: {complaint.decode('utf-8', 'replace').strip()}")
    return read(said.decode())


async def wrk_table(those: Sequence[Entry], seconds: int, rounds: int, on: tuple[int, ...]) -> Table:
    """Return the rates that wrk sees, in turns, with the ratio to the hop."""
    results: dict[str, list[WrkResult]] = {entry.name: [] for entry in those}
    for _ in range(rounds):
        for entry in those:
            results[entry.name].append(await ask_with_wrk(entry, seconds, on))
    rates = {name: sorted(one.rate for one in found)[len(found) // 2] for name, found in results.items()}
    rows = [
        [
            name,
            number(rates[name]),
            f"{rates[name] / rates['hop']:.2f}" if rates.get("hop") else "-",
            number(sorted(one.p50_ms for one in found)[len(found) // 2]),
            number(sorted(one.p99_ms for one in found)[len(found) // 2]),
            str(sum(one.wrong for one in found)),
        ]
        for name, found in results.items()
    ]
    return Table("plain calls, by wrk", ("", "requests/s", "rate by hop", "p50 ms", "p99 ms", "wrong"), rows)
