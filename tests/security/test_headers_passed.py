"""Which headers pass between clients and backends: those of two short lists, and none with control characters."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.support.answers import completion, embeddings, error, plain, stream, whole_stream
from tests.support.backend import SSE, ScriptedBackend, Step, end, head, send
from tests.support.gateway import Gateway
from tests.support.secrets import CLIENT_KEY, GATEWAY_KEY
from tests.support.ways import CHAT, V1, V1_WHOLE, WAYS, Way, each_way

ALL: dict[str, dict[str, Any]] = {
    **{f"{way.path} {way.name}": way.body for way in WAYS},
    "/api/embed ": {"model": "m", "input": "x"},
    "/api/embeddings ": {"model": "m", "prompt": "x"},
    "/v1/embeddings ": {"model": "m", "input": "x"},
    "/v1/completions ": {"model": "m", "prompt": "x"},
}

OF_CLIENTS = {
    "Accept": "text/html",
    "Accept-Encoding": "gzip, br",
    "Accept-Language": "de",
    "Cookie": "session=stolen",
    "Expect-CT": "x",
    "Forwarded": "for=10.0.0.1;host=example.com",
    "Keep-Alive": "timeout=5",
    "OpenAI-Organization": "org-somebody-else",
    "OpenAI-Project": "proj-somebody-else",
    "Origin": "http://localhost:3000",
    "Proxy-Authorization": "Basic eDp5",
    "Range": "bytes=0-1",
    "Referer": "http://localhost/private",
    "TE": "trailers",
    "User-Agent": "curl/8",
    "Via": "1.1 somewhere",
    "X-Api-Version": "1",
    "X-Forwarded-For": "10.0.0.1",
    "X-Forwarded-Host": "example.com",
    "X-HTTP-Method-Override": "DELETE",
    "X-Original-URL": "/admin",
    "X-Real-IP": "10.0.0.1",
    "X-Request-ID": "an-id",
    "X-Rewrite-URL": "/admin",
    "X-Stainless-Lang": "python",
    "X-Unheard-Of": "x",
}
"""What a client may send beside its key."""

TO_BACKENDS = {"Host", "Accept", "Accept-Encoding", "User-Agent", "Content-Type", "Content-Length", "X-Request-ID"}


def names(headers: Mapping[str, str]) -> set[str]:
    """Return the names, as they are usually written."""
    usual = {name.lower(): name for name in (*TO_BACKENDS, "Authorization", *TO_CLIENTS)}
    return {usual.get(name.lower(), name) for name in headers}


TO_CLIENTS = {
    "Content-Type",
    "Content-Length",
    "Transfer-Encoding",
    "Date",
    "X-Request-ID",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "Referrer-Policy",
    "X-Gateway-Backend",
    "X-Gateway-Model",
    "X-Gateway-Attempts",
    "Server-Timing",
}


@pytest.mark.parametrize("name", ALL)
async def test_a_backend_sees_no_header_of_the_client_but_its_request_id(
    backend: ScriptedBackend, gateway: Gateway, name: str
) -> None:
    backend.play(plain(embeddings([0.5])) if "embed" in name else plain())
    await gateway.ask(name.partition(" ")[0], {**ALL[name], "stream": False}, headers=OF_CLIENTS)
    [call] = backend.calls
    assert names(call.headers) == TO_BACKENDS
    assert call.headers["X-Request-ID"] == "an-id"
    assert call.headers["Accept-Encoding"] == "identity"
    assert call.headers["User-Agent"] == "ollama-openai-proxy"
    assert call.headers["Host"] == f"127.0.0.1:{backend.port}"


async def test_the_key_is_the_only_other_one_and_only_where_we_have_none(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    backend.play(plain())
    open_to_all, guarded = await start(), await start(API_KEYS=GATEWAY_KEY)
    await open_to_all.ask(V1_WHOLE.path, V1_WHOLE.body, headers={**OF_CLIENTS, "x-api-key": CLIENT_KEY})
    await guarded.ask(V1_WHOLE.path, V1_WHOLE.body, headers={**OF_CLIENTS, "x-api-key": GATEWAY_KEY})
    passed, kept = backend.calls
    assert names(passed.headers) == {*TO_BACKENDS, "Authorization"}
    assert passed.headers["Authorization"] == f"Bearer {CLIENT_KEY}"
    assert names(kept.headers) == TO_BACKENDS


OF_BACKENDS = [
    ("Connection", "X-Private"),
    ("Keep-Alive", "timeout=5"),
    ("X-Private", "named in Connection"),
    ("Proxy-Authenticate", "Basic"),
    ("Proxy-Connection", "close"),
    ("Trailer", "X-Later"),
    ("Upgrade", "h2c"),
    ("Set-Cookie", "session=of-the-backend"),
    ("Set-Cookie", "another=one"),
    ("Server", "backend/1.2.3"),
    ("X-Powered-By", "Express"),
    ("Via", "1.1 somewhere"),
    ("Alt-Svc", 'h3=":443"'),
    ("Strict-Transport-Security", "max-age=1"),
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Credentials", "true"),
    ("Content-Security-Policy", "default-src *"),
    ("X-Frame-Options", "ALLOWALL"),
    ("X-Request-ID", "of-the-backend"),
    ("Location", "http://example.com/"),
    ("Refresh", "0; url=http://example.com/"),
    ("WWW-Authenticate", "Bearer realm=backend"),
    ("OpenAI-Organization", "org-of-the-operator"),
]


@each_way
async def test_a_client_sees_no_header_of_the_backend_but_those_named(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(
        [head(200, SSE, headers=[*OF_BACKENDS, ("X-RateLimit-Limit-Requests", "9")]), send(whole_stream()), end]
        if way.streamed
        else plain(completion(), headers=dict(OF_BACKENDS) | {"X-RateLimit-Limit-Requests": "9"})
    )
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 200
    allowed = TO_CLIENTS | ({"X-RateLimit-Limit-Requests", "Cache-Control", "X-Accel-Buffering"} if way.v1 else set())
    assert names(reply.headers) <= allowed
    assert ("X-RateLimit-Limit-Requests" in reply.headers) == way.v1
    assert reply.headers["X-Frame-Options"] == "DENY"
    assert reply.headers["X-Request-ID"].startswith("req_")


@each_way
async def test_an_error_of_the_backend_brings_no_other_headers(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(error(429, headers=dict(OF_BACKENDS) | {"Retry-After": "7", "X-RateLimit-Limit-Requests": "9"}))
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 429
    assert names(reply.headers) - {"Retry-After", "X-RateLimit-Limit-Requests"} <= TO_CLIENTS
    assert reply.headers["Retry-After"] == "7"


HOSTILE = [chr(code) for code in (*range(1, 9), 11, 12, *range(14, 32), *range(127, 160))]


@pytest.mark.parametrize("way", [CHAT, V1], ids=lambda way: way.name)
async def test_control_characters_in_a_backends_headers_do_not_end_the_answer(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    for character in HOSTILE:
        headers = {"x-ratelimit-a": f"a{character}b", "openai-version": character, "Retry-After": f"1{character}"}
        for script in (stream_with(headers), error(429, headers=headers)):
            backend.play(script)
            reply = await gateway.ask(way.path, way.body)
            assert reply.status in (200, 429, 502)
            assert not reply.cut
            assert all(value.isprintable() for value in reply.headers.values())
    assert [line for line in gateway.said() if line["level"] == "error"] == []


def stream_with(headers: Mapping[str, str]) -> list[Step]:
    """Return a healthy stream with these headers."""
    return [head(200, SSE, headers=headers), send(whole_stream()), end]


async def test_the_stream_behind_such_headers_arrives_whole(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(stream_with({"x-ratelimit-a": "a\x85b", "x-ratelimit-b": "2"}))
    reply = await gateway.ask(V1.path, V1.body)
    assert V1.text(reply)
    assert "x-ratelimit-a" not in reply.headers
    assert reply.headers["x-ratelimit-b"] == "2"


async def test_the_list_of_models_is_asked_for_with_the_same_headers(
    backend: ScriptedBackend, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    answer = backend.list_models

    async def remember(call: Any) -> None:
        seen.append(names(call.headers))
        await answer(call)

    monkeypatch.setattr(backend, "list_models", remember)
    backend.play(stream())
    for path in ("/api/tags", "/v1/models"):
        await gateway.ask(path, method="GET", headers=OF_CLIENTS)
    assert seen
    assert all(found <= TO_BACKENDS for found in seen)
