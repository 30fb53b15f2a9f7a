"""A gateway in this very process before the misbehaving backend: what it leaves behind can be seen."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from tests.faults.asking import Asking
from tests.faults.backend import FaultBackend
from tests.faults.bench import total
from tests.faults.fleet import fleet, settings, write_fleet
from tests.support.gateway import Gateway, running_gateway


@dataclass
class Inside:
    """A running gateway, and the backend behind it, in one event loop with their clients."""

    gateway: Gateway
    backend: FaultBackend

    @property
    def asking(self) -> Asking:
        """A client."""
        return Asking(self.gateway.url)

    async def total(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over all samples with these labels."""
        async with self.gateway.client.get(f"{self.gateway.url}/metrics") as response:
            return total(await response.text(), name, **labels)


@asynccontextmanager
async def inside(scale: float = 0.1, **more: str) -> AsyncIterator[Inside]:
    """Run both until the context closes."""
    with TemporaryDirectory() as folder:
        async with FaultBackend(scale) as backend:
            file = write_fleet(Path(folder), fleet(f"http://127.0.0.1:{backend.port}"))
            async with running_gateway(backend, {**settings(scale, file), **more}) as gateway:
                yield Inside(gateway, backend)


def open_files() -> int:
    """Return how many descriptors this process has."""
    return psutil.Process(os.getpid()).num_fds()


def working() -> set[asyncio.Task[Any]]:
    """Return the tasks there are, but for those of the backend, and this one."""
    ours = asyncio.current_task()
    return {task for task in asyncio.all_tasks() if task.get_name() != "scripted-backend" and task is not ours}
