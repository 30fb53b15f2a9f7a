import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.lifecycle import LIFECYCLE, WorkerPlace
from gateway.web import feed
from gateway.web.page import read_page
from tests.conftest import StartGateway
from tests.handlers.serving import API_KEY, WITH_KEY
from tests.support.answers import stream
from tests.support.backend import LONG_S, ScriptedBackend
from tests.support.gateway import Gateway

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
SECRET = "a question that nobody else may read"
CHAT = {"model": "m", "messages": [{"role": "user", "content": SECRET}], "stream": True}


class Events:
    """The events of one connection, read one by one."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> tuple[str, Any] | None:
        """Return name and content of the next event, None at the end."""
        name = ""
        async with asyncio.timeout(LONG_S):
            async for line in self.response.content:
                field, _, value = line.decode().strip().partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    return name, json.loads(value)
        return None

    async def snapshot(self) -> dict[str, Any]:
        """Return the next snapshot."""
        while (event := await self.next()) is not None:
            if event[0] == "snapshot":
                found: dict[str, Any] = event[1]
                return found
        raise AssertionError("the events ended")


@asynccontextmanager
async def watching(gateway: Gateway, **headers: str) -> AsyncIterator[Events]:
    async with gateway.opened("/ui/events", method="GET", headers=headers) as response:
        assert response.status == 200
        yield Events(response)


# The page


async def test_the_page_is_sent_with_its_policy_and_its_tag(gateway: Gateway) -> None:
    reply = await gateway.ask("/ui", method="GET")
    page = read_page()
    assert (reply.status, reply.body) == (200, page.body)
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert reply.headers["Content-Security-Policy"] == page.policy
    assert reply.headers["Cache-Control"] == "no-cache"
    assert reply.headers["ETag"] == f'"{page.etag}"'
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("tags", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
async def test_a_browser_that_has_the_page_is_told_so(gateway: Gateway, tags: str) -> None:
    reply = await gateway.ask("/ui", method="GET", headers={"If-None-Match": tags.format(read_page().etag)})
    assert (reply.status, reply.body) == (304, b"")
    assert reply.headers["ETag"] == f'"{read_page().etag}"'


async def test_a_browser_that_has_another_page_gets_this_one(gateway: Gateway) -> None:
    assert (await gateway.ask("/ui", method="GET", headers={"If-None-Match": '"another"'})).status == 200


async def test_head_tells_of_the_page_without_it(gateway: Gateway) -> None:
    reply = await gateway.ask("/ui", method="HEAD")
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["Content-Length"]) == len(read_page().body)


async def test_browsers_get_the_page_at_the_root_and_clients_what_ollama_says(gateway: Gateway) -> None:
    reply = await gateway.ask("/", method="GET", headers=BROWSER)
    assert reply.body == read_page().body
    assert reply.headers["Vary"] == "Accept"
    for accept in ("*/*", "application/json, text/plain", "text/plain, text/html;q=0.5", "text/*"):
        reply = await gateway.ask("/", method="GET", headers={"Accept": accept})
        assert (reply.status, reply.text) == (200, "Ollama is running")
    assert (await gateway.ask("/", method="GET", headers={"Accept": "application/json"})).json["name"]


async def test_switched_off_there_is_no_page_and_there_are_no_events(start: StartGateway) -> None:
    gateway = await start(UI_ENABLED="false")
    assert (await gateway.ask("/ui", method="GET")).status == 404
    assert (await gateway.ask("/ui/events", method="GET")).status == 404
    assert (await gateway.ask("/", method="GET", headers=BROWSER)).text == "Ollama is running"


# Who may see what


async def test_where_keys_are_wanted_the_page_comes_without_one_and_the_events_do_not(start: StartGateway) -> None:
    gateway = await start(API_KEYS=API_KEY)
    assert (await gateway.ask("/ui", method="GET")).status == 200
    assert (await gateway.ask("/", method="GET", headers=BROWSER)).status == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        reply = await gateway.ask("/ui/events", method="GET", headers=headers)
        assert (reply.status, set(reply.json)) == (401, {"error"})
    async with watching(gateway, **WITH_KEY) as events:
        assert await events.snapshot()


async def test_the_page_says_nothing_of_the_gateway(start: StartGateway) -> None:
    one = await (await start(API_KEYS=API_KEY)).ask("/ui", method="GET")
    two = await (await start(DEFAULT_MODEL="a-model")).ask("/ui", method="GET")
    assert one.body == two.body


async def test_no_content_and_no_key_is_shown(start: StartGateway, backend: ScriptedBackend) -> None:
    gateway = await start(API_KEYS=API_KEY, OPENAI_API_KEY="backend-secret")
    backend.play(stream())
    assert (await gateway.ask("/api/chat", CHAT, headers=WITH_KEY)).status == 200
    async with watching(gateway, **WITH_KEY) as events:
        said = json.dumps([await events.next(), await events.snapshot()])
    for secret in (SECRET, API_KEY, "backend-secret", backend.url):
        assert secret not in said


# The events


async def test_the_events_begin_with_the_points_so_far(gateway: Gateway) -> None:
    async with watching(gateway) as events:
        assert events.response.headers["Content-Type"] == "text/event-stream"
        assert events.response.headers["Cache-Control"] == "no-cache"
        assert events.response.headers["X-Accel-Buffering"] == "no"
        assert await events.next() == ("history", [])
        assert (await events.snapshot())["point"] is None
        point = (await events.snapshot())["point"]
        assert point is not None
        async with watching(gateway) as later:
            kind, points = await later.next() or ("", [])
            assert (kind, points[0]) == ("history", point)


async def test_requests_their_tokens_and_their_errors_move_the_numbers(
    gateway: Gateway, backend: ScriptedBackend
) -> None:
    backend.play(stream())
    async with watching(gateway) as events:
        await events.snapshot()
        for _ in range(3):
            assert (await gateway.ask("/api/chat", CHAT)).status == 200
        assert (await gateway.ask("/api/chat", b"{broken")).status == 400
        totals = dict.fromkeys(("requests", "errors", "tokens"), 0.0)
        firsts: list[float] = []
        while totals["requests"] < 1 or not firsts or not totals["errors"]:
            point = (await events.snapshot())["point"]
            totals = {name: total + point[name] for name, total in totals.items()}
            firsts += [point["first_chunk_s"]] if point["first_chunk_s"] is not None else []
    assert totals["tokens"] > 0
    assert all(0 < first_s < LONG_S for first_s in firsts)


async def test_the_pages_own_requests_are_not_counted(gateway: Gateway) -> None:
    async with watching(gateway) as events, watching(gateway):
        await events.snapshot()
        for _ in range(5):
            await gateway.ask("/ui", method="GET")
        snapshot = await events.snapshot()
    assert (snapshot["point"]["requests"], snapshot["point"]["in_flight"]) == (0.0, 0)
    assert snapshot["recent"] == []


async def test_the_latest_requests_are_shown_with_what_became_of_them(
    gateway: Gateway, backend: ScriptedBackend
) -> None:
    backend.play(stream())
    good = await gateway.ask("/api/chat", CHAT, headers={"X-Request-ID": "the-good-one"})
    bad = await gateway.ask("/v1/chat/completions", b"{broken", headers={"X-Request-ID": "the-bad-one"})
    await gateway.ask("/api/version", method="GET")
    assert (good.status, bad.status) == (200, 400)
    async with watching(gateway) as events:
        refused, answered = (await events.snapshot())["recent"]
    assert (refused["id"], refused["route"], refused["status"]) == ("the-bad-one", "/v1/chat/completions", 400)
    assert refused["error"]
    assert refused["first_chunk_s"] is None
    assert answered["id"] == "the-good-one"
    assert (answered["method"], answered["route"], answered["status"]) == ("POST", "/api/chat", 200)
    assert (answered["model"], answered["backend"], answered["attempts"]) == ("m", "main", 1)
    assert 0 < answered["first_chunk_s"] <= answered["duration_s"] < LONG_S
    assert abs(answered["began_s"] - time.time()) < LONG_S


async def test_backends_are_shown_with_their_health_their_breakers_and_their_models(
    start: StartGateway, backend: ScriptedBackend, tmp_path: Path
) -> None:
    file = tmp_path / "backends.yaml"
    away = '{name: away, base_url: "http://127.0.0.1:1/v1", models: [big]}'
    file.write_text(f'backends:\n- {{name: here, base_url: "{backend.url}"}}\n- {away}\n', encoding="utf-8")
    gateway = await start(BACKENDS_FILE=str(file), MAX_RETRIES="0")
    models = [model["name"] for model in (await gateway.ask("/api/tags", method="GET")).json["models"]]
    for _ in range(5):
        assert (await gateway.ask("/api/chat", {**CHAT, "model": "big"})).status == 502
    async with watching(gateway) as events:
        here, gone = (await events.snapshot())["backends"]
    assert (here["name"], here["status"], here["breakers"]) == ("here", "healthy", {"open": [], "half_open": []})
    assert here["latency_ms"] > 0
    assert [*here["models"], "big"] == models
    assert here["model_count"] == len(here["models"])
    assert (gone["name"], gone["models"], gone["latency_ms"]) == ("away", ["big"], None)
    assert gone["status"] in ("unhealthy", "degraded")
    assert gone["breakers"]["open"] + gone["breakers"]["half_open"] == ["big"]


async def test_the_worker_that_is_shown_is_named(gateway: Gateway) -> None:
    async with watching(gateway) as events:
        assert (await events.snapshot())["worker"] is None
        gateway.app[LIFECYCLE].worker = WorkerPlace(1, 3)
        while (worker := (await events.snapshot())["worker"]) is None:
            pass
    assert worker == {"number": 2, "count": 3}


async def test_without_metrics_the_page_shows_backends_alone(start: StartGateway) -> None:
    gateway = await start(ENABLE_METRICS="false")
    async with watching(gateway) as events:
        await events.snapshot()
        snapshot = await events.snapshot()
    assert (snapshot["metrics"], snapshot["point"], snapshot["recent"]) == (False, None, [])
    assert [backend["name"] for backend in snapshot["backends"]] == ["main"]


async def test_too_many_pages_are_refused_and_one_that_closes_makes_room(
    monkeypatch: pytest.MonkeyPatch, start: StartGateway
) -> None:
    monkeypatch.setattr(feed, "MOST_VIEWERS", 1)
    gateway = await start()
    async with watching(gateway) as events:
        await events.snapshot()
        reply = await gateway.ask("/ui/events", method="GET")
        assert (reply.status, reply.headers["Retry-After"]) == (503, "10")
        assert "status pages" in reply.json["error"]
    async with asyncio.timeout(LONG_S):
        while (status := await _first_bytes(gateway)) == 503:
            await asyncio.sleep(0.01)
    assert status == 200


async def _first_bytes(gateway: Gateway) -> int:
    async with gateway.opened("/ui/events", method="GET") as response:
        return response.status


async def test_the_events_end_when_the_process_stops(gateway: Gateway) -> None:
    async with watching(gateway) as events:
        await events.snapshot()
        gateway.app[LIFECYCLE].stopping = True
        while await events.next() is not None:
            pass
        assert events.response.content.at_eof()
    gateway.app[LIFECYCLE].stopping = False
