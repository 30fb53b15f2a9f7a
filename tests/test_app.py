"""The composition: what create_app puts together holds together on a real socket."""

import asyncio
import json

import pytest

from gateway.app import create_app
from gateway.backends import POOL
from gateway.backends.answer import Answer
from gateway.catalog import CATALOG
from gateway.codecs.events import Event
from gateway.config import Config
from gateway.exchange import ROUTES, Dialect
from gateway.lifecycle import LIFECYCLE
from gateway.telemetry.metrics import METRICS
from tests.conftest import StartGateway
from tests.support.answers import TEXT, error, plain, stream
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway
from tests.support.secrets import GATEWAY_KEY
from tests.support.ways import CHAT, V1, WAYS, Way, each_dialect, each_way

ROUTE_LIST = """
GET /  HEAD /
GET /api/version  HEAD /api/version
GET /api/tags  HEAD /api/tags
GET /api/ps
POST /api/show  POST /api/chat  POST /api/generate  POST /api/embed  POST /api/embeddings
POST /api/pull  POST /api/push  POST /api/create  POST /api/copy  DELETE /api/delete
HEAD /api/blobs/{digest}  POST /api/blobs/{digest}
GET /api/status  POST /api/me  POST /api/signout  DELETE /api/user/keys/{key}
POST /api/experimental/web_search  POST /api/experimental/web_fetch  GET /api/experimental/model-recommendations
POST /v1/chat/completions  POST /v1/completions  POST /v1/embeddings
GET /v1/models  GET /v1/models/{model}
GET /health  GET /v1/health  GET /ready  HEAD /health  HEAD /v1/health  HEAD /ready
GET /v1/version
GET /ui  HEAD /ui  GET /ui/events
GET /openapi.json  HEAD /openapi.json  GET /openapi.yaml  HEAD /openapi.yaml
GET /docs  HEAD /docs  GET /docs/{part}  HEAD /docs/{part}  GET /redoc  HEAD /redoc
GET /v1/metrics  GET /metrics  GET /v1/metrics/prometheus  GET /v1/metrics/health
"""


PRIVATE = "what nobody else should read"


async def test_every_route_of_the_contract_is_there_and_no_other(gateway: Gateway) -> None:
    wanted = {tuple(line.split()) for lines in ROUTE_LIST.split("\n") for line in lines.split("  ") if line}
    found = {(route.method, info.label.replace(":.+", "")) for route, info in gateway.app[ROUTES].items()}
    assert found == wanted


async def test_routes_speak_the_dialect_of_their_place(gateway: Gateway) -> None:
    for info in gateway.app[ROUTES].values():
        if info.label.startswith("/api/"):
            assert info.dialect is Dialect.OLLAMA
        if info.label in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models"):
            assert info.dialect is Dialect.OPENAI


async def test_an_application_without_a_backend_is_refused() -> None:
    with pytest.raises(ValueError, match="OPENAI_API_BASE_URL"):
        create_app(Config.from_mapping({}))


async def test_what_it_is_made_of_can_be_found(gateway: Gateway) -> None:
    for key in (POOL, CATALOG, LIFECYCLE, METRICS):
        assert gateway.app[key] is not None


@each_way
async def test_every_answer_carries_its_request_id_and_no_server(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    for script in (stream() if way.streamed else plain(), error(500)):
        backend.play(script)
        reply = await gateway.ask(way.path, way.body)
        assert reply.headers["X-Request-ID"] == backend.calls[-1].headers["X-Request-ID"]
        assert "Server" not in reply.headers
    assert [line["request_id"] for line in gateway.said() if line["event"] == "request"] == [
        call.headers["X-Request-ID"] for call in backend.calls
    ]


@each_dialect
async def test_a_request_id_of_the_client_goes_through(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    backend.play(error(500))
    reply = await gateway.ask(way.path, way.body, headers={"X-Request-ID": "mine.1"})
    assert reply.headers["X-Request-ID"] == backend.calls[0].headers["X-Request-ID"] == "mine.1"
    assert (await gateway.record())["request_id"] == "mine.1"
    reply = await gateway.ask(way.path, way.body, headers={"X-Request-ID": "mine 2;"})
    assert reply.headers["X-Request-ID"] not in ("mine 2;", "mine.1")


@each_way
async def test_a_doubled_slash_works_in_the_dialect_of_its_route(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(stream() if way.streamed else plain())
    doubled = way.path.replace("/", "//")
    assert way.text(await gateway.ask(doubled, way.body)) == TEXT
    assert (await gateway.record())["route"] == way.path
    assert way.error(await gateway.ask(doubled, b"{"))["message"]


async def test_the_log_line_of_a_request_says_what_happened(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float]
) -> None:
    gateway = await start(MAX_RETRIES="2")
    backend.play(error(500), stream())
    for number, way in enumerate(WAYS[:3]):
        backend.play(error(500), stream())
        await gateway.ask(way.path + "?secret=query", way.body)
        record = await gateway.record(number)
        expected = {
            "method": "POST",
            "route": way.path,
            "status": 200,
            "model": "m",
            "backend": "main",
            "attempts": 2,
            "stream": True,
            "prompt_tokens": 7,
            "completion_tokens": 12,
        }
        assert {name: record[name] for name in expected} == expected
        assert record["duration_ms"] >= record["ttfc_ms"] >= 0
    assert b"query" not in gateway.log.getvalue()


async def test_a_key_is_wanted_before_the_body_is_read(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start(API_KEYS=GATEWAY_KEY, REQUEST_MAX_SIZE="100")
    for way in (CHAT, V1):
        reply = await gateway.ask(way.path, b"x" * 1000)
        assert reply.status == 401
        assert way.error(reply)["message"]
        reply = await gateway.ask(way.path, b"x" * 1000, headers={"Authorization": f"Bearer {GATEWAY_KEY}"})
        assert reply.status == 413
    assert backend.calls == []


async def test_a_foreign_origin_or_host_reaches_no_handler(backend: ScriptedBackend, gateway: Gateway) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        reply = await gateway.ask(CHAT.path, CHAT.body, headers=headers)
        assert (reply.status, reply.body) == (403, b"")
    assert backend.calls == []


async def test_an_allowed_origin_sees_streams_and_errors(backend: ScriptedBackend, gateway: Gateway) -> None:
    origin = {"Origin": "http://localhost:3000"}
    for script in (stream(), error(500)):
        backend.play(script)
        for way in (CHAT, V1):
            reply = await gateway.ask(way.path, way.body, headers=origin)
            assert reply.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    reply = await gateway.ask("/nowhere", headers=origin)
    assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (404, "http://localhost:3000")


async def test_without_metrics_nothing_is_counted_and_no_route_is_left(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    gateway = await start(ENABLE_METRICS="false")
    backend.play(stream())
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT
    assert METRICS not in gateway.app
    for path in ("/metrics", "/v1/metrics", "/v1/metrics/prometheus"):
        assert (await gateway.ask(path, method="GET")).status == 404


async def test_an_unhandled_error_is_a_500_without_its_text(
    backend: ScriptedBackend, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(PRIVATE)

    monkeypatch.setattr("gateway.backends.pool.Pool.attempts", fail)
    for way in (CHAT, V1):
        reply = await gateway.ask(way.path, way.body)
        assert (reply.status, way.error(reply)["message"]) == (500, "internal error")
    lines = [line for line in gateway.said() if line["event"] == "unhandled error"]
    assert [line["error_type"] for line in lines] == ["RuntimeError"] * 2
    assert PRIVATE.encode() not in gateway.log.getvalue()


async def test_an_unhandled_error_in_the_middle_of_a_stream_cuts_it(
    backend: ScriptedBackend, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = Answer.next

    async def fail(answer: Answer) -> list[Event] | None:
        if answer._first is None:
            raise RuntimeError(PRIVATE)
        return await healthy(answer)

    monkeypatch.setattr("gateway.backends.answer.Answer.next", fail)
    backend.play(stream())
    for way in (CHAT, V1):
        reply = await gateway.ask(way.path, way.body)
        assert (reply.status, reply.cut) == (200, True)
        assert b"HTTP/1.1" not in reply.body
    assert PRIVATE.encode() not in gateway.log.getvalue()


async def test_two_applications_in_one_process_share_no_numbers(backend: ScriptedBackend, start: StartGateway) -> None:
    first, second = await start(), await start()
    backend.play(stream())
    await first.ask(CHAT.path, CHAT.body)
    assert 'route="/api/chat"' in (await first.ask("/metrics", method="GET")).text
    assert 'route="/api/chat"' not in (await second.ask("/metrics", method="GET")).text


async def test_a_gateway_starts_and_stops_in_front_of_nothing(start: StartGateway) -> None:
    gateway = await start(at="http://127.0.0.1:1/v1")
    assert (await gateway.ask("/", method="GET")).text == "Ollama is running"
    assert (await gateway.ask("/health", method="GET")).status == 200


async def test_one_connection_serves_many_requests_and_their_errors(backend: ScriptedBackend, gateway: Gateway) -> None:
    data = json.dumps({**CHAT.body, "stream": False}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    async with asyncio.timeout(10):
        for body, status in ((b"{", b"400"), (data, b"503"), (data, b"200"), (b"null", b"400"), (data, b"200")):
            backend.play(error(503) if status == b"503" else plain())
            writer.write(
                b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            top = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert top.startswith(b"http/1.1 " + status)
            await reader.readexactly(int(top.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    writer.close()
    await writer.wait_closed()
