import json
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from gateway.channel import ChannelError
from gateway.handlers.metrics import HEALTH_PATH, MetricsHandler
from gateway.telemetry.gathering import FAMILIES, Gathering
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.system import SystemNumbers
from tests.handlers.serving import API_KEY, WITH_KEY
from tests.middlewares.application import build
from tests.telemetry.test_metrics import finish, stream

JSON = {"Accept": "application/json"}
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
TEXT_PATHS = ["/v1/metrics", "/v1/metrics/prometheus", "/metrics"]


def counted(chunks: int) -> Metrics:
    metrics = Metrics("1.2.3")
    metrics.streams.chunks = chunks
    return metrics


def handler(
    metrics: Metrics | None = None, *, path: str = "/v1/metrics", text: bool = True, public: bool = False
) -> MetricsHandler:
    return MetricsHandler(Gathering(metrics or counted(5)), path, text=text, public=public)


@pytest.mark.parametrize("path", TEXT_PATHS)
async def test_prometheus_reads_our_numbers_and_the_process_own(aiohttp_client: AiohttpClient, path: str) -> None:
    client = await aiohttp_client(build(handler().register))
    response = await client.get(path)
    text = await response.text()
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert "gateway_stream_chunks_total 5.0\n" in text
    assert "process_resident_memory_bytes " in text
    assert "gateway_system_memory_bytes" in text, "the first scrape need not wait for the next reading"


async def test_openmetrics_is_written_for_a_client_that_asks_and_has_examples(aiohttp_client: AiohttpClient) -> None:
    metrics = counted(5)
    finish(metrics, stream(trace_id="ab" * 16))
    client = await aiohttp_client(build(handler(metrics).register))
    response = await client.get("/metrics", headers=OPENMETRICS)
    text = await response.text()
    assert response.content_type == "application/openmetrics-text"
    assert text.endswith("# EOF\n")
    assert f'# {{request_id="req_1",trace_id="{"ab" * 16}"}} 0.04 ' in text
    assert "req_1" not in await (await client.get("/metrics")).text()


async def test_each_application_of_a_process_shows_its_own_numbers(aiohttp_client: AiohttpClient) -> None:
    one = await aiohttp_client(build(handler(counted(1)).register))
    two = await aiohttp_client(build(handler(counted(2)).register))
    for client, expected in ((one, 1), (two, 2), (one, 1)):
        text = await (await client.get("/metrics")).text()
        assert [line for line in text.splitlines() if line.startswith("gateway_stream_chunks_total")] == [
            f"gateway_stream_chunks_total {expected}.0"
        ]


async def test_a_client_that_prefers_json_gets_a_summary_at_the_chosen_path(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(handler().register))
    summary = await (await client.get("/v1/metrics", headers=JSON)).json()
    assert {"requests", "errors", "error_share", "in_flight", "tokens", "per_second", "uptime_s"} <= set(summary)
    for name in ("duration_s", "first_chunk_s", "overhead_s"):
        assert set(summary[name]) == {"p50", "p95", "p99"}
    assert (await client.get("/metrics", headers=JSON)).content_type == "text/plain"


async def test_without_the_text_form_the_summary_stays(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(handler(text=False).register))
    for headers in (JSON, {"Accept": "text/plain"}):
        response = await client.get("/v1/metrics", headers=headers)
        assert response.content_type == "application/json"
    assert (await client.get("/metrics")).status == 404
    assert (await client.get("/v1/metrics/prometheus")).status == 404
    assert (await client.get(HEALTH_PATH)).status == 200


@pytest.mark.parametrize("path", ["/metrics", "/v1/metrics/prometheus", "/numbers"])
async def test_the_chosen_path_may_be_any_and_has_both_forms(aiohttp_client: AiohttpClient, path: str) -> None:
    client = await aiohttp_client(build(handler(path=path).register))
    assert "gateway_uptime_seconds" in await (await client.get(path)).text()
    assert "uptime_s" in await (await client.get(path, headers=JSON)).json()


@pytest.mark.parametrize("path", [*TEXT_PATHS, HEALTH_PATH])
async def test_metrics_want_a_key_unless_they_are_public(aiohttp_client: AiohttpClient, path: str) -> None:
    client = await aiohttp_client(build(handler().register, api_keys=[API_KEY]))
    assert (await client.get(path)).status == 401
    assert (await client.get(path, headers=WITH_KEY)).status == 200
    client = await aiohttp_client(build(handler(public=True).register, api_keys=[API_KEY]))
    assert (await client.get(path)).status == 200


# Their own state


async def test_the_numbers_tell_of_themselves(aiohttp_client: AiohttpClient) -> None:
    metrics = Metrics("1.2.3", buffer_size=10)
    finish(metrics, stream())
    client = await aiohttp_client(build(handler(metrics).register))
    state = await (await client.get(HEALTH_PATH)).json()
    assert (state["status"], state["scrapes"], state["last_scrape_age_s"]) == ("ok", 0, None)
    assert state["buffer"] == {"used": 1, "size": 10}
    await client.get("/metrics")
    state = await (await client.get(HEALTH_PATH)).json()
    assert (state["scrapes"], state["processes"]) == (1, 1)
    assert state["labels"] == {"routes": 1, "models": 1, "keys": 0, "refused": 0}
    assert state["system_age_s"] >= 0


async def test_numbers_that_are_old_or_lack_names_are_degraded(
    aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics("1.2.3")
    client = await aiohttp_client(build(handler(metrics).register))
    metrics.model_names.refused = 1
    assert (await (await client.get(HEALTH_PATH)).json())["status"] == "degraded"
    metrics.model_names.refused = 0
    metrics.started_s -= 1000
    assert (await (await client.get(HEALTH_PATH)).json())["status"] == "degraded"
    monkeypatch.setattr(
        SystemNumbers, "refresh", lambda system: setattr(system, "refreshed_s", metrics.started_s + 1000)
    )
    await client.get("/metrics")
    assert (await (await client.get(HEALTH_PATH)).json())["status"] == "ok"


# Several processes


@pytest.fixture
def leave_process_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tests of one process keep what a worker takes out of the process' registry."""
    monkeypatch.setattr("gateway.handlers.metrics._leave_process_numbers_to_us", lambda: None)


@pytest.mark.usefixtures("leave_process_numbers")
async def test_every_worker_answers_for_all_of_them(aiohttp_client: AiohttpClient) -> None:
    workers = [counted(1), counted(2)]

    async def collect(topic: str) -> list[Any]:
        tellers = [Gathering(metrics) for metrics in workers]
        told = [await (one.tell_families() if topic == FAMILIES else one.tell_summary()) for one in tellers]
        return [json.loads(json.dumps(one)) for one in told]

    for metrics in workers:
        sharing = MetricsHandler(Gathering(metrics, collect), "/v1/metrics", text=True, public=False)
        client = await aiohttp_client(build(sharing.register))
        assert "gateway_stream_chunks_total 3.0\n" in await (await client.get("/metrics")).text()
        assert (await (await client.get("/v1/metrics", headers=JSON)).json())["processes"] == 2


@pytest.mark.usefixtures("leave_process_numbers")
async def test_a_part_of_the_sum_is_no_answer(aiohttp_client: AiohttpClient) -> None:
    async def collect(topic: str) -> list[Any]:
        raise ChannelError("the other process is gone")

    sharing = MetricsHandler(Gathering(counted(1), collect), "/v1/metrics", text=True, public=False)
    client = await aiohttp_client(build(sharing.register))
    for headers in (JSON, {}):
        assert (await client.get("/v1/metrics", headers=headers)).status == 503
