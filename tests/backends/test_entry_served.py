"""What the backends file says of a backend, or of a model, happens on the wire."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.conftest import StartGateway
from tests.support.answers import ROLE, TEXT, WORDS, completion, embeddings, error, plain, stream, token
from tests.support.backend import LONG_S, ScriptedBackend, close, hang, head, send
from tests.support.certificates import FIRST, SECOND, Pair
from tests.support.gateway import Gateway
from tests.support.secrets import BACKEND_KEY, CLIENT_KEY
from tests.support.ways import CHAT, CHAT_WHOLE, V1_WHOLE, Way


async def gateway_with(
    start: StartGateway,
    folder: Path,
    *entries: dict[str, Any],
    rules: dict[str, Any] | None = None,
    settings: dict[str, str] | None = None,
) -> Gateway:
    """Return a gateway with these backends, named b0, b1 and so on, and these rules for models."""
    named = [{"name": f"b{at}", "priority": at, **entry} for at, entry in enumerate(entries)]
    file = folder / "backends.json"
    file.write_text(json.dumps({"backends": named, "models": rules or {}}))
    return await start(BACKENDS_FILE=str(file), **(settings or {}))


async def test_texts_to_embed_go_out_in_batches_of_its_size_and_come_back_in_order(
    backend: ScriptedBackend, start: StartGateway, tmp_path: Path
) -> None:
    backend.play(plain(embeddings([1.0, 0.0], [0.0, 1.0])), plain(embeddings([-1.0, 0.0])))
    gateway = await gateway_with(start, tmp_path, {"base_url": backend.url, "limits": {"embedding_batch": 2}})
    reply = await gateway.ask("/api/embed", {"model": "m", "input": ["a", "b", "c"]})
    assert reply.json["embeddings"] == [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    assert [call.json["input"] for call in backend.calls] == [["a", "b"], ["c"]]


async def test_the_request_above_its_limit_of_a_minute_goes_elsewhere(
    backend: ScriptedBackend, start: StartGateway, tmp_path: Path
) -> None:
    async with ScriptedBackend() as other:
        for each in (backend, other):
            each.play(stream())
        limited = {"base_url": backend.url, "limits": {"requests_per_minute": 2}}
        gateway = await gateway_with(start, tmp_path, limited, {"base_url": other.url})
        for _ in range(3):
            assert CHAT_WHOLE.text(await gateway.ask(CHAT_WHOLE.path, CHAT_WHOLE.body)) == TEXT
        assert (len(backend.calls), len(other.calls)) == (2, 1)


async def test_passthrough_sends_each_clients_own_key_and_none_where_there_is_none(
    backend: ScriptedBackend, start: StartGateway, tmp_path: Path
) -> None:
    backend.play(stream())
    gateway = await gateway_with(start, tmp_path, {"base_url": backend.url, "api_key": "passthrough"})
    await gateway.ask(CHAT_WHOLE.path, CHAT_WHOLE.body, headers={"Authorization": f"Bearer {CLIENT_KEY}"})
    await gateway.ask(CHAT_WHOLE.path, CHAT_WHOLE.body)
    assert [call.headers.get("Authorization") for call in backend.calls] == [f"Bearer {CLIENT_KEY}", None]


@pytest.mark.parametrize("told", [True, False], ids=["configured", "detected"])
async def test_azure_gets_its_key_alone_and_where_it_wants_it(start: StartGateway, tmp_path: Path, told: bool) -> None:
    seen: list[tuple[str, str | None, str | None]] = []

    async def note(request: web.Request) -> web.Response:
        seen.append((request.path, request.headers.get("api-key"), request.headers.get("Authorization")))
        body = {"data": [{"id": "m", "object": "model"}]} if request.method == "GET" else completion()
        return web.json_response(body, headers={"apim-request-id": "1"})

    app = web.Application()
    app.router.add_route("*", "/v1/{rest:.*}", note)
    async with TestServer(app) as server:
        entry = {
            "base_url": str(server.make_url("/v1")),
            "api_key": BACKEND_KEY,
            **({"profile": "azure"} if told else {}),
        }
        gateway = await gateway_with(start, tmp_path, entry)
        assert V1_WHOLE.text(await gateway.ask(V1_WHOLE.path, V1_WHOLE.body)) == TEXT
    # Before the list has told what it is, nobody knows.
    told_by_then = seen if told else [asked for asked in seen if asked[0].endswith("/completions")]
    assert {(key, bearer) for _, key, bearer in told_by_then} == {(BACKEND_KEY, None)}


@pytest.mark.parametrize("who", ["m", "fallback"])
async def test_the_clocks_of_a_rule_come_before_those_of_the_backend(
    backend: ScriptedBackend, start: StartGateway, tmp_path: Path, who: str
) -> None:
    async with ScriptedBackend() as other:
        backend.play([hang] if who == "m" else error(503, "busy"))
        other.models = ["other"]
        other.play([hang])
        rule = {"timeouts": {"first_token_s": 0.2}, "fallbacks": [] if who == "m" else ["other"]}
        patient = [{"base_url": each.url, "timeouts": {"first_token_s": 3600}} for each in (backend, other)]
        gateway = await gateway_with(start, tmp_path, *patient, rules={"m": rule}, settings={"MAX_RETRIES": "0"})
        async with asyncio.timeout(LONG_S):
            reply = await gateway.ask(CHAT_WHOLE.path, CHAT_WHOLE.body)
        # Who was asked for is told of, not who stood in.
        assert reply.status == (504 if who == "m" else 503)
        assert len(other.calls) == (0 if who == "m" else 1)


@pytest.mark.parametrize("delivery", ["whole", "live"])
async def test_the_delivery_of_a_rule_decides_whether_a_cut_is_seen(
    backend: ScriptedBackend, start: StartGateway, tmp_path: Path, pauses: list[float], delivery: str
) -> None:
    backend.play([head(), send(ROLE, *map(token, WORDS[:6])), close], stream())
    rules = {"m": {"delivery": delivery}}
    gateway = await gateway_with(start, tmp_path, {"base_url": backend.url}, rules=rules, settings={"MAX_RETRIES": "1"})
    reply = await gateway.ask(CHAT.path, CHAT.body)
    if delivery == "whole":
        assert CHAT.text(reply) == TEXT
    else:
        assert CHAT.last_error(reply)["message"]
    assert len(backend.calls) == (2 if delivery == "whole" else 1)


@pytest.mark.parametrize(
    ("word", "way", "streams"),
    [
        ("auto", CHAT_WHOLE, True),
        ("auto", V1_WHOLE, False),
        ("direct", CHAT_WHOLE, False),
        ("direct", V1_WHOLE, False),
        ("streamed", CHAT_WHOLE, True),
        ("streamed", V1_WHOLE, True),
    ],
    ids=lambda value: value.name if isinstance(value, Way) else str(value),
)
async def test_plain_requests_are_asked_for_as_the_setting_says(
    backend: ScriptedBackend, start: StartGateway, tmp_path: Path, word: str, way: Way, streams: bool
) -> None:
    backend.play(stream() if streams else plain())
    entry = {"base_url": backend.url, "profile": "llamacpp"}
    gateway = await gateway_with(start, tmp_path, entry, settings={"PLAIN_REQUESTS": word})
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT
    assert bool(backend.calls[0].json.get("stream")) is streams


@asynccontextmanager
async def over_tls(folder: Path, *, trusts: Pair | None = None) -> AsyncIterator[str]:
    """Serve completions with the first certificate; `trusts`: only to those who show this one."""
    files = FIRST.write(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["TLS_CERT_FILE"], files["TLS_KEY_FILE"])
    if trusts is not None:
        context.load_verify_locations(cadata=trusts.certificate)
        context.verify_mode = ssl.CERT_REQUIRED

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(completion())

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    try:
        yield str(server.make_url("/v1"))
    finally:
        await server.close()


@pytest.mark.parametrize(
    ("tls", "status"),
    [({"ca": "tls.crt"}, 200), ({"verify": False}, 200), ({}, 502)],
    ids=["its-own-authority", "unchecked", "nobody-it-trusts"],
)
async def test_a_backends_certificate_is_checked_as_it_says(
    start: StartGateway, tmp_path: Path, tls: dict[str, Any], status: int
) -> None:
    async with over_tls(tmp_path) as url:
        gateway = await gateway_with(start, tmp_path, {"base_url": url, "models": ["m"], "tls": tls})
        reply = await gateway.ask(V1_WHOLE.path, V1_WHOLE.body)
        assert reply.status == status, reply.body


async def test_our_certificate_is_shown_to_the_backend_that_wants_one(start: StartGateway, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    SECOND.write(tmp_path / "own")
    shown = {"ca": "tls.crt", "cert": "own/tls.crt", "key": "own/tls.key"}
    async with over_tls(tmp_path, trusts=SECOND) as url:
        known = {"base_url": url, "models": ["m"], "tls": shown}
        stranger = {"base_url": url, "models": ["n"], "tls": {"ca": "tls.crt"}}
        gateway = await gateway_with(start, tmp_path, known, stranger)
        assert V1_WHOLE.text(await gateway.ask(V1_WHOLE.path, V1_WHOLE.body)) == TEXT
        assert (await gateway.ask(V1_WHOLE.path, {**V1_WHOLE.body, "model": "n"})).status == 502
