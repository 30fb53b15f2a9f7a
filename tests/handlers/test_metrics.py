import pytest
from pytest_aiohttp.plugin import AiohttpClient

from gateway.handlers.metrics import MetricsHandler
from gateway.telemetry.metrics import Metrics
from tests.handlers.serving import API_KEY, WITH_KEY
from tests.middlewares.application import build

JSON = {"Accept": "application/json"}
TEXT_PATHS = ["/v1/metrics", "/v1/metrics/prometheus", "/metrics"]


def counted(chunks: int) -> Metrics:
    metrics = Metrics("1.2.3")
    metrics.stream_chunks = chunks
    return metrics


def handler(
    metrics: Metrics | None = None, *, path: str = "/v1/metrics", text: bool = True, public: bool = False
) -> MetricsHandler:
    return MetricsHandler(metrics or counted(5), path, text=text, public=public)


@pytest.mark.parametrize("path", TEXT_PATHS)
async def test_prometheus_reads_our_numbers_and_the_process_own(aiohttp_client: AiohttpClient, path: str) -> None:
    client = await aiohttp_client(build(handler().register))
    response = await client.get(path)
    text = await response.text()
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert "gateway_stream_chunks_total 5.0\n" in text
    assert "process_resident_memory_bytes " in text


async def test_openmetrics_is_written_for_a_client_that_asks(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(handler().register))
    response = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.content_type == "application/openmetrics-text"
    assert (await response.text()).endswith("# EOF\n")


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
    assert set(summary) == {"requests", "errors", "in_flight", "tokens", "uptime_s", "duration_s"}
    assert set(summary["duration_s"]) == {"p50", "p95", "p99"}
    assert (await client.get("/metrics", headers=JSON)).content_type == "text/plain"


async def test_without_the_text_form_the_summary_stays(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(handler(text=False).register))
    for headers in (JSON, {"Accept": "text/plain"}):
        response = await client.get("/v1/metrics", headers=headers)
        assert response.content_type == "application/json"
    assert (await client.get("/metrics")).status == 404
    assert (await client.get("/v1/metrics/prometheus")).status == 404


@pytest.mark.parametrize("path", ["/metrics", "/v1/metrics/prometheus", "/numbers"])
async def test_the_chosen_path_may_be_any_and_has_both_forms(aiohttp_client: AiohttpClient, path: str) -> None:
    client = await aiohttp_client(build(handler(path=path).register))
    assert "gateway_uptime_seconds" in await (await client.get(path)).text()
    assert "uptime_s" in await (await client.get(path, headers=JSON)).json()


@pytest.mark.parametrize("path", TEXT_PATHS)
async def test_metrics_want_a_key_unless_they_are_public(aiohttp_client: AiohttpClient, path: str) -> None:
    client = await aiohttp_client(build(handler().register, api_keys=[API_KEY]))
    assert (await client.get(path)).status == 401
    assert (await client.get(path, headers=WITH_KEY)).status == 200
    client = await aiohttp_client(build(handler(public=True).register, api_keys=[API_KEY]))
    assert (await client.get(path)).status == 200
