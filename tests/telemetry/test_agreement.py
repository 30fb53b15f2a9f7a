"""What is counted agrees with what clients and the backend saw, through a whole gateway."""

import asyncio
from typing import Any

import pytest

from gateway.handlers.generation import GenerationHandler
from gateway.telemetry.metrics import METRICS, Metrics
from tests.conftest import StartGateway
from tests.support.answers import ROLE, TEXT, error, plain, stream, token, whole_stream
from tests.support.backend import LONG_S, SSE, ScriptedBackend, close, end, hang, head, send, sleep
from tests.support.gateway import Gateway
from tests.support.ways import CHAT, V1, V1_WHOLE

ASKED = 5
PAUSE_S = 0.05


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def test_requests_chunks_bytes_and_tokens_are_those_that_were_seen(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    backend.play([head(200, SSE), send(whole_stream()), end])
    metrics = gateway.app[METRICS]
    replies = [await gateway.ask(way.path, way.body) for way in (CHAT, V1) for _ in range(ASKED)]
    for way in (CHAT, V1):
        labels = {"route": way.path, "method": "POST", "status": "200", "dialect": "openai" if way.v1 else "ollama"}
        assert sample(metrics, "gateway_requests_total", **labels) == ASKED
    ollama, openai = replies[:ASKED], replies[ASKED:]
    chunks = sum(len(reply.lines) for reply in ollama) + sum(len(reply.events) for reply in openai)
    assert metrics.streams.bytes == sum(len(reply.body) for reply in replies)
    assert metrics.streams.chunks == chunks
    assert metrics.streams.durations.count == 2 * ASKED
    assert metrics.streams.gaps.scale == 1e9
    who: dict[str, Any] = {"model": "m", "key": "", "usage_source": "backend"}
    assert sample(metrics, "gateway_tokens_total", direction="input", **who) == 2 * ASKED * 7
    assert sample(metrics, "gateway_tokens_total", direction="output", **who) == 2 * ASKED * 12


async def test_a_slow_backend_is_a_wait_and_no_overhead(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(
        [
            sleep(PAUSE_S),
            head(200, SSE),
            sleep(PAUSE_S),
            send(ROLE + token("a")),
            sleep(PAUSE_S),
            send(whole_stream()),
            end,
        ]
    )
    for way in (CHAT, V1):
        assert (await gateway.ask(way.path, way.body)).status == 200
        numbers = gateway.app[METRICS].routes[way.path]
        assert numbers.durations.total - numbers.overheads.total >= 3 * PAUSE_S * 0.9e9


async def test_a_handler_that_is_slower_shows_it_in_the_overhead(
    backend: ScriptedBackend, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.play([head(200, SSE), send(whole_stream()), end])
    numbers = gateway.app[METRICS].routes
    for _ in range(ASKED):
        await gateway.ask(CHAT.path, CHAT.body)
    before = numbers[CHAT.path].overheads.total
    ask = GenerationHandler._ask

    async def slower(*arguments: Any) -> Any:
        await asyncio.sleep(PAUSE_S)
        return await ask(*arguments)

    monkeypatch.setattr(GenerationHandler, "_ask", slower)
    for _ in range(ASKED):
        await gateway.ask(CHAT.path, CHAT.body)
    after = numbers[CHAT.path].overheads.total - before
    assert after >= ASKED * PAUSE_S * 0.95e9


async def test_a_stream_that_is_left_or_cut_is_counted_as_that(backend: ScriptedBackend, gateway: Gateway) -> None:
    metrics = gateway.app[METRICS]
    backend.play([head(200, SSE), send(ROLE + token("a")), hang])
    async with gateway.opened(CHAT.path, CHAT.body) as response:
        await response.content.readline()
        response.close()
    await gateway.record(0)
    assert sample(metrics, "gateway_streams_cancelled_total", phase="streaming") == 1
    backend.play([head(200, SSE), send(ROLE + token("a")), close])
    await gateway.ask(CHAT.path, CHAT.body)
    assert sample(metrics, "gateway_streams_broken_total", cause="backend_connection") == 1
    assert metrics.attempts == {("main", "cancelled"): 1, ("main", "broken_backend_connection"): 1}


async def test_a_client_that_leaves_before_another_try_has_had_none(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    gateway = await start(MAX_RETRIES="3")
    backend.play(error(503, headers={"Retry-After": "30"}))
    metrics = gateway.app[METRICS]
    asking = asyncio.create_task(gateway.ask(CHAT.path, CHAT.body))
    async with asyncio.timeout(LONG_S):
        while not metrics.attempts:
            await asyncio.sleep(0.005)
    asking.cancel()
    await gateway.record(0)
    assert (metrics.attempts, metrics.retries) == ({("main", "backend_status"): 1}, {})
    assert metrics.streams.cancelled == {"waiting": 1}


async def test_a_retry_counts_with_the_cause_of_the_failure_before_it(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float]
) -> None:
    gateway = await start(MAX_RETRIES="2")
    backend.play(error(503, "busy"), error(500, "broken"), stream())
    assert (await gateway.ask(CHAT.path, CHAT.body)).status == 200
    metrics = gateway.app[METRICS]
    await gateway.record()
    assert metrics.retries == {"status_503": 1, "status_500": 1}
    assert metrics.attempts == {("main", "backend_status"): 2, ("main", "ok"): 1}
    assert len(pauses) == 2


async def test_an_answer_that_becomes_nonsense_counts_as_a_broken_attempt(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    metrics = gateway.app[METRICS]
    backend.play([head(200, SSE), send(ROLE + token("a")), send(b"data: {nonsense\n\n"), hang])
    reply = await gateway.ask(CHAT.path, CHAT.body)
    assert "error" in reply.lines[-1]
    assert metrics.attempts == {("main", "broken_bad_answer"): 1}


async def test_an_answer_in_one_piece_says_where_it_came_from(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(plain())
    reply = await gateway.ask(V1_WHOLE.path, V1_WHOLE.body)
    assert (reply.headers["X-Gateway-Backend"], reply.headers["X-Gateway-Model"]) == ("main", "m")
    assert reply.headers["X-Gateway-Attempts"] == "1"
    assert "backend;dur=" in reply.headers["Server-Timing"]


async def test_a_recent_request_has_its_attempts(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start(ADMIN_KEY="an-admin-key-1")
    backend.play(stream())
    reply = await gateway.ask(CHAT.path, CHAT.body)
    await gateway.record()
    headers = {"Authorization": "Bearer an-admin-key-1"}
    told = (await gateway.ask(f"/admin/requests/{reply.headers['X-Request-ID']}", method="GET", headers=headers)).json
    assert [event["event"] for event in told["events"]][:3] == ["received", "asked", "attempt"]
    assert (told["backend"], told["completion_tokens"]) == ("main", 12)
    assert TEXT not in str(told)
