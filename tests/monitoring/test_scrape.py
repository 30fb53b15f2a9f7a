"""A real Prometheus reads two workers under load and faults: its counters are what clients and backends counted."""

import asyncio
import json
import math
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.e2e.processes import free_port
from tests.monitoring.load import CLIENT_KEY, CROWD, PROMPT, Load, loaded
from tests.monitoring.prometheus import program

jsonschema: Any = pytest.importorskip("jsonschema", reason="jsonschema is not installed")

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "monitoring"
LOG_SCHEMA = ROOT / "docs" / "log-schema.json"
PENDING = {
    "GatewayBackendDown",
    "GatewayBackendFails",
    "GatewayBreakerOpen",
    "GatewayErrorBudgetBurns",
    "GatewayErrorBudgetBurnsFast",
    "GatewayErrorBudgetBurnsSlowly",
    "GatewayRejects",
}
"""Alerts that the faults of the load bring up; none has been up for long enough to fire."""
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


async def asked(session: aiohttp.ClientSession, url: str, expression: str) -> list[float]:
    """Return the values of an expression that are numbers; none where Prometheus is not ready."""
    try:
        async with session.get(f"{url}/api/v1/query", params={"query": expression}) as response:
            answer = await response.json()
    except aiohttp.ClientConnectionError:
        return []
    if response.status == 503:
        return []
    assert answer["status"] == "success", (expression, answer)
    values = [float(row["value"][1]) for row in answer["data"]["result"]]
    return [value for value in values if not math.isnan(value)]


async def reach(session: aiohttp.ClientSession, url: str, wanted: dict[str, float]) -> None:
    """Wait until each expression has its value."""
    found: dict[str, float] = {}
    try:
        async with asyncio.timeout(60):
            while found != wanted:
                await asyncio.sleep(0.2)
                found = {expression: sum(await asked(session, url, expression)) for expression in wanted}
    except TimeoutError:
        wrong = {name: (found.get(name), value) for name, value in wanted.items() if found.get(name) != value}
        raise AssertionError(f"found and wanted: {wrong}") from None


def expressions() -> Iterator[str]:
    """Yield what dashboard and rules ask; of alerts, which are silent while all is well, each metric alone."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield re.sub(r"^label_values\((.+), \w+\)$", r"\1", variable["definition"])
    for group in yaml.safe_load((MONITORING / "rules.yml").read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            if "record" in rule:
                yield rule["expr"]
                yield rule["record"]
            else:
                yield from selectors(rule["expr"])


def selectors(expression: str) -> list[str]:
    """Return the metrics that an expression asks for, each with its labels."""
    return re.findall(r"(?<![\w:.])(?:up|(?:\w+:)?(?:gateway|process)_\w+(?::\w+)?)\b(?:\{[^}]*\})?", expression)


async def without_data(session: aiohttp.ClientSession, url: str) -> set[str]:
    """Return the expressions that have no data after some time."""
    missing = set(expressions())
    assert len(missing) > 80
    try:
        async with asyncio.timeout(30):
            while missing:
                for expression in sorted(missing):
                    filled = re.sub(r"\$(job|instance|model)\b", ".*", expression).replace("$__rate_interval", "2m")
                    if await asked(session, url, filled):
                        missing.discard(expression)
                await asyncio.sleep(0.2)
    except TimeoutError:
        pass
    return missing


def counted(load: Load) -> dict[str, float]:
    """Return expressions, and what clients and backends say that these are."""
    calls = len(load.main.calls) + len(load.silent.calls)
    by_label: dict[str, dict[str, int]] = {
        "gateway_streams_cancelled_total{phase=": load.cancelled,
        "gateway_streams_broken_total{cause=": load.broken,
        "gateway_requests_rejected_total{reason=": load.rejected,
        "gateway_backend_timeouts_total{clock=": load.clocks,
        "gateway_answers_total{usage_source=": load.answers,
        "gateway_backend_attempts_total{backend=": {"main": len(load.main.calls), "silent": len(load.silent.calls)},
    }
    wanted: dict[str, float] = {
        f'sum(gateway_requests_total{{route="{route}",status="{status}"}})': count
        for (route, status), count in load.statuses.items()
    }
    for family, counts in by_label.items():
        wanted |= {f'sum({family}"{label}"}})': count for label, count in counts.items()}
        wanted[f'sum({family.partition("{")[0]}{{backend!="nowhere"}})'] = sum(counts.values())
    for direction in ("input", "output"):
        labels = f'direction="{direction}",usage_source="backend",model="m",key="api-key-1"'
        wanted[f"sum(gateway_tokens_total{{{labels}}})"] = load.reported[direction]
    return wanted | {
        'sum(gateway_requests_total{method="POST"})': sum(load.statuses.values()),
        "sum(gateway_reasoning_tokens_total)": load.reported["reasoning"],
        "sum(gateway_stream_chunks_total)": load.received["chunks"],
        "sum(gateway_stream_bytes_total)": load.received["bytes"],
        'sum(gateway_backend_retries_total{cause!="connect"})': calls - load.reached,
        "sum(gateway_requests_in_flight)": 1,
    }


async def test_prometheus_has_the_sums_that_clients_and_backend_have(tmp_path: Path) -> None:
    program("prometheus")
    async with (
        loaded(tmp_path) as (load, gateway),
        prometheus(tmp_path, gateway.url) as url,
        aiohttp.ClientSession() as session,
    ):
        await reach(session, url, {"up": 1, "gateway_processes": 2})
        await load.round()
        await reach(session, url, counted(load))
        # Rates want what comes after the first scrape that has a counter.
        await load.round()
        await reach(session, url, counted(load))
        assert [load.received[key] for key in ("input", "output")] == [load.reported["input"], load.reported["output"]]
        assert load.statuses.total() > 2 * CROWD
        failing = asyncio.create_task(keep_failing(load, stop := asyncio.Event()))
        missing = await without_data(session, url)
        await reach(session, url, {f'max(ALERTS{{alertname="{name}",alertstate="pending"}})': 1 for name in PENDING})
        stop.set()
        await failing
        assert missing == set()
        await reach(session, url, counted(load))
        async with session.get(f"{gateway.url}/metrics") as response:
            text = await response.read()
    await passes_promtool(text)
    lines = [json.loads(line) for line in gateway.text.splitlines() if line.startswith("{")]
    assert {"request", "breaker", "backend probe"} <= {line["event"] for line in lines}
    validator = jsonschema.Draft202012Validator(json.loads(LOG_SCHEMA.read_text("utf-8")))
    assert [line for line in lines if not validator.is_valid(line)] == []
    assert [secret for secret in (CLIENT_KEY, PROMPT) if secret in gateway.text] == []


async def keep_failing(load: Load, stop: asyncio.Event) -> None:
    """Keep the breaker open."""
    while not stop.is_set():
        await load.fail(1)
        await asyncio.sleep(0.2)


async def passes_promtool(text: bytes) -> None:
    """Assert that promtool finds no fault with what a scrape gets."""
    command = [program("promtool"), "check", "metrics"]
    checked = await asyncio.to_thread(subprocess.run, command, input=text, capture_output=True)
    assert b"gateway_" not in checked.stdout + checked.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr
