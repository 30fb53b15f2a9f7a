"""Instruction counts of the codecs, by valgrind: a second opinion that no other program on the machine disturbs."""

import asyncio
import re
import shutil
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.targets import TargetError, environment
from benchmarks.workloads import DUMPS, WORKLOADS

MISSING = "valgrind is not installed: instructions were not counted"
MARGIN = 0.01
"""Counts of the same code differ by less: what is left are addresses and the clock."""
FEWEST = 500
"""No unit of work takes less: a smaller count means that callgrind lost the call."""
_PROGRAM = Path(__file__).with_name("workloads.py")
_TOTALS = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)
_CALLGRIND = (
    "--tool=callgrind",
    "--quiet",
    "--collect-atstart=no",
    "--toggle-collect=*qsort_r",
    "--dump-after=*qsort_r",
)


def available() -> bool:
    """Return whether valgrind is installed."""
    return shutil.which("valgrind") is not None


async def count(root: Path, names: tuple[str, ...] = tuple(WORKLOADS)) -> dict[str, float]:
    """Return instructions a unit by workload, for the gateway of a checkout; those that it cannot run are absent."""
    with TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *("valgrind", *_CALLGRIND, f"--callgrind-out-file={DUMPS}"),
            *(sys.executable, str(_PROGRAM), *names),
            cwd=folder,
            env=environment(root, PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1"),
            stdout=PIPE,
            stderr=PIPE,
        )
        said, complaint = await process.communicate()
        if process.returncode:
            raise TargetError(f"valgrind: {complaint.decode('utf-8', 'replace')[-2000:]}")
        return _counts(said.decode(), Path(folder))


def _counts(said: str, folder: Path) -> dict[str, float]:
    """Read the dump of each workload that was run."""
    counts: dict[str, float] = {}
    for line in said.splitlines():
        name, units, dump = line.split()
        totals = _TOTALS.search((folder / f"{DUMPS}.{dump}").read_text("utf-8", "replace"))
        if totals is None:
            raise TargetError(f"valgrind wrote no count of {name}")
        counts[name] = int(totals[1]) / int(units)
        if counts[name] < FEWEST:
            raise TargetError(f"valgrind did not see {name} on this system")
    return counts
