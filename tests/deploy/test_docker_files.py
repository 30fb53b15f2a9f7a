"""The files of docker/: clean to judges, true of the settings, and doing what their comments say."""

import asyncio
import re
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from gateway.config import Config, settings
from gateway.stopping import LAST_WORDS_S
from tests.deploy.image import run
from tests.e2e.processes import free_port
from tests.support.backend import ScriptedBackend, end, head, send, wait

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = ["Dockerfile", "Dockerfile.dev"]
COMPOSE_FILES = sorted(path.name for path in DOCKER.glob("compose*.yaml"))
PRODUCTION = "compose.production.yaml"
"""tests/deploy/test_production.py has what it has beyond the others."""
NAMES = {row.name for row in settings()}
PATIENCE_S = 60.0
"""Far longer than anything here takes: only a test that fails waits for it."""


def tool(name: str) -> str:
    """Return the path of a program: beside this Python, else in PATH."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def accepted(*command: str | Path) -> None:
    """Run a judge that must have nothing to say."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def compose(name: str) -> dict[str, Any]:
    """Return the services of a compose file."""
    found: dict[str, Any] = yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))["services"]
    return found


def whole_gateway(name: str) -> dict[str, Any]:
    """Return the gateway of a compose file, with what it takes over from another file."""
    own: dict[str, Any] = compose(name)["gateway"]
    if "extends" not in own:
        return own
    base = whole_gateway(own["extends"]["file"])
    return {**base, **own, "environment": {**base["environment"], **own.get("environment", {})}}


# Files


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_has_nothing_to_say_of_a_dockerfile(name: str) -> None:
    accepted(tool("hadolint"), DOCKER / name)


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_a_compose_file_fits_the_schema(name: str) -> None:
    accepted(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DOCKER / name)


def test_there_is_a_compose_file_for_each_use() -> None:
    assert set(COMPOSE_FILES) == {
        f"compose{kind}.yaml" for kind in ("", ".dev", ".llamacpp", ".production", ".tls", ".vllm")
    }


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_compose_hands_on_every_setting_and_sets_none_that_does_not_exist(name: str) -> None:
    gateway = whole_gateway(name)
    assert gateway["env_file"] == [{"path": "../.env", "required": name == PRODUCTION}]
    assert set(gateway["environment"]) <= NAMES
    # What compose sets itself, nobody can set in .env: only what the container decides, and what stands beside it.
    beside = {"TRUSTED_PROXIES", "REDIS_URL", "CACHE_URL"} if name == PRODUCTION else {"OPENAI_API_BASE_URL"}
    assert {"PROXY_HOST", "PROXY_PORT"} <= set(gateway["environment"])
    assert set(gateway["environment"]) <= {"PROXY_HOST", "PROXY_PORT"} | beside
    assert gateway["environment"]["PROXY_HOST"] == "0.0.0.0"


def test_the_file_to_copy_for_compose_has_every_setting() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#?([A-Z][A-Z_]+)=", text, re.MULTILINE)) == NAMES


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_compose_gives_the_gateway_no_rights_and_this_machine_alone_its_port(name: str) -> None:
    gateway = whole_gateway(name)
    assert gateway["read_only"] is True
    assert gateway["cap_drop"] == ["ALL"]
    assert gateway["security_opt"] == ["no-new-privileges:true"]
    assert gateway.get("ports", []) == ([] if name == PRODUCTION else ["${PUBLISH:-127.0.0.1:11434}:11434"])


@pytest.mark.parametrize("name", [name for name in COMPOSE_FILES if name != "compose.dev.yaml"])
def test_compose_gives_the_gateway_the_time_it_takes_to_stop(name: str) -> None:
    grace_s = Config.from_mapping({}).listen.shutdown_grace_s
    assert int(whole_gateway(name)["stop_grace_period"].removesuffix("s")) > grace_s + LAST_WORDS_S


def test_every_dependency_has_a_wheel_for_arm64(tmp_path: Path) -> None:
    platforms = [f"--platform=manylinux{kind}_aarch64" for kind in ("2014", "_2_17", "_2_28")]
    target = ["--python-version=3.12", "--implementation=cp", "--abi=cp312", "--abi=abi3", "--abi=none"]
    how = ["--only-binary=:all:", "--require-hashes", "--no-deps", f"--dest={tmp_path}"]
    accepted(sys.executable, "-m", "pip", "download", "--quiet", *platforms, *target, *how, "-r", "requirements.txt")
    assert any("aarch64" in path.name for path in tmp_path.glob("uvloop-*.whl"))


def test_build_tells_the_builder_version_commit_and_date(tmp_path: Path) -> None:
    builder = tmp_path / "docker"
    builder.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    builder.chmod(0o755)
    given = {"BUILDER": str(builder), "REVISION": "abc", "CREATED": "2026-01-02T03:04:05+00:00"}
    said = run("docker/build.sh", "--platform", "linux/arm64", **given).splitlines()
    (version,) = re.findall(r'^__version__ = "(.+)"$', (ROOT / "gateway/_version.py").read_text(), re.MULTILINE)
    assert said[0] == "build"
    assert {f"VERSION={version}", "REVISION=abc", "CREATED=2026-01-02T03:04:05+00:00"} <= set(said)
    assert {f"ollama-openai-proxy:{version}", "ollama-openai-proxy:latest"} <= set(said)
    assert said[-3:] == ["--platform", "linux/arm64", "."]


def test_the_reloader_starts_its_command_anew_after_a_change(tmp_path: Path) -> None:
    watched = tmp_path / "module.py"
    watched.write_text("first")
    program = f"import pathlib, time; print(pathlib.Path({str(watched)!r}).read_text(), flush=True); time.sleep(600)"
    command = [sys.executable, str(DOCKER / "reload.py"), str(tmp_path), sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "first\n"
            watched.write_text("second")
            assert process.stdout.readline() == "second\n"
        finally:
            process.terminate()
        assert process.wait(PATIENCE_S) == -signal.SIGTERM % 256


# TLS


@contextmanager
def nginx_before(address: str, folder: Path) -> Iterator[int]:
    """Run nginx with our file, in which only what belongs to containers is replaced; yields its port."""
    program, port = tool("nginx"), free_port()
    names = ["-subj", "/CN=localhost", "-keyout", f"{folder}/privkey.pem", "-out", f"{folder}/fullchain.pem"]
    accepted(tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names)
    text = (DOCKER / "nginx.conf").read_text(encoding="utf-8")
    replaced = {"http://gateway:11434": address, "8443": str(port), "/tmp/": "FOLDER/", "/etc/nginx/tls": "FOLDER"}
    # The folder last: its own name may hold any of the others.
    for old, new in {**replaced, "FOLDER": str(folder)}.items():
        assert old in text
        text = text.replace(old, new)
    # Older than 1.25.1, as Debian 12 has it: the directive does not exist yet.
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    if tuple(map(int, re.findall(r"\d+", said)[:3])) < (1, 25, 1):
        text = text.replace("http2 on;", "")
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen([program, "-c", folder / "nginx.conf", "-g", "daemon off;"])
    try:
        yield port
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(PATIENCE_S)


async def test_nginx_passes_a_stream_on_as_it_comes(tmp_path: Path, backend: ScriptedBackend) -> None:
    more = asyncio.Event()
    backend.play([head(), send(b"first\n"), wait(more), send(b"second\n"), end])
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    with nginx_before(str(backend.url).removesuffix("/v1"), tmp_path) as port:
        connector, pretended = aiohttp.TCPConnector(ssl=unchecked), {"X-Forwarded-For": "192.0.2.1"}
        async with aiohttp.ClientSession(connector=connector, headers=pretended) as session:
            url = f"https://127.0.0.1:{port}/v1/chat/completions"
            async with asyncio.timeout(PATIENCE_S), await until_connected(session, url) as response:
                assert await response.content.readline() == b"first\n"
                more.set()
                assert await response.content.readline() == b"second\n"
    asked = (await backend.call()).headers
    assert (asked["Host"], asked.getall("X-Forwarded-For")) == (f"127.0.0.1:{port}", ["127.0.0.1"])


async def until_connected(session: aiohttp.ClientSession, url: str, **body: object) -> aiohttp.ClientResponse:
    """Post as soon as somebody listens."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(aiohttp.ClientConnectorError):
                return await session.post(url, json=body)
            await asyncio.sleep(0.05)
