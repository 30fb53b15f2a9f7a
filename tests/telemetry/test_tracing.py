import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from gateway.telemetry.metrics import METRICS
from gateway.telemetry.tracing import open_tracing, wanted
from tests.support.answers import TEXT, error, stream, token
from tests.support.backend import LONG_S, SSE, ScriptedBackend, close, hang, head, send
from tests.support.gateway import running_gateway
from tests.telemetry.capture import captured_logging
from tests.telemetry.collector import Collector, running_collector

TRACE = "0af7" * 8
SPAN = "b7ad" * 4
PARENT = f"00-{TRACE}-{SPAN}-01"
PROMPT = "a prompt nobody may see"
CHAT = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "options": {"temperature": 0.5}}
KEY = "key-of-the-backend"
SERVER, CLIENT = 2, 3


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    async with running_collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
        yield running


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    async with ScriptedBackend() as running:
        yield running


async def test_a_stream_is_a_tree_of_spans_in_the_trace_of_its_client(
    collector: Collector, backend: ScriptedBackend
) -> None:
    backend.play(stream())
    headers = {"traceparent": PARENT, "tracestate": "vendor=1"}
    async with running_gateway(backend, {"OPENAI_API_KEY": KEY}) as gateway:
        reply = await gateway.ask("/api/chat", CHAT, headers=headers)
        record = await gateway.record()
    [root], [attempt], [streamed] = (collector.named(name) for name in ("POST /api/chat", "chat m", "stream"))
    assert (root.trace, root.parent, root.kind, root.failed) == (TRACE, SPAN, SERVER, False)
    assert (attempt.trace, attempt.parent, attempt.kind, attempt.failed) == (TRACE, root.id, CLIENT, False)
    assert (streamed.trace, streamed.parent) == (TRACE, attempt.id)
    assert root.began_ns <= attempt.began_ns <= streamed.began_ns <= streamed.ended_ns <= attempt.ended_ns
    assert attempt.ended_ns <= root.ended_ns
    assert root.attributes["http.response.status_code"] == 200
    assert root.attributes["http.route"] == "/api/chat"
    assert (
        attempt.attributes.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.usage.input_tokens": 7,
            "gen_ai.usage.output_tokens": 12,
            "gen_ai.response.finish_reasons": ["stop"],
            "server.address": "127.0.0.1",
            "server.port": backend.port,
        }.items()
    )
    sent = backend.calls[0].headers
    assert (sent["traceparent"], sent["tracestate"]) == (f"00-{TRACE}-{attempt.id}-01", "vendor=1")
    assert record["trace_id"] == TRACE
    assert (
        collector.resource.items()
        >= {
            "service.name": "ollama-openai-proxy",
            "deployment.environment": "test",
        }.items()
    )
    assert TEXT.split()[0] in reply.text
    for secret in (PROMPT, KEY, TEXT.split()[0]):
        assert secret.encode() not in collector.raw


async def test_each_try_has_a_span_of_its_own(collector: Collector, backend: ScriptedBackend) -> None:
    backend.play(error(503), stream())
    async with running_gateway(backend, {"MAX_RETRIES": "2"}) as gateway:
        reply = await gateway.ask("/v1/chat/completions", {**CHAT, "stream": True})
        record = await gateway.record()
    assert reply.status == 200
    [root] = collector.named("POST /v1/chat/completions")
    first, second = collector.named("chat m")
    assert (first.failed, first.attributes["http.response.status_code"]) == (True, 503)
    assert first.attributes["error.type"] == "backend_status"
    assert (second.failed, second.attributes["gateway.attempt"]) == (False, 2)
    assert {first.parent, second.parent} == {root.id}
    sent = [call.headers["traceparent"].split("-")[1:3] for call in backend.calls]
    assert sent == [[root.trace, first.id], [root.trace, second.id]]
    assert record["trace_id"] == root.trace


async def test_an_error_is_one_in_the_trace(collector: Collector, backend: ScriptedBackend) -> None:
    backend.play([close])
    async with running_gateway(backend) as gateway:
        assert (await gateway.ask("/api/chat", CHAT)).status == 502
    [root], [attempt, *_] = collector.named("POST /api/chat"), collector.named("chat m")
    assert root.failed
    assert attempt.failed
    assert root.attributes["error.type"] == attempt.attributes["error.type"] == "backend_connection"


async def test_a_stream_that_breaks_is_an_error_although_its_status_was_200(
    collector: Collector, backend: ScriptedBackend
) -> None:
    backend.play([head(200, SSE), send(token("word")), close])
    async with running_gateway(backend) as gateway:
        assert (await gateway.ask("/api/chat", CHAT)).status == 200
    [root], [streamed] = collector.named("POST /api/chat"), collector.named("stream")
    assert root.failed
    assert (streamed.failed, streamed.attributes["error.type"]) == (True, "backend_connection")


@pytest.mark.parametrize("begun", [False, True])
async def test_a_client_that_leaves_ends_the_spans(collector: Collector, backend: ScriptedBackend, begun: bool) -> None:
    backend.play([head(200, SSE), send(token("word")), hang] if begun else [hang])
    async with running_gateway(backend) as gateway:
        if begun:
            async with gateway.opened("/api/chat", CHAT) as response:
                await response.content.readany()
                response.close()
        else:
            asking = asyncio.create_task(gateway.ask("/api/chat", CHAT))
            async with asyncio.timeout(LONG_S):
                while not backend.calls:
                    await asyncio.sleep(0.01)
            asking.cancel()
        root = await collector.root()
    [attempt] = collector.named("chat m")
    assert root.attributes["http.response.status_code"] == 499
    assert (attempt.parent, attempt.attributes["error.type"]) == (root.id, "cancelled")


async def test_the_turn_in_the_queue_is_a_span(collector: Collector, backend: ScriptedBackend) -> None:
    backend.play([hang], stream())
    async with running_gateway(backend, {"MAX_CONCURRENT_REQUESTS": "1", "MAX_QUEUE": "5"}) as gateway:
        first = asyncio.create_task(gateway.ask("/api/chat", CHAT))
        async with asyncio.timeout(LONG_S):
            while not backend.calls:
                await asyncio.sleep(0.01)
        second = asyncio.create_task(gateway.ask("/api/chat", CHAT))
        async with asyncio.timeout(LONG_S):
            while gateway.app[METRICS].queue()[0] < 1:
                await asyncio.sleep(0.01)
        first.cancel()
        assert (await second).status == 200
    [queued] = collector.named("queue")
    root = next(span for span in collector.named("POST /api/chat") if span.id == queued.parent)
    assert root.began_ns <= queued.began_ns < queued.ended_ns <= root.ended_ns


async def test_a_dead_collector_harms_no_request_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, backend: ScriptedBackend
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    backend.play(stream())
    async with running_gateway(backend) as gateway:
        for _ in range(5):
            assert (await gateway.ask("/api/chat", CHAT)).status == 200
        async with asyncio.timeout(LONG_S):
            while not (troubles := [line for line in gateway.said() if line["event"] == "tracing trouble"]):
                await asyncio.sleep(0.01)
        assert (await gateway.ask("/api/chat", CHAT)).status == 200
    assert len([line for line in gateway.said() if line["event"] == "tracing trouble"]) == len(troubles) == 1


async def test_a_collector_that_hangs_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, backend: ScriptedBackend
) -> None:
    monkeypatch.setattr("gateway.telemetry.spans.CLOSING_S", 0.1)
    backend.play(stream())
    async with ScriptedBackend() as hanging:
        hanging.play([hang])
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{hanging.port}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        async with running_gateway(backend) as gateway:
            assert (await gateway.ask("/api/chat", CHAT)).status == 200
            async with asyncio.timeout(LONG_S):
                while not hanging.calls:
                    await asyncio.sleep(0.01)
    assert "traces lost" in [line["event"] for line in gateway.said()]


async def test_without_tracing_a_clients_context_goes_on_unchanged(backend: ScriptedBackend) -> None:
    backend.play(stream())
    async with running_gateway(backend) as gateway:
        await gateway.ask("/api/chat", CHAT, headers={"traceparent": PARENT, "tracestate": "vendor=1"})
        await gateway.ask("/api/chat", CHAT, headers={"traceparent": "nonsense", "tracestate": "vendor=1"})
    first, second = (call.headers for call in backend.calls)
    assert (first["traceparent"], first["tracestate"]) == (PARENT, "vendor=1")
    assert not {"traceparent", "tracestate"} & {name.lower() for name in second}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_standard_variables_decide(environment: dict[str, str], expected: bool) -> None:
    assert wanted(environment) is expected


def test_without_the_extra_tracing_is_off_and_the_log_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gateway.telemetry.spans", None)
    with captured_logging("INFO") as log:
        assert open_tracing({"OTEL_TRACES_EXPORTER": "otlp"}, "1") is None
    assert b"ollama-openai-proxy[otel]" in log.getvalue()


LOADS = """
import asyncio, sys
from gateway.app import create_app
from gateway.config import Config
async def main():
    create_app(Config.from_mapping({"OPENAI_API_BASE_URL": "http://127.0.0.1:1/v1"}))
asyncio.run(main())
print([name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf"))])
"""


def test_nothing_of_opentelemetry_is_loaded_where_it_is_off() -> None:
    done = subprocess.run([sys.executable, "-c", LOADS], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stderr
