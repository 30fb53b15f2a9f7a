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
from tests.support.program import client, running

ASKED = 30
MONITORING = Path(__file__).resolve().parents[2] / "monitoring"
WANT_A_FAULT = {
    "gateway_backend_retries_total",
    "gateway_backend_timeouts_total",
    "gateway_breaker_state",
    "gateway_reasoning_tokens_total",
    "gateway_request_errors_total",
    "gateway_requests_rejected_total",
    "gateway_streams_broken_total",
    "gateway_streams_cancelled_total",
}
"""Shown on the dashboard, with no row until something fails, a client leaves, or a model that thinks says so."""
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


async def without_data(session: aiohttp.ClientSession, url: str) -> set[str]:
    """Return the metrics that expressions of dashboard and recording rules ask for and that have no data."""
    panels = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))["panels"]
    groups = yaml.safe_load((MONITORING / "rules.yml").read_text("utf-8"))["groups"]
    expressions = {target["expr"] for panel in panels for target in panel.get("targets", [])}
    expressions |= {rule["expr"] for group in groups for rule in group["rules"] if "record" in rule}
    missing: set[str] = set()
    for expression in expressions:
        filled = re.sub(r"\$(job|instance|model)\b", ".*", expression).replace("$__rate_interval", "1m")
        try:
            async with asyncio.timeout(1 if names(expression) <= WANT_A_FAULT else 30):
                while await asked(session, url, filled) is None:
                    await asyncio.sleep(0.2)
        except TimeoutError:
            missing |= names(expression)
    return missing


def names(expression: str) -> set[str]:
    """Return the metrics that an expression is about."""
    return set(re.findall(r"(?:process|gateway)_\w+", expression))


async def chat(session: aiohttp.ClientSession, url: str, model: str) -> tuple[int, dict[str, Any]]:
    """Stream one answer on a connection of its own; return how many lines came, and the last one."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello there"}]}
    async with session.post(f"{url}/api/chat", json=body, headers={"Connection": "close"}) as response:
        assert response.status == 200
        lines = [json.loads(line) async for line in response.content]
    assert lines[-1]["done"]
    return len(lines), lines[-1]


async def test_prometheus_has_the_sums_that_the_clients_have(tmp_path: Path) -> None:
    program("prometheus")
    with demo_backend(tmp_path) as backend:
        async with (
            running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2") as gateway,
            client() as session,
            prometheus(tmp_path, gateway.url) as url,
        ):
            async with session.get(f"{gateway.url}/api/tags") as response:
                model = next(row["name"] for row in (await response.json())["models"] if "embed" not in row["name"])
            done = await asyncio.gather(*(chat(session, gateway.url, model) for _ in range(ASKED)))
            await reaches(session, url, 'sum(gateway_requests_total{route="/api/chat",status="200"})', ASKED)
            await reaches(session, url, 'sum(gateway_backend_attempts_total{cause="ok"})', ASKED)
            for direction, field in (("input", "prompt_eval_count"), ("output", "eval_count")):
                tokens = sum(last[field] for _, last in done)
                expression = f'sum(gateway_tokens_total{{direction="{direction}",usage_source="backend"}})'
                await reaches(session, url, expression, tokens)
            await reaches(session, url, "up", 1)
            # Rates want what comes after the first scrape.
            await asyncio.gather(*(chat(session, gateway.url, model) for _ in range(ASKED)))
            assert await without_data(session, url) == WANT_A_FAULT
            async with session.get(f"{gateway.url}/metrics") as response:
                text = await response.read()
    command = [program("promtool"), "check", "metrics"]
    checked = await asyncio.to_thread(subprocess.run, command, input=text, capture_output=True)
    assert b"gateway_" not in checked.stdout + checked.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr
