"""The gateway as a process of its own, for tests that signal it, count its workers and read its log."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.e2e.processes import ROOT, clean_environment, free_port

PATIENCE_S = 60.0
"""Far longer than anything takes: only a test that fails waits for it."""
_LISTENS = re.compile(r"^Ollama API at (https?://[^\s,]+),", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Program:
    """A running gateway; `output` has what it wrote to both of its outputs."""

    process: Process
    output: Path

    @property
    def text(self) -> str:
        """What it has written so far."""
        return self.output.read_text("utf-8")

    @property
    def url(self) -> str:
        """Where it says it listens."""
        found = _LISTENS.search(self.text)
        assert found is not None, self.text
        return found[1]

    def log(self, event: str) -> list[dict[str, Any]]:
        """Return its log lines of one event."""
        lines = [json.loads(line) for line in self.text.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if line["event"] == event]

    def workers(self) -> list[psutil.Process]:
        """Return its workers, oldest first; not what else it has started, such as git for the version."""
        try:
            found = psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []
        return sorted(filter(_is_worker, found), key=lambda worker: (worker.create_time(), worker.pid))

    def hang_up(self) -> None:
        """Send SIGHUP."""
        self.process.send_signal(signal.SIGHUP)

    async def logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for log lines of one event."""
        await until(lambda: len(self.log(event)) >= count, lambda: f"no {event!r} in:\n{self.text}")
        return self.log(event)

    async def ended(self) -> int:
        """Wait for the end; return the exit code."""
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    async def stop(self) -> int:
        """Send SIGTERM and wait for the end; return the exit code."""
        self.process.terminate()
        return await self.ended()


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "gateway.worker" in process.cmdline()
    except psutil.Error:
        return False


@asynccontextmanager
async def running(folder: Path, *arguments: str, **settings: str) -> AsyncIterator[Program]:
    """Start a gateway in a folder and wait until it serves; nothing of it is left afterwards."""
    async with started(folder, *arguments, **settings) as program:
        await until(lambda: bool(_LISTENS.search(program.text)) or program.process.returncode is not None)
        assert program.process.returncode is None, program.text
        yield program


@asynccontextmanager
async def started(folder: Path, *arguments: str, **settings: str) -> AsyncIterator[Program]:
    """Start a gateway that may not get far; nothing of it is left afterwards."""
    output = folder / "output"
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "--port", str(free_port()), *arguments),
            cwd=folder,
            env=clean_environment(**{"MAX_RETRIES": "0", **settings}),
            stdin=DEVNULL,
            stdout=file,
            stderr=file,
        )
    program = Program(process, output)
    family = {process.pid: psutil.Process(process.pid)}
    try:
        yield program
    finally:
        family |= {worker.pid: worker for worker in program.workers()}
        for member in family.values():
            if member.is_running():
                member.kill()
        await process.wait()


def first_running(folder: Path, code: str) -> dict[str, str]:
    """Have every interpreter run `code` first; return the settings for that."""
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


async def until(met: Callable[[], object], why: Callable[[], str] = lambda: "not met") -> None:
    """Wait for something that another process does."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not met():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(why()) from None


async def gone(processes: list[psutil.Process]) -> None:
    """Wait until processes have ended."""
    await until(lambda: not [one for one in processes if alive(one)], lambda: f"still there: {processes}")


def alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that ended and was not waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def client() -> aiohttp.ClientSession:
    """Return a session without proxies that may have any number of connections."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=PATIENCE_S)
    )
