"""The level of the log, changed in processes that run: by a signal, and by an administrator."""

import signal
import sys
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.support.backend import ScriptedBackend
from tests.support.program import Program, client, gone, running, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGUSR1")

ADMIN = {"Authorization": "Bearer an-admin-key"}
CHANGED = "log level changed"


async def ask(session: aiohttp.ClientSession, program: Program) -> None:
    """Ask on a connection of its own, so that any worker may answer."""
    async with session.get(f"{program.url}/api/version", headers={"Connection": "close"}) as response:
        assert response.status == 200


async def test_a_signal_switches_everything_on_and_off_again(tmp_path: Path, backend: ScriptedBackend) -> None:
    async with (
        running(tmp_path, OPENAI_API_BASE_URL=backend.url, LOG_LEVEL="WARNING") as program,
        client() as session,
    ):
        await ask(session, program)
        program.process.send_signal(signal.SIGUSR1)
        assert (await program.logged(CHANGED))[0]["detail"] == "from DEBUG on"
        await ask(session, program)
        await program.logged("request")
        program.process.send_signal(signal.SIGUSR1)
        assert (await program.logged(CHANGED, 2))[1]["detail"] == "from WARNING on"
        await ask(session, program)
        assert len(program.log("request")) == 1
        assert await program.stop() == 0


async def replaced(program: Program) -> None:
    """Kill a worker and wait for the one that takes its place."""
    first, second = program.workers()
    first.kill()
    await gone([first])
    await until(lambda: len(program.workers()) == 2)
    assert second in program.workers()


async def test_a_signal_reaches_all_workers_and_those_that_come_later(tmp_path: Path, backend: ScriptedBackend) -> None:
    settings = {"OPENAI_API_BASE_URL": backend.url, "WORKERS": "2", "LOG_LEVEL": "WARNING"}
    async with running(tmp_path, **settings) as program, client() as session:
        old = program.workers()
        program.process.send_signal(signal.SIGUSR1)
        await program.logged(CHANGED, 3)  # the supervisor says it, too
        await replaced(program)
        await program.logged(CHANGED, 4)
        assert {line["detail"] for line in program.log(CHANGED)} == {"from DEBUG on"}
        for _ in range(10):
            await ask(session, program)
        await until(lambda: len(program.log("request")) >= 10)
        assert [one for one in old if one in program.workers()], "the signal ends no worker"


async def test_a_signal_to_every_process_of_a_service_changes_the_level_once(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    settings = {"OPENAI_API_BASE_URL": backend.url, "WORKERS": "2"}
    async with running(tmp_path, **settings) as program:
        workers = program.workers()
        for process in (*workers, psutil.Process(program.process.pid)):
            process.send_signal(signal.SIGUSR1)
        await program.logged(CHANGED, 3)
        assert program.workers() == workers
        assert {line["detail"] for line in program.log(CHANGED)} == {"from DEBUG on"}


async def test_what_an_administrator_chose_holds_for_workers_that_come_later(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    settings = {"OPENAI_API_BASE_URL": backend.url, "WORKERS": "2", "ADMIN_KEY": "an-admin-key"}
    async with running(tmp_path, **settings) as program, client() as session:
        url = f"{program.url}/admin/log-level"
        async with session.post(url, json={"level": "DEBUG"}, headers=ADMIN) as response:
            assert (await response.json())["processes"] == 2
        before = len(program.log(CHANGED))
        async with session.post(f"{program.url}/admin/reload", headers=ADMIN) as response:
            assert response.status == 200
        await replaced(program)
        assert (await program.logged(CHANGED, before + 1))[-1]["detail"] == "from DEBUG on"
