"""The gateway under test: its backends file, its settings, and how it is started as a process of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.e2e import processes
from tests.faults.asking import WAYS
from tests.faults.wire import SPARE_MODEL

FIRST_TOKEN_S = 10.0
SILENCE_S = 30.0
HEARTBEAT_S = 15.0
CLIENT_IDLE_S = 75.0
RETRIES = 2
COLUMNS = tuple(way.name for way in WAYS)


def settings(scale: float, file: Path) -> dict[str, str]:
    """Return the settings of a gateway whose clocks are multiplied by `scale`."""
    return {
        "BACKENDS_FILE": str(file),
        "REQUEST_TIMEOUT": f"{SILENCE_S * scale:g}",
        "FIRST_TOKEN_TIMEOUT": f"{FIRST_TOKEN_S * scale:g}",
        "TOTAL_TIMEOUT": f"{SILENCE_S * scale:g}",
        "HEARTBEAT_INTERVAL": f"{HEARTBEAT_S * scale:g}",
        "CLIENT_IDLE_TIMEOUT": f"{CLIENT_IDLE_S * scale:g}",
        "MAX_RETRIES": str(RETRIES),
        "PLAIN_REQUESTS": "streamed",
        "LOG_LEVEL": "WARNING",
    }


def fleet(base: str, columns: Iterable[str] = COLUMNS, more: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return what stands in a backends file: for each column of the scorecard a primary and a spare of its own.

    `base` is the backend's address without a path. Names that begin with `alone-` have no fallback. `more`: further
    backends.
    """
    backends: list[Mapping[str, Any]] = []
    rules: dict[str, Any] = {}
    for name in columns:
        url = f"{base}/{name}/v1"
        backends += [
            {"name": f"primary-{name}", "base_url": url, "models": [f"*.{name}"], "profile": "generic"},
            {"name": f"spare-{name}", "base_url": url, "models": [SPARE_MODEL], "profile": "generic"},
        ]
        rules |= {f"{digit}*.{name}": {"fallbacks": [f"spare-{name}/{SPARE_MODEL}"]} for digit in "012"}
    return {"backends": [*backends, *more], "models": rules}


def write_fleet(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write a backends file and return where it is."""
    path = folder / "backends.json"
    path.write_text(json.dumps(dict(content), indent=1), "utf-8")
    return path


@asynccontextmanager
async def gateway_process(
    folder: Path, content: Mapping[str, Any], scale: float, **more: str
) -> AsyncIterator[processes.Program]:
    """Run a gateway in front of these backends until the context closes; it must then end well."""
    chosen = {**settings(scale, write_fleet(folder, content)), **more}
    running = processes.gateway(folder, **chosen)
    # In threads: the backend lives in this loop, and must answer while the gateway starts and ends.
    program = await asyncio.to_thread(running.__enter__)
    try:
        yield program
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)
