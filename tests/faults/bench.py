"""A gateway process before the misbehaving backend, and what can be measured of it from outside."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from tests.e2e.processes import Program
from tests.faults.asking import Asking, Way
from tests.faults.backend import FaultBackend
from tests.faults.fleet import fleet, gateway_process
from tests.faults.profiles import Profile

LONG_S = 30.0
"""A bound for what must happen soon: no busy machine is that slow."""
MEGABYTE = 1_000_000


@dataclass
class Bench:
    """A running gateway, and the backend behind it."""

    backend: FaultBackend
    program: Program
    profile: Profile

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return self.program.url

    @property
    def port(self) -> int:
        """The gateway's port on 127.0.0.1."""
        return URL(self.url).port or 0

    @property
    def asking(self) -> Asking:
        """A client."""
        return Asking(self.url)

    @property
    def pid(self) -> int:
        """The gateway's process."""
        return self.program.process.pid

    async def total(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over all samples with these labels."""
        return total(await scrape(self.url), name, **labels)

    async def settled(self, name: str, wanted: float, **labels: str) -> float:
        """Wait until a metric has reached `wanted`, or for long; return what it is then."""
        deadline_s = time.monotonic() + LONG_S
        while (value := await self.total(name, **labels)) < wanted and time.monotonic() < deadline_s:
            await asyncio.sleep(0.05)
        return value


@asynccontextmanager
async def bench(
    profile: Profile, more: Iterable[Mapping[str, Any]] = (), *, scale: float | None = None, **settings: str
) -> AsyncIterator[Bench]:
    """Run both until the context closes. `more`: further backends. `scale`: of the clocks, if not the profile's."""
    factor = profile.scale if scale is None else scale
    with TemporaryDirectory() as folder:
        async with FaultBackend(factor) as backend:
            content = fleet(f"http://127.0.0.1:{backend.port}", more=placed(more, backend.port))
            async with gateway_process(Path(folder), content, factor, **settings) as program:
                yield Bench(backend, program, profile)


def placed(more: Iterable[Mapping[str, Any]], port: int) -> list[dict[str, Any]]:
    """Return backends with the backend's port in their addresses."""
    return [{**one, "base_url": str(one["base_url"]).replace("PORT", str(port))} for one in more]


async def scrape(url: str) -> str:
    """Return the gateway's metrics."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as response:
        return await response.text()


def total(text: str, name: str, **labels: str) -> float:
    """Return the sum of a metric over all samples with these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def anonymous_bytes(pid: int) -> int:
    """Return a process' memory that no file backs, in bytes; all that is resident where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return int(psutil.Process(pid).memory_info().rss)
    line = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


class MemoryWatch:
    """Samples a process' memory while it is open: `samples` are (seconds, bytes), the first one from before."""

    def __init__(self, pid: int, every_s: float = 0.05) -> None:
        self._pid = pid
        self._every_s = every_s
        self.samples: list[tuple[float, int]] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "MemoryWatch":
        self._sample()
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._sample()

    @property
    def grown_mb(self) -> float:
        """How much more than before it ever was, in megabytes."""
        return round((max(size for _, size in self.samples) - self.samples[0][1]) / MEGABYTE, 1)

    @property
    def peak_mb(self) -> float:
        """The most it ever was, in megabytes."""
        return round(max(size for _, size in self.samples) / MEGABYTE, 1)

    def _sample(self) -> None:
        self.samples.append((time.monotonic(), anonymous_bytes(self._pid)))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            self._sample()


type Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(port: int, *, receive_bytes: int = 0) -> Connection:
    """Open a connection to the gateway; `receive_bytes` bounds what the kernel takes in for us."""
    client = socket.socket()
    client.setblocking(False)
    if receive_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    return await asyncio.open_connection(sock=client, limit=receive_bytes or 2**16)


def request(way: Way, model: str, *headers: str) -> bytes:
    """Return a request as its bytes."""
    body = json.dumps(way.body(model)).encode()
    lines = [f"POST {way.path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


async def response(reader: asyncio.StreamReader, within_s: float = LONG_S) -> tuple[int, bytes]:
    """Read until the connection ends, or for a time; return the status (0 for none) and all that came."""
    data = b""
    try:
        async with asyncio.timeout(within_s):
            while piece := await reader.read(65536):
                data += piece
    except (TimeoutError, ConnectionError):
        pass
    first = data.split(b" ", 2)
    return (int(first[1]) if data.startswith(b"HTTP/1.") and first[1].isdigit() else 0), data
