"""The attempts loop: which failures are asked again, how often, and what the client sees of it."""

import asyncio
from email.utils import formatdate
from time import time

import pytest

from tests.conftest import StartGateway
from tests.support.answers import TEXT, body, error, plain, stream, token
from tests.support.backend import ScriptedBackend, Step, close, hang, head, reset, send
from tests.support.gateway import Gateway
from tests.support.ways import CHAT, V1, Way, each_dialect, each_way


def healthy(way: Way) -> list[Step]:
    """Return the right answer to a way of asking."""
    return stream() if way.streamed else plain()


@each_way
async def test_a_whole_answer_comes_through_every_way(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    backend.play(healthy(way))
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT
    assert (await gateway.record())["attempts"] == len(backend.calls) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@each_dialect
async def test_a_status_that_may_pass_is_asked_again(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], way: Way, status: int
) -> None:
    gateway = await start(MAX_RETRIES="1")
    backend.play(error(status), stream())
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT
    assert len(backend.calls) == 2
    assert len(pauses) == 1
    assert (await gateway.record())["attempts"] == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 501, 505])
async def test_a_status_that_stays_is_not_asked_again(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], status: int
) -> None:
    gateway = await start(MAX_RETRIES="3")
    backend.play(error(status), stream())
    assert (await gateway.ask(CHAT.path, CHAT.body)).status == status
    assert len(backend.calls) == 1


@each_way
async def test_a_reset_before_anything_was_received_is_asked_again(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], way: Way
) -> None:
    gateway = await start(MAX_RETRIES="1")
    backend.play([reset], healthy(way))
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT
    assert (await gateway.record())["attempts"] == 2


async def test_a_connection_closed_before_anything_was_received_is_asked_again(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float]
) -> None:
    gateway = await start(MAX_RETRIES="1")
    backend.play([close], stream())
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT


@pytest.mark.parametrize("ending", [close, reset], ids=["fin", "rst"])
async def test_an_idle_connection_that_closes_as_the_request_goes_out_is_asked_again(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], ending: Step
) -> None:
    gateway = await start(MAX_RETRIES="1")
    backend.play(stream(), [ending], stream())
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT
    first, raced, again = backend.calls
    assert first.connection == raced.connection != again.connection
    assert again.body == raced.body


@each_dialect
async def test_a_refused_connection_is_asked_again_and_then_a_502(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], way: Way
) -> None:
    gateway = await start(MAX_RETRIES="2")
    await gateway.ask("/api/show", {"model": "m"})
    await backend.stop()
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 502
    assert "cannot be reached" in way.error(reply)["message"]
    assert (await gateway.record(1))["attempts"] == 3
    assert len(pauses) >= 2


async def test_the_retries_are_one_total_for_all_causes(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float]
) -> None:
    gateway = await start(MAX_RETRIES="3")
    backend.play(error(500), [reset], error(429), error(503, "still loading"), stream())
    reply = await gateway.ask(V1.path, V1.body)
    assert reply.status == 503
    assert V1.error(reply)["message"] == "still loading"
    assert len(backend.calls) == 4
    assert (await gateway.record())["attempts"] == 4


@pytest.mark.parametrize("script", [error(500), error(429), [reset]], ids=["500", "429", "reset"])
async def test_without_retries_the_first_failure_is_the_answer(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], script: list[Step]
) -> None:
    gateway = await start(MAX_RETRIES="0")
    backend.play(script, stream())
    assert (await gateway.ask(CHAT.path, CHAT.body)).status >= 400
    assert len(backend.calls) == 1


async def test_each_retry_sends_the_same_body_and_request_id(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float]
) -> None:
    gateway = await start(MAX_RETRIES="2")
    backend.play(error(500), error(500), stream())
    reply = await gateway.ask(CHAT.path, CHAT.body, headers={"X-Request-ID": "mine-1"})
    assert reply.headers["X-Request-ID"] == "mine-1"
    assert {call.headers["X-Request-ID"] for call in backend.calls} == {"mine-1"}
    assert len({call.body for call in backend.calls}) == 1


@each_way
async def test_a_silent_backend_is_not_asked_again(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], way: Way
) -> None:
    gateway = await start(MAX_RETRIES="3", REQUEST_TIMEOUT="0.2", TOTAL_TIMEOUT="0.2")
    backend.play([hang], healthy(way))
    assert (await gateway.ask(way.path, way.body)).status == 504
    assert len(backend.calls) == 1


@each_dialect
async def test_nothing_is_asked_again_once_output_was_shown(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], way: Way
) -> None:
    gateway = await start(MAX_RETRIES="3")
    backend.play([head(), send(token("half ")), reset], stream())
    way.last_error(await gateway.ask(way.path, way.body))
    assert len(backend.calls) == 1
    assert (await gateway.record())["attempts"] == 1


async def test_an_answer_that_breaks_before_its_first_output_is_asked_again(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float]
) -> None:
    gateway = await start(MAX_RETRIES="1")
    backend.play([head(), reset], stream())
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT
    backend.play([head(), send(token("half")), reset], stream())
    CHAT.last_error(await gateway.ask(CHAT.path, CHAT.body))
    assert len(backend.calls) == 3


@pytest.mark.parametrize(
    "script",
    [body(b"<html>", content_type="text/html"), body(b"{broken"), body(b"")],
    ids=["html", "broken", "empty"],
)
async def test_an_answer_in_other_words_is_not_asked_again(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], script: list[Step]
) -> None:
    gateway = await start(MAX_RETRIES="3")
    backend.play(script, stream())
    assert (await gateway.ask(CHAT.path, CHAT.body)).status == 502
    assert len(backend.calls) == 1


async def test_retry_after_in_seconds_is_waited_for(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float]
) -> None:
    gateway = await start(MAX_RETRIES="1")
    backend.play(error(429, headers={"Retry-After": "7"}), stream())
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT
    assert 7 <= pauses[0] < 8


async def test_retry_after_as_a_date_is_waited_for(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float]
) -> None:
    gateway = await start(MAX_RETRIES="1")
    backend.play(error(503, headers={"Retry-After": formatdate(time() + 40, usegmt=True)}), stream())
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT
    assert 10 < pauses[0] < 41


@each_dialect
async def test_a_retry_after_that_is_too_long_is_handed_on_at_once(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], way: Way
) -> None:
    gateway = await start(MAX_RETRIES="3")
    backend.play(error(429, "come back tomorrow", headers={"Retry-After": "86400"}), stream())
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 429
    assert reply.headers["Retry-After"] == "86400"
    assert way.error(reply)["message"] == "come back tomorrow"
    assert len(backend.calls) == 1


async def test_retry_after_is_really_waited_for(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start(MAX_RETRIES="1")
    backend.play(error(429, headers={"retry-after-ms": "300"}), stream())
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT
    first, second = backend.calls
    assert second.at_s - first.at_s >= 0.3


async def test_a_request_with_its_own_failures_takes_no_retries_from_another(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float]
) -> None:
    gateway = await start(MAX_RETRIES="1")
    backend.play(error(500), error(500), error(500), stream())
    assert (await gateway.ask(CHAT.path, CHAT.body)).status == 500
    assert (await gateway.ask(CHAT.path, CHAT.body)).status == 200


async def test_attempts_are_counted_by_how_they_ended(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float]
) -> None:
    gateway = await start(MAX_RETRIES="2")
    backend.play(error(500), [reset], stream())
    await gateway.ask(CHAT.path, CHAT.body)
    reply = await gateway.ask("/metrics", method="GET")
    assert 'gateway_backend_attempts_total{backend="main",cause="ok"} 1.0' in reply.text
    assert 'gateway_backend_attempts_total{backend="main",cause="backend_status"} 1.0' in reply.text
    assert 'gateway_backend_attempts_total{backend="main",cause="backend_connection"} 1.0' in reply.text


async def test_a_body_of_megabytes_reaches_the_backend_whole_and_again(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float]
) -> None:
    gateway = await start(MAX_RETRIES="1")
    backend.play(error(500), stream())
    text = "x" * 3_000_000
    messages = [{"role": "user", "content": text}]
    for way in (CHAT, V1):
        backend.play(error(500), stream())
        assert way.text(await gateway.ask(way.path, {**way.body, "messages": messages})) == TEXT
    assert [call.json["messages"][0]["content"] == text for call in backend.calls] == [True] * 4


async def test_many_requests_at_once_share_nothing_but_the_pool(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(stream())
    replies = await asyncio.gather(*(gateway.ask(CHAT.path, CHAT.body) for _ in range(20)))
    assert [CHAT.text(reply) for reply in replies] == [TEXT] * 20
    assert len({reply.headers["X-Request-ID"] for reply in replies}) == 20
