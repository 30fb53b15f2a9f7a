"""What a service manager hears on its datagram socket, and when."""

import asyncio
import os
import secrets
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.config import Config
from gateway.notify import ServiceManager
from gateway.server import serve
from tests.e2e.processes import clean_environment, free_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no service manager with such a socket")
PATIENCE_S = 30.0
"""Far longer than anything here takes: only a test that fails waits for it."""


class Manager:
    """Stands for systemd: a socket, and what was said to it."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self.environ = {"NOTIFY_SOCKET": address}

    async def hears(self, first_line: str) -> str:
        """Wait for a message that begins with that line; return the lines after it. Others are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                line, _, rest = (await self.message()).partition("\n")
                if line == first_line:
                    return rest

    async def message(self) -> str:
        """Wait for the next message. Polled, because uvloop cannot read datagrams from such a socket."""
        while True:
            try:
                return self.socket.recv(4096).decode()
            except BlockingIOError:
                await asyncio.sleep(0.005)

    def waiting(self) -> list[str]:
        """Return what was said and not yet heard."""
        said: list[str] = []
        while True:
            try:
                said.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return said


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A manager at a path, and one in the abstract namespace."""
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("only Linux has abstract sockets")
    found = Manager(str(tmp_path / "notify") if request.param == "path" else f"@{secrets.token_hex(8)}")
    with closing(found.socket):
        yield found


@asynccontextmanager
async def serving(monkeypatch: pytest.MonkeyPatch, manager: Manager, app: web.Application) -> AsyncIterator[None]:
    """Run the server, with the manager's variables in the environment, until the context closes."""
    for name, value in manager.environ.items():
        monkeypatch.setenv(name, value)
    config = Config.from_mapping({})
    config = config.model_copy(update={"listen": config.listen.model_copy(update={"port": 0})})
    task = asyncio.create_task(serve(config, app_factory=lambda _: app))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE_S)


async def test_ready_is_said_once_clients_are_answered(monkeypatch: pytest.MonkeyPatch, manager: Manager) -> None:
    started = asyncio.Event()

    async def start_slowly(_: web.Application) -> None:
        await started.wait()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="here")

    app = web.Application()
    app.on_startup.append(start_slowly)
    app.router.add_get("/", answer)
    async with serving(monkeypatch, manager, app), aiohttp.ClientSession() as client:
        await asyncio.sleep(0.1)
        assert manager.waiting() == []
        started.set()
        status = await manager.hears("READY=1")
        url = status.removeprefix("STATUS=Serving at ")
        async with client.get(url) as response:
            assert await response.text() == "here"


async def test_stopping_is_said_while_running_requests_still_finish(
    monkeypatch: pytest.MonkeyPatch, manager: Manager
) -> None:
    arrived, finish = asyncio.Event(), asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        arrived.set()
        await finish.wait()
        return web.Response(text="finished")

    app = web.Application()
    app.router.add_get("/", answer)
    async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as tasks, serving(monkeypatch, manager, app):
        url = (await manager.hears("READY=1")).removeprefix("STATUS=Serving at ")
        answered = tasks.create_task(read(client, url))
        await arrived.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        assert (await manager.hears("STOPPING=1")).startswith("STATUS=")
        assert not answered.done()
        finish.set()
        assert await answered == "finished"


async def read(client: aiohttp.ClientSession, url: str) -> str:
    async with client.get(url) as response:
        return await response.text()


async def test_the_watchdog_hears_of_the_event_loop_from_the_start_to_the_end_of_the_drain(
    monkeypatch: pytest.MonkeyPatch, manager: Manager
) -> None:
    cleaning, cleaned = asyncio.Event(), asyncio.Event()

    async def clean_slowly(_: web.Application) -> None:
        cleaning.set()
        await cleaned.wait()

    app = web.Application()
    app.on_cleanup.append(clean_slowly)
    manager.environ |= {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid())}
    async with serving(monkeypatch, manager, app):
        await manager.hears("READY=1")
        for _ in range(3):
            await manager.hears("WATCHDOG=1")
        os.kill(os.getpid(), signal.SIGTERM)
        await manager.hears("STOPPING=1")
        await cleaning.wait()
        for _ in range(3):
            await manager.hears("WATCHDOG=1")
        cleaned.set()
    manager.waiting()
    await asyncio.sleep(0.1)
    assert manager.waiting() == []


async def test_a_loop_that_hangs_says_nothing(manager: Manager) -> None:
    there = ServiceManager.of({**manager.environ, "WATCHDOG_USEC": "20000"})
    async with there.kept_informed():
        await manager.hears("WATCHDOG=1")
        manager.waiting()
        # In one turn of the loop, as a handler that blocks: no other task gets to run.
        pause = asyncio.get_running_loop().time() + 0.1
        while asyncio.get_running_loop().time() < pause:
            pass
        assert manager.waiting() == []
        await manager.hears("WATCHDOG=1")


async def test_nothing_is_said_while_nobody_would_be_served(manager: Manager) -> None:
    well = False
    there = ServiceManager.of({**manager.environ, "WATCHDOG_USEC": "20000"})
    async with there.kept_informed(lambda: well):
        await asyncio.sleep(0.1)
        assert manager.waiting() == []
        well = True
        await manager.hears("WATCHDOG=1")


async def test_reading_the_configuration_again_is_announced_and_ended(
    monkeypatch: pytest.MonkeyPatch, manager: Manager
) -> None:
    async with serving(monkeypatch, manager, web.Application()):
        await manager.hears("READY=1")
        os.kill(os.getpid(), signal.SIGHUP)
        assert "MONOTONIC_USEC=" in await manager.hears("RELOADING=1")
        assert "Serving at" in await manager.hears("READY=1")


async def test_pings_come_at_half_of_the_time_that_the_manager_waits(
    monkeypatch: pytest.MonkeyPatch, manager: Manager
) -> None:
    slept: list[float] = []
    really_sleep = asyncio.sleep

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)
        await really_sleep(PATIENCE_S if len(slept) > 1 else 0)

    there = ServiceManager.of({**manager.environ, "WATCHDOG_USEC": "30000000"})
    monkeypatch.setattr("gateway.notify.asyncio.sleep", sleep)
    async with there.kept_informed():
        while len(slept) < 2:
            await really_sleep(0)
    assert slept == [15.0, 15.0]
    assert manager.waiting() == ["WATCHDOG=1", "WATCHDOG=1"]


@pytest.mark.parametrize(
    "watchdog",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid() + 1)},
    ],
    ids=["unset", "zero", "no number", "another process"],
)
def test_no_ping_is_sent_that_nobody_waits_for(watchdog: dict[str, str]) -> None:
    assert ServiceManager.of({"NOTIFY_SOCKET": "/run/notify", **watchdog}).watchdog_s is None


@pytest.mark.parametrize("address", [None, "", "notify", "vsock:2:1234"])
async def test_without_a_manager_nothing_is_sent(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.notify.socket.socket", unwanted)
    environ = {"WATCHDOG_USEC": "1000"} if address is None else {"WATCHDOG_USEC": "1000", "NOTIFY_SOCKET": address}
    nobody = ServiceManager.of(environ)
    nobody.ready("http://127.0.0.1:1")
    async with nobody.kept_informed():
        await asyncio.sleep(0.02)
    nobody.stopping(1)


def unwanted(*_: object) -> None:
    raise AssertionError("a socket was opened")


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    ServiceManager.of({"NOTIFY_SOCKET": str(tmp_path / "gone")}).stopping(1)


async def test_the_program_tells_its_manager_of_its_whole_life(manager: Manager, tmp_path: Path) -> None:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "--demo", "--port", str(free_port())),
        env=clean_environment(**manager.environ, WATCHDOG_USEC="1000000"),
        cwd=tmp_path,
        stdout=DEVNULL,
    )
    try:
        await manager.hears("READY=1")
        await manager.hears("WATCHDOG=1")
        program.send_signal(signal.SIGTERM)
        await manager.hears("STOPPING=1")
        assert await asyncio.wait_for(program.wait(), PATIENCE_S) == 0
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
