"""The running process: the runner, signals and the drain."""

import asyncio
import gc
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.config import Config
from gateway.lifecycle import LIFECYCLE, Lifecycle
from gateway.listener import listening_socket
from gateway.server import runner_options, serve

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 30.0
"""Far longer than anything here takes: only a test that fails waits for it."""


def config_for(**mapping: str) -> Config:
    """A configuration on a port that the system chooses (no setting may say that)."""
    config = Config.from_mapping(mapping)
    return config.model_copy(update={"listen": config.listen.model_copy(update={"port": 0})})


@asynccontextmanager
async def serving(config: Config, app: web.Application) -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(config, on_ready=ready.set_result, app_factory=lambda _: app))
    try:
        started: set[asyncio.Future[Any]] = {task, ready}
        await asyncio.wait(started, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        yield ready.result(), task
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE_S)


def app_with(handler: Callable[[web.Request], object]) -> web.Application:
    async def handle(request: web.Request) -> web.StreamResponse:
        found = handler(request)
        response = await found if asyncio.iscoroutine(found) else found
        assert isinstance(response, web.StreamResponse)
        return response

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    return app


async def read(url: str, **arguments: object) -> str:
    async with aiohttp.ClientSession() as session, session.request("POST", url, **arguments) as response:  # type: ignore[arg-type]  # passed on as they are
        return await response.text()


# The socket


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "http://127.0.0.1:"), ("localhost", "http://127.0.0.1:")])
async def test_serves_at_the_address_it_names(host: str, address: str) -> None:
    async with serving(config_for(PROXY_HOST=host), app_with(lambda _: web.Response(text="here"))) as (url, _):
        assert url.startswith(address)
        assert await read(url) == "here"


@pytest.mark.parametrize("host", ["::1", "[::1]", "::"])
async def test_serves_on_ipv6(host: str) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with serving(config_for(PROXY_HOST=host), app_with(lambda _: web.Response(text="here"))) as (url, _):
        assert url.startswith("http://[::1]:")
        assert await read(url) == "here"


async def test_the_port_is_free_again_after_the_end() -> None:
    async with serving(config_for(), app_with(lambda _: web.Response())) as (url, _):
        port = int(url.rpartition(":")[2])
        await read(url)
    listening_socket(Config.from_mapping({"PROXY_PORT": str(port)}).listen).close()


# The runner


def test_the_runner_cancels_handlers_of_clients_that_left_and_logs_nothing_itself() -> None:
    options = runner_options(Config.from_mapping({}))
    assert options["handler_cancellation"] is True
    assert options["access_log"] is None
    assert options["auto_decompress"] is False
    assert options["keepalive_timeout"] == 75.0
    assert options["shutdown_timeout"] > Config.from_mapping({}).listen.shutdown_grace_s


async def test_the_handler_of_a_client_that_left_is_cancelled() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        await request.read()
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return web.Response()

    async with serving(config_for(), app_with(hang)) as (url, _):
        asking = asyncio.create_task(read(url))
        await asyncio.wait_for(started.wait(), PATIENCE_S)
        asking.cancel()
        await asyncio.wait_for(cancelled.wait(), PATIENCE_S)


async def test_long_header_fields_are_accepted() -> None:
    async with serving(config_for(), app_with(lambda request: web.Response(text=request.headers["X-Long"][-1]))) as (
        url,
        _,
    ):
        assert await read(url, headers={"X-Long": "a" * 12_000 + "z"}) == "z"


# The end


async def test_running_requests_finish_and_nothing_new_is_accepted_while_stopping() -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def wait(request: web.Request) -> web.Response:
        started.set()
        await go_on.wait()
        return web.Response(text="finished")

    app = app_with(wait)
    async with serving(config_for(), app) as (url, task):
        lifecycle = app[LIFECYCLE]
        assert not lifecycle.stopping
        asking = asyncio.create_task(read(url))
        await asyncio.wait_for(started.wait(), PATIENCE_S)
        task.cancel()
        await _until(lambda: lifecycle.stopping)
        await _until_refused(url)
        go_on.set()
        assert await asyncio.wait_for(asking, PATIENCE_S) == "finished"


async def test_streams_that_outlive_the_grace_are_told_to_end_and_write_their_last_line() -> None:
    started = asyncio.Event()

    class Stream:
        def __init__(self) -> None:
            self.told = asyncio.Event()

        def end(self) -> None:
            self.told.set()

    async def talk(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first\n")
        stream = Stream()
        request.app[LIFECYCLE].live.add(stream)
        started.set()
        await stream.told.wait()
        await response.write(b"last\n")
        return response

    app = app_with(talk)
    async with serving(config_for(SHUTDOWN_GRACE="0.05"), app) as (url, task):
        asking = asyncio.create_task(read(url))
        await asyncio.wait_for(started.wait(), PATIENCE_S)
        task.cancel()
        assert await asyncio.wait_for(asking, PATIENCE_S) == "first\nlast\n"


async def test_a_client_that_does_not_read_cannot_hold_up_the_end() -> None:
    started = asyncio.Event()

    async def pour(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        started.set()
        while True:
            await response.write(b"x" * 65_536)

    async with serving(config_for(SHUTDOWN_GRACE="0"), app_with(pour)) as (url, task):
        host, _, port = url.removeprefix("http://").rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        await asyncio.wait_for(started.wait(), PATIENCE_S)
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE_S)
        assert task.done()
        writer.close()


async def test_a_connection_that_was_just_made_still_brings_its_request_and_is_told_to_close() -> None:
    app = app_with(lambda _: web.Response(text="here"))
    async with serving(config_for(), app) as (url, task):
        host, _, port = url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await _until_counted(reader, writer)
        task.cancel()
        await _until(lambda: app[LIFECYCLE].stopping)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        assert answer.endswith(b"here")
        assert b"Connection: close" in answer
        writer.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a socket that was duplicated cannot accept there")
async def test_connections_that_queue_when_the_stop_begins_are_served_and_not_reset() -> None:
    app = app_with(lambda _: web.Response(text="here"))
    async with serving(config_for(), app) as (url, task):
        host, _, port = url.removeprefix("http://").rpartition(":")
        # The event loop turns only when all of this has happened.
        clients = [socket.create_connection((host, int(port))) for _ in range(20)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        task.cancel()
        for client in clients:
            reader, writer = await asyncio.open_connection(sock=client)
            answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
            assert answer.endswith(b"here")
            assert b"Connection: close" in answer
            writer.close()


async def test_a_connection_whose_answer_ran_into_the_stop_still_brings_the_next_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.stopping.LINGER_S", 0.5)
    go_on = asyncio.Event()

    class Running:
        def end(self) -> None:
            go_on.set()

    async def talk(request: web.Request) -> web.StreamResponse:
        response, running, live = web.StreamResponse(), Running(), request.app[LIFECYCLE].live
        live.add(running)
        await response.prepare(request)
        await response.write(b"begun")
        await go_on.wait()
        await response.write_eof()
        live.discard(running)
        return response

    app = app_with(talk)
    async with serving(config_for(), app) as (url, task):
        host, _, port = url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert b"Connection: close" not in await asyncio.wait_for(reader.readuntil(b"begun"), PATIENCE_S)
        task.cancel()
        await _until(lambda: app[LIFECYCLE].stopping)
        await asyncio.sleep(0.7)
        go_on.set()
        await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), PATIENCE_S)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert b"Connection: close" in await asyncio.wait_for(reader.read(), PATIENCE_S)
        writer.close()


async def _until_counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask once, so that the connection is known to the server."""
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    assert b"Connection: close" not in head
    assert await reader.readexactly(4) == b"here"


async def test_an_application_that_cannot_start_frees_its_port_and_is_cleaned_up() -> None:
    steps: list[str] = []

    async def resource(app: web.Application) -> AsyncIterator[None]:
        steps.append("made")
        yield
        steps.append("freed")

    async def fail(app: web.Application) -> None:
        raise LookupError("no luck")

    app = web.Application()
    app.cleanup_ctx.append(resource)
    app.on_startup.append(fail)
    with closing(listening_socket(config_for().listen)) as found:
        port = found.getsockname()[1]
    config = Config.from_mapping({"PROXY_PORT": str(port)})
    with pytest.raises(LookupError):
        await serve(config, app_factory=lambda _: app)
    assert steps == ["made", "freed"]
    listening_socket(config.listen).close()


async def test_a_loop_without_signal_handlers_serves_and_ends_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", refuse)
    monkeypatch.setattr(asyncio.get_running_loop(), "remove_signal_handler", refuse)
    async with serving(config_for(), app_with(lambda _: web.Response(text="here"))) as (url, task):
        assert await read(url) == "here"
    assert task.cancelled()


async def test_garbage_is_collected_again_once_the_start_is_over() -> None:
    gc.disable()
    try:
        async with serving(config_for(), app_with(lambda _: web.Response(text="here"))) as (url, _):
            assert await read(url) == "here"
            assert gc.isenabled()
    finally:
        gc.enable()


async def test_the_lifecycle_of_the_application_is_kept() -> None:
    app = app_with(lambda _: web.Response())
    app[LIFECYCLE] = own = Lifecycle()
    async with serving(config_for(), app):
        assert app[LIFECYCLE] is own
        assert own.uptime_s >= 0
    assert own.stopping


PROGRAM = """
import asyncio, pathlib, sys
from aiohttp import web
from gateway import server
from gateway.config import Config

config = Config.from_mapping({"CORS_ORIGINS": "*", "OPENAI_API_KEY": "sk-do-not-show-me"})
config = config.model_copy(update={"listen": config.listen.model_copy(update={"port": 0})})

async def wait(request):
    print("started", flush=True)
    while not pathlib.Path("released").exists():
        await asyncio.sleep(0.01)
    return web.Response(text="finished")

async def say(app):
    print("stopping", flush=True)

def make(config):
    app = web.Application()
    app.on_shutdown.append(say)
    app.router.add_post("/", wait)
    return app

sys.exit(server.run(config, on_ready=lambda address: print(address, flush=True), app_factory=make))
"""


@asynccontextmanager
async def program(directory: Path) -> AsyncIterator[tuple[Process, str]]:
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    environ = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]} | measured
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, stdout=PIPE, stderr=PIPE, env=environ, cwd=directory
    )
    try:
        yield process, await _line(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _line(process: Process) -> str:
    """The next line of the program that is not a log line."""
    assert process.stdout is not None
    while (line := (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode()).startswith("{"):
        assert json.loads(line)
    return line.strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_the_running_request_finish_and_exits_with_zero(
    number: signal.Signals, tmp_path: Path
) -> None:
    async with program(tmp_path) as (process, url):
        asking = asyncio.create_task(read(url))
        assert await _line(process) == "started"
        process.send_signal(number)
        assert await _line(process) == "stopping"
        await _until_refused(url)
        assert process.returncode is None
        (tmp_path / "released").touch()
        assert await asyncio.wait_for(asking, PATIENCE_S) == "finished"
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
        assert process.stderr is not None
        assert await process.stderr.read() == b""


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    async with program(tmp_path) as (process, url):
        asking = asyncio.create_task(read(url))
        assert await _line(process) == "started"
        process.send_signal(signal.SIGTERM)
        assert await _line(process) == "stopping"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 128 + signal.SIGTERM
        with pytest.raises(aiohttp.ClientError):
            await asking


async def test_dangerous_settings_are_logged_at_the_start_without_the_key(tmp_path: Path) -> None:
    async with program(tmp_path) as (process, _):
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        record = json.loads(line)
        assert record["level"] == "warning"
        assert "CORS_ORIGINS" in record["detail"]
        assert b"sk-do-not-show-me" not in line


async def _until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not met():
            await asyncio.sleep(0.005)


async def _until_refused(url: str) -> None:
    host, _, port = url.removeprefix("http://").rpartition(":")
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionRefusedError:
                return
            writer.close()
            await asyncio.sleep(0.005)
