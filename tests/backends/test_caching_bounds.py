"""The response cache, through a whole gateway: what is not kept, who is not shown it, and what it survives."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway import reach
from gateway.backends import POOL
from gateway.backends.backend import Backend
from gateway.backends.cache_stores import REDIS_PREFIX
from tests.conftest import StartGateway
from tests.support.answers import (
    DONE,
    ROLE,
    TEXT,
    embeddings,
    error,
    event,
    finish,
    plain,
    stream,
    token,
    whole_stream,
)
from tests.support.backend import ScriptedBackend, Step, close, end, hang, head, reached, send, wait
from tests.support.cached import ask, right, sure
from tests.support.gateway import Gateway
from tests.support.redis_server import RedisServer
from tests.support.secrets import BACKEND_KEY, CLIENT_KEY, GATEWAY_KEY, PROMPT
from tests.support.ways import CHAT, V1, V1_WHOLE, Way


@pytest.fixture
async def gateway(start: StartGateway) -> Gateway:
    """A gateway that keeps answers in memory."""
    return await start(CACHE_URL="memory://")


BROKEN: dict[str, list[Step]] = {
    "status": error(500),
    "cut": [head(), send(ROLE, token("half")), close],
    "error": stream(token("half"), event({"error": {"message": "it broke"}})),
    "nothing": stream(DONE),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("way", [CHAT, V1], ids=lambda way: way.name)
async def test_a_failure_is_not_kept(backend: ScriptedBackend, gateway: Gateway, way: Way, name: str) -> None:
    backend.play(BROKEN[name], right(way, "whole"), error(500))
    failed = await gateway.ask(way.path, sure(way))
    assert failed.headers["X-Cache"] == "MISS"
    assert failed.status >= 400 or b"error" in failed.body
    assert await ask(gateway, way, "MISS") == "whole"
    assert await ask(gateway, way, "HIT") == "whole"


async def test_what_a_client_left_is_not_kept(backend: ScriptedBackend, gateway: Gateway) -> None:
    halfway = asyncio.Event()
    backend.play([head(), send(ROLE, token("half")), reached(halfway), hang], right(CHAT, "whole"))
    async with gateway.opened(CHAT.path, sure(CHAT)) as response:
        await halfway.wait()
        await response.content.readany()
    await (await backend.call()).left()
    assert await ask(gateway, CHAT, "MISS") == "whole"


async def test_what_a_client_has_read_to_its_end_is_kept_though_it_leaves_at_once(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    backend.play([head(), send(whole_stream()), hang], error(500))
    async with gateway.opened(CHAT.path, sure(CHAT), headers={"Connection": "close"}) as response:
        await response.read()
    await (await backend.call()).left()
    assert await ask(gateway, CHAT, "HIT") == TEXT


async def test_what_is_too_large_is_not_kept(
    backend: ScriptedBackend, start: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.backends.caching.MAX_ENTRY_BYTES", 1000)
    gateway = await start(CACHE_URL="memory://")
    backend.play(right(V1, "x" * 2000))
    await ask(gateway, V1, "MISS")
    await ask(gateway, V1, "MISS")


async def test_the_memory_that_may_be_used_is_a_setting(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start(CACHE_URL="memory://", CACHE_MAX_BYTES="5000")
    backend.play(right(V1, "x" * 1500))
    for seed in range(4):
        await ask(gateway, V1, "MISS", seed=seed)
    await ask(gateway, V1, "HIT", seed=3)
    await ask(gateway, V1, "MISS", seed=0)


async def test_how_long_an_answer_is_kept_is_a_setting(
    backend: ScriptedBackend, start: StartGateway, cache_url: str
) -> None:
    gateway = await start(CACHE_URL=cache_url, CACHE_TTL="0.02")
    backend.play(right(CHAT))
    await ask(gateway, CHAT, "MISS")
    await asyncio.sleep(0.1)
    await ask(gateway, CHAT, "MISS")
    assert len(backend.calls) == 2


async def test_nobody_is_shown_what_the_key_of_another_paid_for(
    backend: ScriptedBackend, start: StartGateway, cache_url: str
) -> None:
    gateway = await start(CACHE_URL=cache_url)
    backend.play(*(plain(embeddings([float(number)])) for number in (1, 2, 3)), error(500))
    asked = {"model": "m", "input": "one"}
    keys = [{"Authorization": f"Bearer {CLIENT_KEY}"}, {"Authorization": "Bearer another"}, {}]
    for wanted in ("MISS", "HIT"):
        for number, headers in enumerate(keys, 1):
            reply = await gateway.ask("/v1/embeddings", asked, headers=headers)
            assert reply.headers["X-Cache"] == wanted
            assert reply.json["data"][0]["embedding"] == [number]


async def test_clients_share_what_the_key_of_the_gateway_paid_for(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    gateway = await start(CACHE_URL="memory://", OPENAI_API_KEY=BACKEND_KEY, API_KEYS=f"{GATEWAY_KEY},second-key")
    backend.play(plain(embeddings([1.0])))
    outcomes = [
        (await gateway.ask("/api/embed", {"model": "m", "input": "one"}, headers={"x-api-key": key})).headers["X-Cache"]
        for key in (GATEWAY_KEY, "second-key")
    ]
    assert outcomes == ["MISS", "HIT"]


async def test_batches_are_a_hit_when_all_of_them_are(backend: ScriptedBackend, gateway: Gateway) -> None:
    texts = [str(number) for number in range(2049)]
    answers = [plain(embeddings(*([[1.0]] * 2048))), plain(embeddings([1.0]))]
    backend.play(*answers, answers[0], error(500))
    asked = {"model": "m", "input": texts}
    assert (await gateway.ask("/api/embed", asked)).headers["X-Cache"] == "MISS"
    assert (await gateway.ask("/api/embed", asked)).headers["X-Cache"] == "HIT"
    partly = await gateway.ask("/api/embed", {**asked, "input": ["another", *texts[1:]]})
    assert partly.headers["X-Cache"] == "MISS"
    assert len(partly.json["embeddings"]) == 2049
    assert len(backend.calls) == 3


async def test_no_header_of_the_backend_is_given_again(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(plain(headers={"x-ratelimit-remaining-requests": "5"}))
    first, again = [await gateway.ask(V1_WHOLE.path, sure(V1_WHOLE)) for _ in range(2)]
    assert first.headers["x-ratelimit-remaining-requests"] == "5"
    assert "x-ratelimit-remaining-requests" not in again.headers


async def test_logs_and_metrics_tell_hits_from_misses(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(right(CHAT))
    await ask(gateway, CHAT, "MISS")
    await ask(gateway, CHAT, "HIT")
    await gateway.ask(CHAT.path, sure(CHAT), headers={"Cache-Control": "no-store"})
    records = [await gateway.record(number) for number in range(3)]
    assert [(record["cache"], record["attempts"]) for record in records] == [("miss", 1), ("hit", 0), ("bypass", 1)]
    assert "backend" not in records[1]
    shown = (await gateway.ask("/metrics", method="GET")).text
    for outcome in ("hit", "miss", "bypass"):
        assert f'gateway_cache_requests_total{{outcome="{outcome}"}} 1.0' in shown
    spent = re.findall(r'gateway_tokens_total\{direction="output".*usage_source="(\w+)"\} ([\d.]+)', shown)
    assert sorted(spent) == [("backend", "24.0"), ("cache", "12.0")], "tokens of a hit were not spent"


async def test_redis_that_dies_takes_no_request_with_it(
    backend: ScriptedBackend, start: StartGateway, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "REST_S", 0.0)
    gateway = await start(CACHE_URL=redis_server.url)
    backend.play(right(CHAT))
    await ask(gateway, CHAT, "MISS")
    await ask(gateway, CHAT, "HIT")
    redis_server.stop()
    texts = await asyncio.gather(*(ask(gateway, CHAT, "MISS") for _ in range(20)))
    assert texts == [TEXT] * 20
    warnings = [line for line in gateway.said() if line["level"] == "warning"]
    assert [line["event"] for line in warnings] == ["response cache not reached: answering without it"]
    redis_server.start()
    await ask(gateway, CHAT, "MISS")
    await ask(gateway, CHAT, "HIT")
    assert 'gateway_cache_requests_total{outcome="error"}' in (await gateway.ask("/metrics", method="GET")).text


async def test_redis_that_was_never_there_is_no_reason_not_to_start(
    backend: ScriptedBackend, start: StartGateway, redis_server: RedisServer
) -> None:
    redis_server.stop()
    gateway = await start(CACHE_URL=redis_server.url)
    backend.play(right(V1))
    assert await ask(gateway, V1, "MISS") == TEXT


async def test_what_was_damaged_or_belongs_to_another_question_is_asked_again(
    backend: ScriptedBackend, start: StartGateway, redis_server: RedisServer, redis: Redis
) -> None:
    gateway = await start(CACHE_URL=redis_server.url)
    backend.play(right(CHAT))
    await ask(gateway, CHAT, "MISS")
    [key] = await redis.keys()
    kept = await redis.get(key)
    assert isinstance(kept, bytes)
    for damaged in (b"", kept[:-3], b"\x80\x04N.", kept.replace(b"text", b"next")):
        await redis.set(key, damaged)
        await ask(gateway, CHAT, "MISS")
    await ask(gateway, CHAT, "MISS", think=False)
    for name in await redis.keys():
        await redis.set(name, kept)
    assert await ask(gateway, CHAT, "HIT") == TEXT
    await ask(gateway, CHAT, "MISS", think=False)


async def test_neither_keys_nor_questions_stand_in_redis(
    backend: ScriptedBackend, start: StartGateway, redis_server: RedisServer, redis: Redis
) -> None:
    gateway = await start(CACHE_URL=redis_server.url)
    backend.play(right(CHAT))
    reply = await gateway.ask(
        CHAT.path,
        sure(CHAT, messages=[{"role": "user", "content": PROMPT}]),
        headers={"Authorization": f"Bearer {CLIENT_KEY}"},
    )
    assert reply.headers["X-Cache"] == "MISS"
    [name] = await redis.keys()
    assert isinstance(name, bytes)
    assert name.startswith(REDIS_PREFIX)
    kept = await redis.get(name)
    assert isinstance(kept, bytes)
    everything = name + kept
    assert TEXT.split()[0].encode() in everything
    assert CLIENT_KEY.encode() not in everything
    assert PROMPT.encode() not in everything


async def test_gateways_in_front_of_other_backends_share_a_redis_and_no_answers(
    backend: ScriptedBackend, start: StartGateway, redis_server: RedisServer
) -> None:
    async with ScriptedBackend() as other:
        first, second = await start(CACHE_URL=redis_server.url), await start(at=other.url, CACHE_URL=redis_server.url)
        backend.play(right(CHAT, "first"))
        other.play(right(CHAT, "second"))
        for wanted in ("MISS", "HIT"):
            assert await ask(first, CHAT, wanted) == "first"
            assert await ask(second, CHAT, wanted) == "second"


def _fleet(tmp_path: Path, *urls: str, fallbacks: tuple[str, ...] = (), equal: bool = True) -> str:
    """Write a backends file with a backend for each URL, and return its path."""
    backends: list[dict[str, Any]] = [
        {"name": f"b{number}", "base_url": url, "models": ["m"], "priority": 1 if equal else 1 + number}
        for number, url in enumerate(urls)
    ]
    if fallbacks:
        backends[-1]["models"] = ["spare"]
    path = tmp_path / "backends.json"
    path.write_text(json.dumps({"backends": backends, "models": {"m": {"fallbacks": list(fallbacks)}}}))
    return str(path)


async def test_equal_backends_answer_for_each_other_from_the_cache(
    backend: ScriptedBackend, start: StartGateway, tmp_path: Path
) -> None:
    async with ScriptedBackend() as other:
        backend.play(right(CHAT, "first"))
        other.play(right(CHAT, "second"))
        gateway = await start(CACHE_URL="memory://", BACKENDS_FILE=_fleet(tmp_path, backend.url, other.url))
        text = await ask(gateway, CHAT, "MISS")
        for _ in range(4):
            assert await ask(gateway, CHAT, "HIT") == text
        assert len(backend.calls) + len(other.calls) == 1


async def test_the_answer_of_a_backend_of_lower_priority_is_not_kept(
    backend: ScriptedBackend, start: StartGateway, tmp_path: Path
) -> None:
    async with ScriptedBackend() as other:
        backend.play(error(500))
        other.play(right(CHAT))
        path = _fleet(tmp_path, backend.url, other.url, equal=False)
        gateway = await start(CACHE_URL="memory://", BACKENDS_FILE=path, MAX_RETRIES="1")
        for _ in range(2):
            assert await ask(gateway, CHAT, "MISS") == TEXT


async def test_an_answer_is_not_kept_where_a_reload_replaced_its_backend_meanwhile(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    halfway, replaced = asyncio.Event(), asyncio.Event()
    backend.play([head(), send(ROLE, token("half")), reached(halfway), wait(replaced), send(finish(), DONE), end])
    asked = asyncio.ensure_future(ask(gateway, CHAT, "MISS"))
    await halfway.wait()
    pool = gateway.app[POOL]
    pool.replace([Backend.of(one.settings) for one in pool.backends.values()])
    replaced.set()
    assert await asked == "half"
    assert await ask(gateway, CHAT, "MISS") == "half"
    assert await ask(gateway, CHAT, "HIT") == "half"


async def test_the_answer_of_a_fallback_is_not_kept(
    backend: ScriptedBackend, start: StartGateway, tmp_path: Path, redis_server: RedisServer, redis: Redis
) -> None:
    async with ScriptedBackend() as spare:
        backend.play(error(500), right(CHAT, "main"))
        spare.play(right(CHAT, "spare"))
        path = _fleet(tmp_path, backend.url, spare.url, fallbacks=("spare",))
        gateway = await start(CACHE_URL=redis_server.url, BACKENDS_FILE=path, MAX_RETRIES="0")
        assert await ask(gateway, CHAT, "MISS") == "spare"
        assert await redis.keys() == []
        assert await ask(gateway, CHAT, "MISS") == "main"
        assert await ask(gateway, CHAT, "HIT") == "main"


async def test_an_answer_without_the_seed_that_the_backend_refused_is_not_kept(
    backend: ScriptedBackend, start: StartGateway, redis_server: RedisServer, redis: Redis
) -> None:
    gateway = await start(CACHE_URL=redis_server.url)
    refusal = error(400, "Unrecognized request argument supplied: seed")
    backend.play(refusal, right(CHAT, "first"), right(CHAT, "second"))
    assert await ask(gateway, CHAT, "MISS") == "first"
    assert await ask(gateway, CHAT, "") == "second"
    assert await redis.keys() == []
