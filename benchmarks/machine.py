"""The machine: which cores, how busy it is with other things, and what a process costs. Linux's /proc, else psutil."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

HAS_PROC = Path("/proc/self/schedstat").is_file()
HAS_AFFINITY = hasattr(os, "sched_setaffinity")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
MEGABYTE = 1_000_000
BUSY_LOAD = 0.5


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the target has, and which the load and the backend; all of them where they cannot be chosen."""

    target: tuple[int, ...]
    load: tuple[int, ...]

    @property
    def shared(self) -> bool:
        """Whether the load takes time from the target."""
        return bool(set(self.target) & set(self.load))


def cores(workers: int = 1, available: tuple[int, ...] | None = None) -> Cores:
    """Return one core for each worker and the others for the load; the last is shared where there are too few."""
    if available is None:
        available = tuple(sorted(os.sched_getaffinity(0))) if HAS_AFFINITY else tuple(range(os.cpu_count() or 1))
    target = available[:workers]
    return Cores(target, available[workers:] or available[-1:])


@contextmanager
def pinned(to: tuple[int, ...]) -> Iterator[None]:
    """Run on these cores alone; processes that are started meanwhile stay on them."""
    if not HAS_AFFINITY:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """Return a process and all it has started, as numbers; none if it is gone."""
    try:
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def cpu_s(pids: list[int]) -> float:
    """Return the CPU time of processes, in user mode and in the kernel, in seconds."""
    return sum(map(_cpu_s, pids))


def _cpu_s(pid: int) -> float:
    if HAS_PROC:
        with suppress(OSError):
            tasks = Path(f"/proc/{pid}/task").iterdir()
            return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks) / 1e9
        return 0.0
    with suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0


def memory_mb(pids: list[int]) -> float:
    """Return the memory that no file backs (RssAnon) of processes, in MB; all that is resident where it is not told."""
    return sum(map(_memory_bytes, pids)) / MEGABYTE


def _memory_bytes(pid: int) -> int:
    if HAS_PROC:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
        return 0
    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def busy_s() -> float:
    """Return the CPU time that all cores together have spent since they were started, in seconds; stolen time too."""
    if HAS_PROC:
        fields = [int(text) for text in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:]]
        return (sum(fields[:3]) + sum(fields[5:8])) / _TICKS
    times = psutil.cpu_times()
    return float(times.user + times.system)


def busy_before() -> list[str]:
    """Return a note where the machine has something else to do already."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return [f"the machine was busy before this began: its load was {load:.1f}"] if load > BUSY_LOAD else []


def listener_of(port: int) -> int | None:
    """Return the process that listens on a port of this machine, None where that cannot be seen."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                return connection.pid
    return None


def described() -> dict[str, str]:
    """Return what the figures depend on: system, processor, versions."""
    names = ("aiohttp", "msgspec", "pydantic", "uvloop")
    return {
        "system": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if HAS_AFFINITY else os.cpu_count()),
        "load": " ".join(f"{one:.2f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "",
        "python": sys.version.split()[0],
        **{name: _version(name) for name in names},
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
