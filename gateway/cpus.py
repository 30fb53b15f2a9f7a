"""How many CPUs this process may use: of those it may run on, what its control groups leave it."""

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def usable_cpus(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """Return the number, at least 1. Containers and services are bounded by a quota of time, not by fewer CPUs."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(ceil(quota) for quota in _quotas(root, own))]))


def _quotas(root: Path, own: Path) -> Iterator[float]:
    """Yield the CPUs that each control group (version 2) from the own one up to the root has, where it is bounded."""
    try:
        (path,) = [line[3:] for line in own.read_text().splitlines() if line.startswith("0::")]
    except (OSError, ValueError):
        return
    # A group outside of what this container sees is "/../name".
    root, group = root.resolve(), (root / path.lstrip("/")).resolve()
    for folder in (group, *group.parents):
        if folder.is_relative_to(root):
            yield from _quota(folder / "cpu.max")


def _quota(file: Path) -> Iterator[float]:
    try:
        quota_us, period_us = file.read_text().split()
        if quota_us != "max":
            yield int(quota_us) / int(period_us)
    except (OSError, ValueError, ZeroDivisionError):
        return
