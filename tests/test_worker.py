"""What workers have in common: reloads, limits, questions, the service manager, TLS."""

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE
from contextlib import closing
from pathlib import Path

import pytest

from gateway.cli import EXIT_BAD_SETTINGS
from tests.e2e.processes import clean_environment
from tests.support.answers import DONE, ROLE, finish, token
from tests.support.backend import ScriptedBackend, end, head, send
from tests.support.certificates import FIRST, SECOND
from tests.support.program import PATIENCE_S, client, first_running, gone, running
from tests.test_notify import Manager

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there are no workers on Windows"),
]

ADMIN = {"Authorization": "Bearer an-admin-key"}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


# What workers do together


async def test_an_administrator_reloads_every_worker(tmp_path: Path, backend: ScriptedBackend) -> None:
    backends = tmp_path / "backends.yaml"
    write_backends(backends, backend, "one")
    settings = {"BACKENDS_FILE": str(backends), "WORKERS": "2", "ADMIN_KEY": "an-admin-key"}
    async with running(tmp_path, **settings) as program, client() as session:
        workers = program.workers()
        write_backends(backends, backend, "two")
        async with session.post(f"{program.url}/admin/reload", headers=ADMIN) as response:
            assert (await response.json()) == {"status": "reloaded", "backends": ["two"]}
        assert {line["backends"][0] for line in await program.logged("configuration read again", 2)} == {"two"}
        assert program.workers() == workers
        backends.write_text("nothing of the kind")
        async with session.post(f"{program.url}/admin/reload", headers=ADMIN) as response:
            assert response.status == 400
        assert len(program.log("configuration read again")) == 2


def write_backends(file: Path, backend: ScriptedBackend, name: str) -> None:
    file.write_text(f"backends:\n  - name: {name}\n    base_url: {backend.url}\n")


async def test_workers_count_a_limit_together(tmp_path: Path, backend: ScriptedBackend) -> None:
    backend.play([head(), send(ROLE, token("a"), finish(), DONE), end])
    settings = {"OPENAI_API_BASE_URL": backend.url, "WORKERS": "3", "RATE_LIMIT_RPM": "5"}
    async with running(tmp_path, **settings) as program, client() as session:
        statuses = []
        for _ in range(12):
            async with session.post(f"{program.url}/api/chat", json=CHAT, headers={"Connection": "close"}) as response:
                statuses.append(response.status)
        assert statuses.count(200) == 5
        assert statuses.count(429) == 7


COLLECTS = """
import os, sys
if "gateway.worker" in sys.orig_argv:
    from aiohttp import web
    from gateway.handlers.health import HealthHandler

    async def pid(_):
        return os.getpid()

    async def ready(self, request):
        return web.json_response(await self._lifecycle.collect("pid"))

    make = HealthHandler.__init__

    def __init__(self, backends, lifecycle, *more):
        make(self, backends, lifecycle, *more)
        lifecycle.topics["pid"] = pid

    HealthHandler.__init__, HealthHandler.ready = __init__, ready
"""


async def test_a_worker_collects_the_answers_of_all(tmp_path: Path, backend: ScriptedBackend) -> None:
    settings = {"OPENAI_API_BASE_URL": backend.url, "WORKERS": "3", **first_running(tmp_path, COLLECTS)}
    async with (
        running(tmp_path, **settings) as program,
        client() as session,
        session.get(f"{program.url}/ready") as response,
    ):
        assert set(await response.json()) == {worker.pid for worker in program.workers()}


async def test_what_is_dangerous_is_said_once(tmp_path: Path, backend: ScriptedBackend) -> None:
    settings = {"OPENAI_API_BASE_URL": backend.url, "WORKERS": "2", "CORS_ORIGINS": "*", "OPENAI_API_KEY": "sk-of-it"}
    async with running(tmp_path, **settings) as program:
        await program.logged("configuration")
        assert await program.stop() == 0
        assert len({line["detail"] for line in program.log("configuration")}) == len(program.log("configuration"))


async def test_a_worker_cannot_be_started_by_hand() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.worker"), env=clean_environment(), stderr=PIPE
    )
    _, said = await process.communicate()
    assert (process.returncode, said.count(b"\n"), b"WORKERS" in said) == (EXIT_BAD_SETTINGS, 1, True)


# The service manager


async def test_the_manager_hears_of_one_service_and_workers_say_nothing(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    manager = Manager(str(tmp_path / "notify"))
    with closing(manager.socket):
        # Nobody listens during the start, and ten messages are all that wait: not one of them may take another's place.
        settings = {**manager.environ, "WATCHDOG_USEC": "8000000", "OPENAI_API_BASE_URL": backend.url, "WORKERS": "2"}
        async with running(tmp_path, **settings) as program:
            workers = program.workers()
            assert len(workers) == 2
            assert (await manager.hears("READY=1")).endswith(program.url)
            await manager.hears("WATCHDOG=1")
            program.hang_up()
            assert "MONOTONIC_USEC=" in await manager.hears("RELOADING=1")
            await manager.hears("READY=1")
            await gone(workers)
            program.process.terminate()
            assert "EXTEND_TIMEOUT_USEC=" in await manager.hears("STOPPING=1")
            assert await program.ended() == 0
            assert not [said for said in manager.waiting() if said != "WATCHDOG=1"]


ACTIVATE = """
import os, socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
os.dup2(listener.fileno(), 3, inheritable=True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, "-m", "gateway"])
"""


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_socket_of_the_service_manager_is_served_and_outlives_the_gateway(
    tmp_path: Path, backend: ScriptedBackend, workers: str
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        url = "http://{}:{}".format(*listener.getsockname())
        environ = clean_environment(OPENAI_API_BASE_URL=backend.url, WORKERS=workers, PROXY_HOST="192.0.2.1")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ACTIVATE, str(listener.fileno())),
            pass_fds=[listener.fileno()],
            env=environ,
            cwd=tmp_path,
            stdout=PIPE,
        )
        try:
            assert process.stdout is not None
            async with client() as session, session.get(f"{url}/api/version") as response:
                assert response.status == 200
            said = await asyncio.wait_for(process.stdout.readuntil(b"answered by"), PATIENCE_S)
            assert url.encode() in said
            process.terminate()
            assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
            socket.create_connection(listener.getsockname()).close()
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


# TLS


@pytest.mark.slow
async def test_workers_serve_tls_and_take_a_new_certificate_with_them(tmp_path: Path, backend: ScriptedBackend) -> None:
    settings = {"OPENAI_API_BASE_URL": backend.url, "WORKERS": "2", **FIRST.write(tmp_path)}
    async with running(tmp_path, **settings) as program, client() as session:
        assert program.url.startswith("https://")
        async with session.get(f"{program.url}/api/version", ssl=FIRST.trusted()) as response:
            assert response.status == 200
        old = program.workers()
        SECOND.write(tmp_path)
        program.hang_up()
        await program.logged("workers replaced")
        await gone(old)
        async with session.get(f"{program.url}/api/version", ssl=SECOND.trusted()) as response:
            assert response.status == 200
        Path(settings["TLS_KEY_FILE"]).write_text(FIRST.key)
        program.hang_up()
        (line,) = await program.logged("configuration refused, the old workers stay")
        assert "TLS_CERT_FILE" in line["detail"]
        async with session.get(f"{program.url}/api/version", ssl=SECOND.trusted()) as response:
            assert response.status == 200
