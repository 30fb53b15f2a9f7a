"""Streams on their way: signs of life in silences, what is held back, clients that do not read."""

import asyncio
import json

import pytest

from tests.conftest import StartGateway
from tests.support.answers import ROLE, TEXT, WORDS, error, finish, stream, token, usage, whole_stream
from tests.support.backend import LONG_S, ScriptedBackend, close, end, hang, head, send, sleep
from tests.support.gateway import Gateway
from tests.support.ways import CHAT, GENERATE, V1, Way, each_stream, each_way

BEATING = {"HEARTBEAT_INTERVAL": "0.1"}
WHOLE = {"X-Gateway-Delivery": "whole"}


def beats(way: Way, body: bytes) -> int:
    """Return how many heartbeats an answer has."""
    if way.v1:
        return body.count(b": heartbeat\n\n")
    lines = [json.loads(line) for line in body.splitlines()]
    contents = [line.get("response", line.get("message", {}).get("content")) for line in lines if not line.get("done")]
    return contents.count("")


@each_stream
async def test_a_silent_stream_shows_signs_of_life(backend: ScriptedBackend, start: StartGateway, way: Way) -> None:
    gateway = await start(**BEATING)
    backend.play([head(), sleep(0.35), send(whole_stream()), end])
    reply = await gateway.ask(way.path, way.body)
    assert way.text(reply) == TEXT
    assert 2 <= beats(way, reply.body) <= 4
    assert reply.headers["Content-Type"].startswith("text/event-stream" if way.v1 else "application/x-ndjson")


@each_stream
async def test_silence_in_the_middle_is_filled_as_well(backend: ScriptedBackend, start: StartGateway, way: Way) -> None:
    gateway = await start(**BEATING)
    rest = b"".join([*map(token, WORDS[1:]), finish(), usage(), b"data: [DONE]\n\n"])
    backend.play([head(), send(ROLE, token(WORDS[0])), sleep(0.25), send(rest), end])
    reply = await gateway.ask(way.path, way.body)
    assert way.text(reply) == TEXT
    assert 1 <= beats(way, reply.body) <= 3


@each_stream
async def test_a_stream_that_is_not_silent_has_none(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    backend.play(stream())
    assert beats(way, (await gateway.ask(way.path, way.body)).body) == 0


@each_stream
async def test_a_heartbeat_is_no_output_and_attempts_go_on(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], way: Way
) -> None:
    gateway = await start(**BEATING, MAX_RETRIES="1")
    backend.play([sleep(0.25), *error(503)], stream())
    reply = await gateway.ask(way.path, way.body)
    assert way.text(reply) == TEXT
    assert beats(way, reply.body) >= 1
    assert len(backend.calls) == 2


@each_stream
async def test_a_failure_after_heartbeats_alone_is_the_last_line(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(**BEATING)
    backend.play([sleep(0.25), *error(503, "still too busy")])
    reply = await gateway.ask(way.path, way.body)
    assert way.last_error(reply)["message"] == "still too busy"
    assert beats(way, reply.body.rsplit(b"data: ", 1)[0] if way.v1 else reply.body) >= 1
    record = await gateway.record()
    assert (record["status"], record["error"]) == (200, "backend_status")


async def test_heartbeats_can_be_switched_off(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start(HEARTBEAT_INTERVAL="0")
    backend.play([head(), sleep(0.3), send(whole_stream()), end])
    assert beats(CHAT, (await gateway.ask(CHAT.path, CHAT.body)).body) == 0


async def test_heartbeats_are_counted_and_are_no_chunks(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start(**BEATING)
    backend.play([head(), sleep(0.25), send(whole_stream()), end])
    await gateway.ask(CHAT.path, CHAT.body)
    numbers = (await gateway.ask("/metrics", method="GET")).text
    counted = float(numbers.split("\ngateway_heartbeats_total ")[1].split("\n")[0])
    assert counted >= 1
    assert (await gateway.record())["ttfc_ms"] >= 200


@pytest.mark.parametrize("how", ["header", "setting"])
@each_stream
async def test_a_whole_delivery_repairs_a_cut_unseen(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], way: Way, how: str
) -> None:
    gateway = await start(MAX_RETRIES="1", DELIVERY="whole" if how == "setting" else "live")
    backend.play([head(), send(ROLE, *map(token, WORDS[:6])), close], stream())
    reply = await gateway.ask(way.path, way.body, headers=WHOLE if how == "header" else None)
    assert way.text(reply) == TEXT
    assert len(backend.calls) == 2


@pytest.mark.parametrize(("setting", "held", "shown"), [({}, 8, 30), ({"GUARDED_TOKENS": "3"}, 2, 3)])
@each_stream
async def test_a_guarded_delivery_repairs_a_cut_at_the_beginning_alone(
    backend: ScriptedBackend,
    start: StartGateway,
    pauses: list[float],
    way: Way,
    setting: dict[str, str],
    held: int,
    shown: int,
) -> None:
    gateway = await start(MAX_RETRIES="1", DELIVERY="guarded", **setting)
    many = [token(f"{number} ") for number in range(40)]
    backend.play([head(), send(ROLE, *many[:held]), close], stream())
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT
    backend.play([head(), send(ROLE, *many[:shown]), close], stream())
    way.last_error(await gateway.ask(way.path, way.body))


@each_way
async def test_a_stream_that_never_ends_is_not_held_back_without_bound(
    backend: ScriptedBackend, start: StartGateway, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    monkeypatch.setattr("gateway.backends.answer.MAX_HELD_BYTES", 100_000)
    gateway = await start(DELIVERY="whole", PLAIN_REQUESTS="streamed")
    flood = [send(token("x" * 1000)) for _ in range(400)]
    backend.play([head(), send(ROLE), *flood, hang])
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 502
    assert "held back" in way.error(reply)["message"]
    await (await backend.call()).left()


@each_stream
async def test_what_the_client_asks_for_goes_before_what_is_configured(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], way: Way
) -> None:
    gateway = await start(MAX_RETRIES="1", DELIVERY="whole")
    backend.play([head(), send(ROLE, *map(token, WORDS[:6])), close], stream())
    way.last_error(await gateway.ask(way.path, way.body, headers={"X-Gateway-Delivery": " Live "}))


@each_stream
async def test_an_unknown_delivery_is_a_clear_error(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    reply = await gateway.ask(way.path, way.body, headers={"X-Gateway-Delivery": "soon"})
    assert reply.status == 400
    assert "live, guarded, whole" in way.error(reply)["message"]
    assert not backend.calls


@pytest.mark.parametrize("way", [CHAT, GENERATE, V1], ids=lambda way: way.name)
async def test_a_client_that_does_not_read_is_dropped_and_so_is_its_backend(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(WRITE_TIMEOUT="0.3")
    backend.play([head(), send(ROLE, *[token("x" * 60_000)] * 400), end])
    async with gateway.unread(way.path, way.body):
        async with asyncio.timeout(LONG_S):
            await (await backend.call()).left()
            assert (await gateway.record())["error"] == "slow_client"
        backend.play(stream())
        assert way.text(await gateway.ask(way.path, way.body)) == TEXT
