"""Runs the driver in an environment that has playwright, with the axe-core of npm: both are for development alone."""

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from tests.e2e.environments import node_with, python_with, why_no_node
from tests.e2e.processes import clean_environment

PLAYWRIGHT = "1.65.2"
AXE_CORE = "4.14.1"
STATUS_PAGE = Path(__file__).parent / "driver.py"
REFERENCE = Path(__file__).parent / "reference_driver.py"


def chromium() -> str | None:
    """Return where Chromium is."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def why_no_browser() -> str | None:
    """Why the page cannot be looked at here; None where it can."""
    if sys.platform != "linux" or chromium() is None:
        return "needs Chromium on Linux (Debian: apt-get install chromium)"
    return why_no_node()


async def look(folder: Path, driver: Path = STATUS_PAGE, /, **job: Any) -> dict[str, Any]:
    """Return what the driver reports; its pictures lie in `folder`. Raises RuntimeError with what it said last."""
    python = await asyncio.to_thread(python_with, {"playwright": PLAYWRIGHT})
    modules = await asyncio.to_thread(node_with, {"axe-core": AXE_CORE})
    axe = modules / "axe-core" / "axe.min.js"
    whole = {"folder": str(folder), "axe": str(axe), "chromium": chromium(), **job}
    process = await asyncio.create_subprocess_exec(
        python,
        driver,
        json.dumps(whole),
        env=clean_environment(HOME=str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode:
        raise RuntimeError(errors.decode())
    found: dict[str, Any] = json.loads(said)
    return found
