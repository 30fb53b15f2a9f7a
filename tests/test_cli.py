"""The program as people start it: a process with a clean environment in an empty directory."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway import cli
from gateway._version import __version__
from gateway.cli import main
from gateway.demo.models import MODELS

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0
"""Far longer than anything here takes: only a test that fails waits for it."""
SECRET = "sk-do-not-show-me"


def environment(settings: dict[str, str]) -> dict[str, str]:
    """A clean environment; only a measurement of the coverage goes on in the process started."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"} | measured | settings


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return str(found.getsockname()[1])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path


type Result = subprocess.CompletedProcess[str]


def run(directory: Path, *arguments: str, **settings: str) -> Result:
    """Run the program to its end."""
    return _complete(directory, [sys.executable, "-m", "gateway", *arguments], settings)


def imported(directory: Path, *arguments: str, **settings: str) -> set[str]:
    """Run the program to its end; return the top-level packages that it imported."""
    result = _complete(directory, [sys.executable, "-X", "importtime", "-m", "gateway", *arguments], settings)
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def _complete(directory: Path, command: list[str], settings: dict[str, str]) -> Result:
    environ = environment(settings)
    return subprocess.run(
        command, cwd=directory, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


LISTED = 25


async def check_beside(directory: Path, **settings: str) -> Result:
    """Run `check` to its end while a server of this test answers it."""
    return await asyncio.to_thread(lambda: run(directory, "check", **settings))


@asynccontextmanager
async def started(directory: Path, *arguments: str, **settings: str) -> AsyncIterator[tuple[Process, str]]:
    """Run the program, and give its first line."""
    command = [sys.executable, "-m", "gateway", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, env=environment(settings), stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    try:
        yield process, (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def stop(process: Process, number: signal.Signals = signal.SIGTERM) -> tuple[str, str]:
    """End the program as a terminal does; return the rest of what it printed."""
    process.send_signal(number)
    output, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return output.decode(), errors.decode()


def refused(result: Result) -> list[str]:
    """The lines of a start that was refused for its settings."""
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    lines = result.stderr.splitlines()
    assert lines
    assert all(line.startswith("ollama-openai-proxy: ") for line in lines)
    return [line.removeprefix("ollama-openai-proxy: ") for line in lines]


# Without serving


def test_help_names_every_argument(directory: Path) -> None:
    result = run(directory, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    for word in ("--version", "--demo", "--host", "--port", "--log-level", "check", "python -m gateway"):
        assert word in result.stdout


def test_version_names_program_and_version(directory: Path) -> None:
    result = run(directory, "--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"ollama-openai-proxy {__version__} (commit ")
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--bogus"], ["serve"], ["--port"], ["--ho", "x"], ["check", "--port", "1"]])
def test_wrong_arguments_end_with_two_and_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage: " in capsys.readouterr().err


def test_help_and_version_import_neither_the_server_nor_pydantic(directory: Path) -> None:
    for argument in ("--help", "--version"):
        found = imported(directory, argument)
        assert "argparse" in found
        assert not found & {"aiohttp", "pydantic", "yarl", "structlog", "uvloop", "asyncio"}


def test_bad_settings_are_refused_before_the_server_is_imported(directory: Path) -> None:
    refused(run(directory, "--demo", PROXY_PORT="x"))
    found = imported(directory, "--demo", PROXY_PORT="x")
    assert "pydantic" in found
    assert not found & {"aiohttp", "structlog", "uvloop", "prometheus_client", "asyncio"}


def test_an_interrupt_before_the_server_runs_has_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupt)
    assert main([]) == 130


# Refused


def test_without_a_backend_both_ways_out_are_named(directory: Path) -> None:
    (line,) = refused(run(directory))
    assert "OPENAI_API_BASE_URL" in line
    assert "--demo" in line


def test_every_bad_setting_has_its_line(directory: Path) -> None:
    (directory / ".env").write_text("MAX_RETRIES=many\nUNKNOWN=1\n")
    lines = refused(run(directory, REQUEST_TIMEOUT="-1", OPENAI_API_KEY=f"{SECRET}\n"))
    assert [line.partition(":")[0] for line in lines] == ["OPENAI_API_KEY", "REQUEST_TIMEOUT", "MAX_RETRIES"]
    assert all("; expected " in line for line in lines)
    assert SECRET not in "".join(lines)


def test_a_bad_argument_is_told_under_its_own_name(directory: Path) -> None:
    lines = refused(run(directory, "--demo", "--port", "0", "--host", "a b", "--log-level", "loud", PROXY_PORT="80"))
    assert [line.partition(":")[0] for line in lines] == ["--host", "--port", "--log-level"]


def test_a_port_in_use_is_one_line_that_names_it(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        (line,) = refused(run(directory, "--demo", PROXY_PORT=port))
    assert port in line
    assert "PROXY_PORT" in line


def test_a_host_that_cannot_be_bound_is_one_line(directory: Path) -> None:
    (line,) = refused(run(directory, "--demo", "--host", "192.0.2.1"))
    assert "192.0.2.1" in line


# Serving


async def test_demo_prints_address_models_and_lines_that_work(directory: Path) -> None:
    port = free_port()
    async with started(directory, "--demo", PROXY_PORT=port) as (process, first):
        assert process.stdout is not None
        assert first.startswith(f"Ollama API at http://127.0.0.1:{port}")
        lines = [(await process.stdout.readline()).decode() for _ in range(4)]
        assert lines[0] == f"Models: {', '.join(model.id for model in MODELS)}\n"
        curl, sdk = lines[2:]
        body = curl.split("-d '")[1].rstrip("\n'")
        async with aiohttp.ClientSession() as session, session.post(curl.split()[2], data=body) as response:
            answer = [json.loads(line) for line in (await response.text()).splitlines()]
        assert len(answer) > 1
        assert answer[-1]["done"] is True
        code = sdk.split('"')[1]
        tried = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE, env=environment({}))
        said = (await asyncio.wait_for(tried.communicate(), PATIENCE_S))[0].decode()
        assert tried.returncode == 0
        assert said.strip()
        _, errors = await stop(process)
        assert (process.returncode, errors) == (0, "")


async def test_ctrl_c_ends_without_a_traceback(directory: Path) -> None:
    async with started(directory, "--demo", PROXY_PORT=free_port()) as (process, _):
        output, errors = await stop(process, signal.SIGINT)
        assert (process.returncode, errors) == (0, "")
        assert "Traceback" not in output


async def test_arguments_beat_the_environment_and_it_beats_dotenv(directory: Path) -> None:
    port = free_port()
    (directory / ".env").write_text("PROXY_PORT=1\nPROXY_HOST=192.0.2.1\nLOG_LEVEL=loud\nDEBUG=true\n")
    arguments = ["--demo", "--port", port, "--log-level", "error"]
    async with started(directory, *arguments, PROXY_PORT="2", PROXY_HOST="127.0.0.1") as (process, line):
        assert f"http://127.0.0.1:{port}" in line
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/api/version") as response:
            assert response.status == 200
        output, _ = await stop(process)
        assert not [row for row in output.splitlines() if row.startswith("{")], "a line below ERROR was logged"


async def test_demo_ignores_the_backend_and_its_key(directory: Path) -> None:
    settings = {"OPENAI_API_BASE_URL": "not a URL", "OPENAI_API_KEY": f"{SECRET}\n", "PROXY_PORT": free_port()}
    async with started(directory, "--demo", **settings) as (process, line):
        assert "demo" in line
        output, errors = await stop(process)
        assert SECRET not in output + errors


@pytest.fixture
async def backend() -> AsyncIterator[TestServer]:
    """A backend that wants a key and lists many models, none of which answers."""

    async def models(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return web.json_response({"error": {"message": "Incorrect API key provided"}}, status=401)
        return web.json_response({"object": "list", "data": [{"id": f"m{n}\x1b[2J"} for n in range(LISTED)]})

    async def html(request: web.Request) -> web.Response:
        return web.Response(text="<html>It works!</html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_get("/html/models", html)
    server = TestServer(app)
    async with server:
        yield server


async def test_serves_a_backend_and_names_its_host_but_not_its_key(directory: Path, backend: TestServer) -> None:
    port = free_port()
    (directory / ".env").write_text(f"OPENAI_API_BASE_URL={backend.make_url('/v1')}\nOPENAI_API_KEY={SECRET}\n")
    async with started(directory, PROXY_PORT=port) as (process, line):
        assert line == f"Ollama API at http://127.0.0.1:{port}, answered by 127.0.0.1\n"
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/api/tags") as response:
            assert len((await response.json())["models"]) == LISTED
        output, errors = await stop(process)
        assert SECRET not in output + errors


# check


async def test_check_tells_what_a_backend_lists_and_that_nothing_answers(directory: Path, backend: TestServer) -> None:
    url = str(backend.make_url("/v1"))
    result = await check_beside(directory, OPENAI_API_BASE_URL=url, OPENAI_API_KEY=SECRET, API_KEYS="client-one,two")
    assert result.returncode == 1
    rows = dict(pair for line in result.stdout.splitlines() if len(pair := line.split(maxsplit=1)) == 2)
    assert rows["reachable"].startswith("yes, after ")
    assert rows["models"] == f"{LISTED} listed, 5 asked, {LISTED - 5} left out (--all-models asks all)"
    assert "m0?[2J" in result.stdout
    assert SECRET not in result.stdout + result.stderr
    assert "client-one" not in result.stdout


@pytest.mark.parametrize(("path", "word"), [("/v1", "401"), ("/html", "HTML"), ("/nothing", "404")])
async def test_check_tells_a_backend_that_answers_without_a_list(
    path: str, word: str, directory: Path, backend: TestServer
) -> None:
    result = await check_beside(directory, OPENAI_API_BASE_URL=str(backend.make_url(path)), OPENAI_API_KEY="wrong-key")
    assert (result.returncode, result.stderr) == (1, "checking main\n")
    assert "yes, after" in result.stdout
    assert word in result.stdout
    assert "wrong-key" not in result.stdout


def test_check_tells_a_backend_that_cannot_be_reached(directory: Path) -> None:
    result = run(directory, "check", OPENAI_API_BASE_URL=f"http://127.0.0.1:{free_port()}/v1", OPENAI_API_KEY=SECRET)
    assert (result.returncode, result.stderr) == (1, "checking main\n")
    assert "reachable" in result.stdout
    assert "no, after" in result.stdout
    assert SECRET not in result.stdout


@pytest.mark.parametrize("arguments", [("check", "--demo"), ("--demo", "check")])
def test_check_of_the_demo_backend_asks_its_models(arguments: tuple[str, ...], directory: Path) -> None:
    result = run(directory, *arguments)
    assert result.returncode == 0
    assert [model.id for model in MODELS] in [line.split() for line in result.stdout.splitlines()]


def test_check_takes_a_choice_of_backends_and_models_and_prints_json(directory: Path) -> None:
    result = run(directory, "check", "--demo", "--backend", "main", "--model", "demo-embed", "--json")
    assert result.returncode == 0
    (backend,) = json.loads(result.stdout)["backends"]
    assert [model["id"] for model in backend["models"]] == ["demo-embed"]


def test_check_refuses_a_file_that_exists_in_one_line(directory: Path) -> None:
    (directory / "b.yaml").write_text("mine")
    (line,) = refused(run(directory, "check", "--write", "b.yaml", OPENAI_API_BASE_URL="http://127.0.0.1:9/v1"))
    assert line == "--write: b.yaml exists already; expected a new file, or --force to overwrite it"
    assert (directory / "b.yaml").read_text() == "mine"


def test_check_without_a_backend_or_with_a_bad_setting_ends_with_two(directory: Path) -> None:
    (line,) = refused(run(directory, "check"))
    assert "OPENAI_API_BASE_URL" in line
    (line,) = refused(run(directory, "check", "--demo", METRICS_PATH="/ready"))
    assert line.startswith("METRICS_PATH")


def test_check_says_what_is_dangerous(directory: Path) -> None:
    result = run(directory, "check", "--demo", DISABLE_SSL_VERIFICATION="true")
    assert "DISABLE_SSL_VERIFICATION" in result.stdout
