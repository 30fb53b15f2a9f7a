"""A real Prometheus reads two workers, and its counters are exactly what clients and backend counted."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.e2e.processes import demo_backend, free_port
from tests.monitoring.prometheus import program
from tests.support.answers import ROLE, error, token
from tests.support.backend import ScriptedBackend, close, hang, head, send
from tests.support.program import client, running

ASKED = 30
MONITORING = Path(__file__).resolve().parents[2] / "monitoring"
SILENT_S = 0.3
LARGEST_BYTES = 100_000
FAULTY = ("busy", "silent", "cut", "left")
"""Models of a backend that fails, one for each way: what is said against one model says nothing of the others."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@asynccontextmanager
async def prometheus(folder: Path, gateway: str) -> AsyncIterator[str]:
    """Run Prometheus with the example of monitoring/, asking often; yield its address."""
    text = (MONITORING / "prometheus.yml").read_text("utf-8")
    text = text.replace("127.0.0.1:11434", gateway.removeprefix("http://")).replace("15s", "1s")
    (folder / "prometheus.yml").write_text(text, "utf-8")
    (folder / "rules.yml").write_bytes((MONITORING / "rules.yml").read_bytes())
    address = f"127.0.0.1:{free_port()}"
    options = (
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    )
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(program("prometheus"), *options, stdout=log, stderr=log)
        try:
            yield f"http://{address}"
        finally:
            process.terminate()
            await process.wait()


async def asked(session: aiohttp.ClientSession, url: str, expression: str) -> float | None:
    """Return the first value of an expression; None where there is none, or Prometheus is not ready."""
    try:
        async with session.get(f"{url}/api/v1/query", params={"query": expression}) as response:
            found = (await response.json())["data"]["result"]
    except aiohttp.ClientConnectionError:
        return None
    return float(found[0]["value"][1]) if found else None


async def reaches(session: aiohttp.ClientSession, url: str, expression: str, wanted: float) -> None:
    """Wait until an expression has a value."""
    value: float | None = None
    try:
        async with asyncio.timeout(60):
            while (value := await asked(session, url, expression)) != wanted:
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{expression} is {value}, not {wanted}") from None


def expressions() -> set[str]:
    """Return what the dashboard and the recording rules ask for."""
    panels = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))["panels"]
    groups = yaml.safe_load((MONITORING / "rules.yml").read_text("utf-8"))["groups"]
    found = {target["expr"] for panel in panels for target in panel.get("targets", [])}
    return found | {rule["expr"] for group in groups for rule in group["rules"] if "record" in rule}


async def without_data(session: aiohttp.ClientSession, url: str) -> set[str]:
    """Return the expressions that have no value, however long one waits."""
    missing: set[str] = set()
    for expression in expressions():
        filled = re.sub(r"\$(job|instance|model)\b", ".*", expression).replace("$__rate_interval", "1m")
        try:
            async with asyncio.timeout(30):
                while await asked(session, url, filled) is None:
                    await asyncio.sleep(0.2)
        except TimeoutError:
            missing.add(expression)
    return missing


async def chat(session: aiohttp.ClientSession, url: str, model: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """Stream one answer on a connection of its own; return how many lines came, and the last one."""
    async with opened(session, url, model, **more) as response:
        assert response.status == 200
        lines = [json.loads(line) async for line in response.content]
    return len(lines), lines[-1]


def opened(session: aiohttp.ClientSession, url: str, model: str, **more: Any) -> Any:
    """Ask for a stream, on a connection of its own, so that either worker may get it."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello there"}], **more}
    return session.post(f"{url}/api/chat", json=body, headers={"Connection": "close"})


async def fail_in_every_way(session: aiohttp.ClientSession, url: str, faulty: ScriptedBackend) -> dict[str, int]:
    """Let the backend fail and clients leave; return what Prometheus is to count of it, by expression."""
    faulty.play(error(503, "busy"))
    for _ in range(12):
        async with opened(session, url, "busy") as response:
            assert response.status == 503
    faulty.play([head(), hang])
    for _ in range(2):
        async with opened(session, url, "silent") as response:
            assert response.status == 504
    faulty.play([head(), send(ROLE + token("a")), close])
    for _ in range(3):
        _, last = await chat(session, url, "cut")
        assert "error" in last
    faulty.play([head(), send(ROLE + token("a")), hang])
    for _ in range(4):
        async with opened(session, url, "left") as response:
            await response.content.readline()
            response.close()
    for _ in range(5):
        async with opened(session, url, "m" * LARGEST_BYTES) as response:
            assert response.status == 413
    return {
        'sum(gateway_request_errors_total{kind="backend_status"})': 12,
        'sum(gateway_backend_timeouts_total{clock="first_token"})': 2,
        "sum(gateway_streams_broken_total)": 3,
        'sum(gateway_streams_cancelled_total{phase="streaming"})': 4,
        "sum(gateway_streams_cancelled_total)": 4,
        'sum(gateway_requests_rejected_total{reason="too_large"})': 5,
        'sum(gateway_backend_attempts_total{backend="faulty",cause="broken_backend_connection"})': 3,
        'sum(gateway_backend_attempts_total{backend="faulty",cause="cancelled"})': 4,
        'sum(gateway_backend_attempts_total{backend="faulty"})': len(faulty.calls),
    }


def backends_file(folder: Path, sound: str, faulty: str) -> Path:
    """Write a backends file with a backend that answers and one that fails."""
    rows = [
        {"name": "demo", "base_url": f"{sound}"},
        {"name": "faulty", "base_url": faulty, "models": list(FAULTY), "timeouts": {"first_token_s": SILENT_S}},
    ]
    path = folder / "backends.json"
    path.write_text(json.dumps({"backends": rows}), "utf-8")
    return path


async def count_the_sound(session: aiohttp.ClientSession, gateway: str, url: str) -> None:
    """Ask for answers that come whole, and hold Prometheus' sums to what the clients have counted."""
    done = await asyncio.gather(*(chat(session, gateway, "demo") for _ in range(ASKED)))
    assert all(last["done"] for _, last in done)
    counts = {
        'sum(gateway_requests_total{route="/api/chat",status="200"})': ASKED,
        'sum(gateway_backend_attempts_total{cause="ok"})': ASKED,
        "sum(gateway_stream_chunks_total)": sum(lines for lines, _ in done),
    }
    for direction, field in (("input", "prompt_eval_count"), ("output", "eval_count")):
        expression = f'sum(gateway_tokens_total{{direction="{direction}",usage_source="backend"}})'
        counts[expression] = sum(last[field] for _, last in done)
    for expression, count in counts.items():
        await reaches(session, url, expression, count)


async def test_prometheus_has_the_sums_that_clients_and_backends_have(tmp_path: Path) -> None:
    program("prometheus")
    async with ScriptedBackend() as faulty, client() as session:
        with demo_backend(tmp_path) as demo:
            path = backends_file(tmp_path, demo.url, faulty.url)
            settings = {"BACKENDS_FILE": str(path), "MAX_RETRIES": "1", "REQUEST_MAX_SIZE": str(LARGEST_BYTES)}
            async with (
                running(tmp_path, WORKERS="2", **settings) as gateway,
                prometheus(tmp_path, gateway.url) as url,
            ):
                await count_the_sound(session, gateway.url, url)
                await reaches(session, url, "up", 1)
                # Rates want what comes after the first scrape.
                await asyncio.gather(*(chat(session, gateway.url, "demo") for _ in range(ASKED)))
                await chat(session, gateway.url, "demo-thinking", think=True)
                counts = await fail_in_every_way(session, gateway.url, faulty)
                for expression, count in counts.items():
                    await reaches(session, url, expression, count)
                assert await without_data(session, url) == set()
                async with session.get(f"{gateway.url}/metrics") as response:
                    text = await response.read()
    command = [program("promtool"), "check", "metrics"]
    checked = await asyncio.to_thread(subprocess.run, command, input=text, capture_output=True)
    assert b"gateway_" not in checked.stdout + checked.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr
