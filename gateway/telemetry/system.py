"""The machine and the process: read with psutil every now and then, and how late the event loop is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from time import monotonic
from typing import TYPE_CHECKING

from gateway.telemetry.logging import get_logger

if TYPE_CHECKING:
    from gateway.telemetry.metrics import Metrics

REFRESH_S = 30.0
LAG_EVERY_S = 0.5

_log = get_logger("system")


class SystemNumbers:
    """What the last reading found; None where it was not read yet, or where this machine does not tell."""

    __slots__ = (
        "_read_before",
        "cpu_share",
        "descriptors",
        "disk_bytes",
        "disk_io_bytes",
        "memory_bytes",
        "network_bytes",
        "refreshed_s",
        "threads",
    )

    def __init__(self) -> None:
        self.cpu_share: float | None = None
        self.memory_bytes: dict[str, int] = {}
        self.disk_io_bytes: dict[str, int] = {}
        self.disk_bytes: dict[str, int] = {}
        self.network_bytes: dict[str, int] = {}
        self.descriptors: int | None = None
        self.threads: int | None = None
        self.refreshed_s: float | None = None
        """When that was (`time.monotonic()`)."""
        self._read_before = False

    def refresh(self) -> None:
        """Read all again; takes milliseconds, or as long as a broken disk likes: call it in a thread."""
        import psutil  # here: the start of the gateway need not wait for it

        # What it says the first time is about the microseconds since it was imported.
        share = psutil.cpu_percent(None) / 100
        self.cpu_share = share if self._read_before else None
        self._read_before = True
        memory = psutil.virtual_memory()
        self.memory_bytes = {"total": memory.total, "available": memory.available, "used": memory.used}
        with suppress(OSError, RuntimeError):
            disk = psutil.disk_usage(".")
            self.disk_bytes = {"total": disk.total, "free": disk.free, "used": disk.used}
        with suppress(OSError, RuntimeError):
            traffic = psutil.disk_io_counters()
            self.disk_io_bytes = {"read": traffic.read_bytes, "write": traffic.write_bytes} if traffic else {}
        with suppress(OSError, RuntimeError):
            network = psutil.net_io_counters()
            self.network_bytes = {"received": network.bytes_recv, "sent": network.bytes_sent} if network else {}
        process = psutil.Process()
        with suppress(psutil.Error, OSError):
            self.threads = process.num_threads()
            self.descriptors = _descriptors(process)
        self.refreshed_s = monotonic()


def _descriptors(process: object) -> int:
    count: Callable[[], int] = getattr(process, "num_fds", None) or getattr(process, "num_handles")  # noqa: B009 - of Windows
    return count()


class LagWatch:
    """Tells `observe`, twice a second, how many seconds late the event loop was."""

    def __init__(self, observe: Callable[[float], None], every_s: float = LAG_EVERY_S) -> None:
        self._observe = observe
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    def stop(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        self._due_s = self._loop.time() + self._every_s
        self._timer = self._loop.call_at(self._due_s, self._look, context=Context())

    def _look(self) -> None:
        self._observe(max(0.0, self._loop.time() - self._due_s))
        self._arm()


@asynccontextmanager
async def watched(metrics: "Metrics", refresh_s: float = REFRESH_S) -> AsyncIterator[None]:
    """Keep the numbers of machine and event loop fresh as long as the context is open."""
    lag = LagWatch(metrics.loop_lags.observe)
    task = asyncio.create_task(_keep_fresh(metrics, refresh_s), name="system-numbers", context=Context())
    try:
        yield
    finally:
        lag.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep_fresh(metrics: "Metrics", refresh_s: float) -> None:
    while True:
        await asyncio.sleep(refresh_s)
        await refresh(metrics)


async def refresh(metrics: "Metrics") -> None:
    """Read once; what fails is logged, and the numbers grow old. `/v1/metrics/health` says how old they are."""
    try:
        await asyncio.to_thread(metrics.system.refresh)
    except Exception:  # noqa: BLE001 - not foreseen; but a loop that ended would show old numbers for ever
        _log.exception("system numbers not read")
    metrics.rates.note(metrics)
