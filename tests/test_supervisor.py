"""A gateway with workers, as processes: who lives, who ends, who is told, and what is never left behind."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from contextlib import AsyncExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from gateway.cli import EXIT_BAD_SETTINGS
from gateway.config import Config, ConfigError
from gateway.slot import pause_s
from gateway.supervisor import supervise
from gateway.worker import EXIT_ORPHANED
from tests.e2e.processes import clean_environment
from tests.support.answers import DONE, ROLE, finish, token
from tests.support.backend import ScriptedBackend, end, hang, head, reached, send, wait
from tests.support.program import PATIENCE_S, alive, client, first_running, gone, running, started, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no workers on Windows")

ADMIN = {"Authorization": "Bearer an-admin-key"}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


async def ask(session: aiohttp.ClientSession, url: str) -> None:
    """Ask on a new connection; there must be an answer."""
    async with session.get(f"{url}/api/version", headers={"Connection": "close"}) as response:
        assert response.status == 200
        await response.read()


async def lines_of(response: aiohttp.ClientResponse) -> list[Any]:
    return [json.loads(line) for line in (await response.read()).splitlines()]


# Life


async def test_workers_serve_on_one_socket_and_nothing_is_left_after_the_end(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2") as program, client() as session:
        workers = program.workers()
        assert len(workers) == 2
        for _ in range(10):
            await ask(session, program.url)
        assert await program.stop() == 0
        assert not [worker for worker in workers if alive(worker)]
    assert program.text.count("Ollama API at") == 1
    assert "Traceback" not in program.text


async def test_one_worker_is_the_process_itself(tmp_path: Path, backend: ScriptedBackend) -> None:
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="1") as program:
        assert program.workers() == []
        assert await program.stop() == 0


async def test_a_worker_that_dies_is_replaced_and_the_others_serve_meanwhile(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2") as program, client() as session:
        dead, living = program.workers()
        dead.kill()
        await program.logged("worker ended")
        await ask(session, program.url)
        await until(lambda: len([worker for worker in program.workers() if worker != dead]) == 2)
        assert living in program.workers()
        (line,) = program.log("worker ended")
        assert (line["pid"], line["exit_code"]) == (dead.pid, -signal.SIGKILL)
        assert await program.stop() == 0


async def test_a_worker_that_is_told_to_end_is_replaced_too(tmp_path: Path, backend: ScriptedBackend) -> None:
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2") as program:
        told, other = program.workers()
        told.terminate()
        await program.logged("worker ended")
        await until(lambda: len(program.workers()) == 2 and told not in program.workers())
        assert other in program.workers()
        assert program.log("worker ended")[0]["exit_code"] == 0


@pytest.mark.slow
async def test_a_worker_that_hangs_is_ended_and_replaced(tmp_path: Path, backend: ScriptedBackend) -> None:
    quick = first_running(tmp_path, "import gateway.supervisor as s\ns.PING_EVERY_S, s.HUNG_AFTER_S = 0.2, 3.0\n")
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2", **quick) as program:
        hanging, _ = program.workers()
        hanging.suspend()
        (line,) = await program.logged("worker hangs")
        assert line["pid"] == hanging.pid
        await gone([hanging])
        await until(lambda: len(program.workers()) == 2)


async def test_a_start_that_fails_for_all_ends_with_its_reason_said_once(tmp_path: Path) -> None:
    backends = tmp_path / "backends.yaml"
    # Right until a worker builds its application from it.
    backends.write_text("backends: []\n")
    async with started(tmp_path, BACKENDS_FILE=str(backends), WORKERS="3") as program:
        assert await program.ended() == EXIT_BAD_SETTINGS
        assert program.workers() == []
        assert program.text.count("ollama-openai-proxy:") == 1


async def test_when_no_worker_can_be_started_the_supervisor_ends_with_an_error(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    broken = first_running(tmp_path, "import os, sys\nif 'gateway.worker' in sys.orig_argv:\n    os._exit(7)\n")
    settings = {"OPENAI_API_BASE_URL": backend.url, "WORKERS": "2", **broken}
    async with started(tmp_path, **settings) as program:
        assert await program.ended() == 7
        assert program.log("no worker can be started")[0]["exit_code"] == 7


@pytest.mark.slow
async def test_a_worker_that_always_dies_at_once_is_tried_ever_less_often(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    code = (
        "import os, sys\nif 'gateway.worker' in sys.orig_argv and ',1,0' in ''.join(sys.orig_argv):\n    os._exit(7)\n"
    )
    settings = {"OPENAI_API_BASE_URL": backend.url, "WORKERS": "2", **first_running(tmp_path, code)}
    async with running(tmp_path, **settings) as program, client() as session:
        lines = await program.logged("worker cannot be started", 3)
        assert [line["deaths"] for line in lines] == [1, 2, 3]
        first, *_, last = (datetime.fromisoformat(line["time"]) for line in lines)
        assert (last - first).total_seconds() >= pause_s(1) + pause_s(2)
        await ask(session, program.url)
        assert await program.stop() == 0


async def test_a_port_in_use_is_one_line_and_no_worker(tmp_path: Path, backend: ScriptedBackend) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        settings = {"OPENAI_API_BASE_URL": backend.url, "WORKERS": "2"}
        async with started(tmp_path, "--port", port, **settings) as program:
            assert await program.ended() == EXIT_BAD_SETTINGS
            assert "is in use" in program.text


def test_windows_refuses_workers_in_a_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ConfigError, match=r"^WORKERS: is 2; expected 1: on Windows"):
        supervise(Config.from_mapping({"WORKERS": "2"}), (), on_ready=None)


# The end


async def test_a_terminated_gateway_lets_streams_finish(tmp_path: Path, backend: ScriptedBackend) -> None:
    finished, begun = asyncio.Event(), asyncio.Event()
    backend.play(
        [head(), send(ROLE, token("a")), reached(begun), wait(finished), send(token("b"), finish(), DONE), end]
    )
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2") as program, client() as session:
        async with session.post(f"{program.url}/api/chat", json=CHAT) as response:
            await response.content.readline()
            program.process.terminate()
            await until(lambda: refused(program.url))
            assert program.process.returncode is None
            finished.set()
            assert (await lines_of(response))[-1]["done"] is True
        assert await program.ended() == 0


def refused(url: str) -> bool:
    host, _, port = url.rpartition("//")[2].rpartition(":")
    try:
        socket.create_connection((host, int(port))).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_after_the_grace_streams_end_honestly_and_what_has_shown_nothing_gets_503(
    tmp_path: Path, backend: ScriptedBackend, workers: str
) -> None:
    backend.play([head(), send(ROLE, token("a")), hang], [hang])
    settings = {"OPENAI_API_BASE_URL": backend.url, "WORKERS": workers, "SHUTDOWN_GRACE": "0.5"}
    async with running(tmp_path, **settings) as program, client() as session, AsyncExitStack() as stack:
        url = f"{program.url}/api/chat"
        stream = await stack.enter_async_context(session.post(url, json=CHAT))
        await stream.content.readline()
        silent = asyncio.create_task(session.post(url, json=CHAT))
        await backend.call(1)
        assert await program.stop() == 0
        assert "stopping" in (await lines_of(stream))[-1]["error"]
        answer = await silent
        assert answer.status == 503
        assert "stopping" in (await answer.json())["error"]


async def test_a_second_signal_ends_all_at_once(tmp_path: Path, backend: ScriptedBackend) -> None:
    backend.play([head(), send(ROLE, token("a")), hang])
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2") as program, client() as session:
        workers = program.workers()
        async with session.post(f"{program.url}/api/chat", json=CHAT) as response:
            await response.content.readline()
            program.process.terminate()
            await until(lambda: refused(program.url))
            assert await program.stop() == 128 + signal.SIGTERM
            with pytest.raises(aiohttp.ClientError):
                await response.read()
        await gone(workers)


async def test_signals_to_the_whole_group_stop_as_one_signal_does(tmp_path: Path, backend: ScriptedBackend) -> None:
    """As a terminal and a service manager do it: every worker gets what the supervisor gets, and is told as well."""
    finished = asyncio.Event()
    backend.play([head(), send(ROLE, token("a")), wait(finished), send(finish(), DONE), end])
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2") as program, client() as session:
        async with session.post(f"{program.url}/api/chat", json=CHAT) as response:
            await response.content.readline()
            for process in [psutil.Process(program.process.pid), *program.workers()]:
                process.terminate()
            await until(lambda: refused(program.url))
            finished.set()
            assert (await lines_of(response))[-1]["done"] is True
        assert await program.ended() == 0


async def test_workers_end_by_themselves_when_their_supervisor_is_killed(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    finished = asyncio.Event()
    backend.play([head(), send(ROLE, token("a")), wait(finished), send(finish(), DONE), end])
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2") as program, client() as session:
        workers = program.workers()
        async with session.post(f"{program.url}/api/chat", json=CHAT) as response:
            await response.content.readline()
            program.process.kill()
            await program.ended()
            await until(lambda: refused(program.url))
            finished.set()
            assert (await lines_of(response))[-1]["done"] is True
        await gone(workers)


async def test_a_worker_that_cannot_end_by_itself_is_not_left_either() -> None:
    """Its event loop never turns: only the thread that watches the lifeline can do something."""
    blocked = (
        "import os, sys, time\nfrom gateway.worker import Lifeline\n"
        "line = Lifeline(int(sys.argv[1]))\nline.calls(lambda: None, 0.1)\nline.start()\nprint(flush=True)\n"
        "while True: time.sleep(60)"
    )
    readable, held = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", blocked, str(readable)),
        pass_fds=[readable],
        env=clean_environment(),
        stdout=PIPE,
    )
    os.close(readable)
    assert process.stdout is not None
    await process.stdout.readline()
    assert process.returncode is None
    os.close(held)
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == EXIT_ORPHANED
