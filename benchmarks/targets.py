"""What is measured: processes that are started, pinned and ended here, and any base URL that serves already."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from yarl import URL

from benchmarks import machine
from benchmarks.asks import Ask

ROOT = Path(__file__).resolve().parent.parent
START_WITHIN_S = 60.0
STOP_WITHIN_S = 40.0


class TargetError(Exception):
    """A target does not start, does not answer, or is not there."""


@dataclass(slots=True)
class Target:
    """Something that listens. `pid` None: its CPU time and memory are not known."""

    name: str
    host: str
    port: int
    pid: int | None
    speaks_api: bool = True
    one_core: bool = True
    started_s: float = 0.0
    """From the start of the process until it answers."""
    _family: list[int] = field(default_factory=list)

    @property
    def family(self) -> list[int]:
        """Its processes; looked up once, since workers stay."""
        if not self._family and self.pid is not None:
            self._family = machine.family(self.pid)
        return self._family


@asynccontextmanager
async def backend(on: machine.Cores) -> AsyncIterator[Target]:
    """Run the measured backend beside the load. As a target it is the direct connection."""
    arguments = ("-m", "benchmarks.backend")
    async with _printing(arguments, on.load) as (process, port):
        yield Target("direct", "127.0.0.1", port, process.pid, speaks_api=False, one_core=False)


@asynccontextmanager
async def hop(on: machine.Cores, behind: Target) -> AsyncIterator[Target]:
    """Run the bare aiohttp hop before a backend."""
    arguments = ("-m", "benchmarks.hop", base_url(behind))
    began = perf_counter()
    async with _printing(arguments, on.target[:1]) as (process, port):
        yield Target("hop", "127.0.0.1", port, process.pid, speaks_api=False, started_s=perf_counter() - began)


@asynccontextmanager
async def gateway(
    name: str,
    on: machine.Cores,
    behind: Target,
    settings: Mapping[str, str] | None = None,
    *,
    root: Path = ROOT,
    path: str = "",
) -> AsyncIterator[Target]:
    """Run a gateway out of a checkout at `root`, everything on, its log in a file.

    `path`: where below the backend its base URL is, such as `/models-1000`.
    """
    with TemporaryDirectory() as folder:
        port = free_port()
        given = {"OPENAI_API_BASE_URL": base_url(behind, path), "PROXY_PORT": str(port), **(settings or {})}
        began = perf_counter()
        with Path(folder, "log").open("wb") as log, machine.pinned(on.target):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway"),
                cwd=folder,
                env=environment(root, **given),
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            await _ready(process, port, Path(folder, "log"))
            workers = int(given.get("WORKERS", "1"))
            yield Target(name, "127.0.0.1", port, process.pid, one_core=workers == 1, started_s=perf_counter() - began)
        finally:
            await _end(process)


def at_url(text: str) -> Target:
    """Return a target that serves already, from `NAME=URL` or a URL alone. Raises TargetError."""
    name, given, rest = text.partition("=")
    url = URL(rest if given and "://" not in name else text)
    if url.scheme != "http" or not url.host or not url.port:
        raise TargetError(f"{text}: not an address such as http://127.0.0.1:11434")
    return Target(name if given and "://" not in name else str(url), url.host, url.port, machine.listener_of(url.port))


def base_url(behind: Target, path: str = "") -> str:
    """Return the base URL that a gateway is given."""
    return f"http://{behind.host}:{behind.port}{path}/v1"


def environment(root: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a program: nothing of whoever runs this but PATH."""
    return {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(root), **settings}


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def first_answer_s(target: Target, one: Ask) -> float:
    """Return how long one request takes on a connection of its own, in seconds. Raises TargetError if it is wrong."""
    from benchmarks.load import fire

    measured = await fire(target.host, target.port, one, 1, requests=1)
    if measured.errors:
        raise TargetError(f"{target.name}, {one.path}: {next(iter(measured.errors))}")
    return measured.elapsed_s


@asynccontextmanager
async def _printing(arguments: tuple[str, ...], on: tuple[int, ...]) -> AsyncIterator[tuple[Process, int]]:
    """Run a program of ours that prints its port."""
    with machine.pinned(on):
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=ROOT, env=environment(ROOT), stdin=DEVNULL, stdout=PIPE
        )
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_WITHIN_S) if process.stdout else b""
        if not line:
            raise TargetError(f"{' '.join(arguments)} did not start")
        yield process, int(line)
    finally:
        await _end(process)


async def _ready(process: Process, port: int, log: Path) -> None:
    deadline_s = perf_counter() + START_WITHIN_S
    while perf_counter() < deadline_s and process.returncode is None:
        if await _answers(port):
            return
        await asyncio.sleep(0.01)
    said = log.read_text("utf-8", "replace")[-2000:]
    raise TargetError(f"the gateway does not answer (exit code {process.returncode}):\n{said}")


async def _answers(port: int) -> bool:
    """Tell whether a gateway answers. Its socket is open earlier: then it keeps whoever asks waiting, or it fails."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /api/version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return (await asyncio.wait_for(reader.readline(), START_WITHIN_S)).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
    finally:
        writer.close()


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()
