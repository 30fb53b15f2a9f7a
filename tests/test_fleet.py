"""Several backends behind one gateway: failover, shares, fallbacks, reloads. Every answer comes over a real socket."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.support.answers import DONE, ROLE, TEXT, WORDS, error, finish, plain, stream, token, usage
from tests.support.backend import LONG_S, ScriptedBackend, Step, close, end, hang, head, send, sleep
from tests.support.gateway import Gateway, Reply
from tests.support.ways import CHAT, WAYS, Way, each_dialect, each_stream, each_way

ADMIN = {"Authorization": "Bearer admin-secret-1"}


@pytest.fixture
async def backends() -> AsyncIterator[list[ScriptedBackend]]:
    """Three backends that all list `m`."""
    found = [ScriptedBackend() for _ in range(3)]
    for backend in found:
        await backend.start()
        backend.play(stream())
    yield found
    for backend in found:
        await backend.stop()


def write(path: Path, backends: dict[str, dict[str, Any]], models: dict[str, Any] | None = None) -> str:
    """Write a backends file; return its name."""
    entries = [{"name": name, **entry} for name, entry in backends.items()]
    path.write_text(json.dumps({"backends": entries, "models": models or {}}))
    return str(path)


def abc(backends: list[ScriptedBackend], **more: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return entries a, b, c, each with what is said of it in `more`."""
    return {name: {"base_url": each.url, **more.get(name, {})} for name, each in zip("abc", backends, strict=False)}


def healthy(way: Way) -> list[Step]:
    """Return the right answer to a way of asking."""
    return stream() if way.streamed or not way.v1 else plain()


def slow_stream(pause_s: float = 0.02) -> list[Step]:
    """Send TEXT word by word."""
    said: list[Step] = [head(), send(ROLE)]
    for word in WORDS:
        said += [sleep(pause_s), send(token(word))]
    return [*said, send(finish(), usage(), DONE), end]


@each_way
async def test_another_backend_answers_where_one_is_down(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path, way: Way
) -> None:
    for each in backends:
        each.play(healthy(way))
    gateway = await start(BACKENDS_FILE=write(tmp_path / "b.json", abc(backends)), MAX_RETRIES="2")
    await gateway.ask("/api/tags", method="GET")
    await backends[0].stop()
    for _ in range(6):
        assert way.text(await gateway.ask(way.path, way.body)) == TEXT


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
@each_dialect
async def test_another_backend_answers_where_one_fails(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path, way: Way, status: int
) -> None:
    file = write(tmp_path / "b.json", abc(backends[:2], b={"priority": 2}))
    gateway = await start(BACKENDS_FILE=file, MAX_RETRIES="1")
    backends[0].play(error(status, "no"))
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT
    assert (len(backends[0].calls), len(backends[1].calls)) == (1, 1)


@each_dialect
async def test_a_refusal_is_not_asked_elsewhere(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path, way: Way
) -> None:
    file = write(tmp_path / "b.json", abc(backends, b={"priority": 2}), {"*": {"fallbacks": ["c/m"]}})
    gateway = await start(BACKENDS_FILE=file, MAX_RETRIES="3")
    backends[0].play(error(400, "content policy", code="content_filter"))
    reply = await gateway.ask(way.path, way.body)
    assert (reply.status, way.error(reply)["message"]) == (400, "content policy")
    assert not backends[1].calls + backends[2].calls


@each_stream
async def test_a_cut_before_the_first_output_is_answered_by_another(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path, way: Way
) -> None:
    file = write(tmp_path / "b.json", abc(backends[:2], b={"priority": 2}))
    gateway = await start(BACKENDS_FILE=file, MAX_RETRIES="1")
    backends[0].play([head(), send(ROLE), close])
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT


@each_way
async def test_a_silent_backend_is_asked_once_and_another_answers(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path, way: Way
) -> None:
    impatient = {"timeouts": {"first_token_s": 0.2, "total_s": 0.3}}
    file = write(tmp_path / "b.json", abc(backends[:2], a=impatient, b={"priority": 2}))
    gateway = await start(BACKENDS_FILE=file, MAX_RETRIES="3")
    backends[0].play([head(), hang] if way.streamed else [hang])
    backends[1].play(healthy(way))
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT
    assert len(backends[0].calls) == 1


@each_way
async def test_a_plain_answer_that_is_cut_is_repaired_invisibly(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path, way: Way
) -> None:
    gateway = await start(
        BACKENDS_FILE=write(tmp_path / "b.json", abc(backends[:2], b={"priority": 2})), MAX_RETRIES="1"
    )
    half = [head(), send(ROLE, *map(token, WORDS[:6])), close]
    backends[0].play(
        half if way.streamed or not way.v1 else [head(200, "application/json", length=500), send(b"{"), close]
    )
    backends[1].play(healthy(way))
    reply = await gateway.ask(way.path, way.body)
    if way.streamed:
        way.last_error(reply)
    else:
        assert way.text(reply) == TEXT


@pytest.mark.parametrize(
    ("failure", "times"),
    [(error(503, "busy"), 2), ([hang], 1), (error(400, "too long", code="context_length_exceeded"), 1)],
    ids=["busy", "silent", "too-long"],
)
@each_dialect
async def test_a_fallback_answers_and_says_its_name(
    backends: list[ScriptedBackend],
    start: StartGateway,
    tmp_path: Path,
    pauses: list[float],
    way: Way,
    failure: list[Step],
    times: int,
) -> None:
    backends[1].models = ["spare"]
    backends[1].play([head(), send(stream_of("spare")), end])
    entries = abc(backends[:2], a={"timeouts": {"first_token_s": 0.2}})
    gateway = await start(
        BACKENDS_FILE=write(tmp_path / "b.json", entries, {"m": {"fallbacks": ["spare"]}}), MAX_RETRIES="1"
    )
    backends[0].play(failure)
    reply = await gateway.ask(way.path, way.body)
    assert way.text(reply) == TEXT
    assert len(backends[0].calls) == times
    assert backends[1].calls[0].json["model"] == "spare"
    if way.v1:
        assert {json.loads(event)["model"] for event in reply.events[:-1]} == {"spare"}
    else:
        assert {line["model"] for line in reply.lines} == {"m"}
        assert reply.lines[-1]["remote_model"] == "spare"


def stream_of(model: str) -> bytes:
    """Return a whole stream of TEXT by a model of that name."""
    said = [ROLE, *(token(word) for word in WORDS), finish(), usage()]
    return b"".join(said).replace(b'"model": "m"', b'"model": "%b"' % model.encode()) + DONE


@each_dialect
async def test_the_failure_of_the_model_itself_is_told_when_its_fallback_fails_too(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path, way: Way
) -> None:
    file = write(tmp_path / "b.json", abc(backends[:2], b={"models": ["spare"]}), {"*": {"fallbacks": ["spare"]}})
    gateway = await start(BACKENDS_FILE=file)
    backends[0].play(error(503, "the first is busy"))
    backends[1].play(error(400, "no assistant prefill"))
    reply = await gateway.ask(way.path, way.body)
    assert (reply.status, way.error(reply)["message"]) == (503, "the first is busy")


async def test_a_model_that_nobody_has_is_unknown_whatever_the_fallbacks(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path
) -> None:
    file = write(tmp_path / "b.json", abc(backends), {"*": {"fallbacks": ["c/any"]}})
    gateway = await start(BACKENDS_FILE=file)
    reply = await gateway.ask("/api/chat", {**CHAT.body, "model": "nobody"})
    assert (reply.status, reply.json) == (404, {"error": "model 'nobody' not found"})


async def test_one_backend_can_be_named(backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path) -> None:
    gateway = await start(BACKENDS_FILE=write(tmp_path / "b.json", abc(backends)))
    for _ in range(5):
        assert CHAT.text(await gateway.ask("/api/chat", {**CHAT.body, "model": "b/m"})) == TEXT
    assert [len(each.calls) for each in backends] == [0, 5, 0]
    assert backends[1].calls[0].json["model"] == "m"


async def test_every_model_is_listed_once(backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path) -> None:
    backends[1].models = ["m", "n"]
    backends[2].models = None
    gateway = await start(BACKENDS_FILE=write(tmp_path / "b.json", abc(backends, a={"rename": {"mine": "m"}})))
    tags = (await gateway.ask("/api/tags", method="GET")).json
    assert sorted(model["model"] for model in tags["models"]) == ["m", "mine", "n"]
    models = (await gateway.ask("/v1/models", method="GET")).json
    assert sorted(model["id"] for model in models["data"]) == ["m", "mine", "n"]


async def test_a_request_carries_what_its_backend_wants(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path
) -> None:
    entries = abc(
        backends[:1], a={"api_key": "key-of-a-12345", "headers": {"X-Team": "search"}, "rename": {"mine": "m"}}
    )
    gateway = await start(BACKENDS_FILE=write(tmp_path / "b.json", entries))
    await gateway.ask("/api/chat", {**CHAT.body, "model": "mine"})
    call = backends[0].calls[0]
    assert (call.headers["Authorization"], call.headers["X-Team"]) == ("Bearer key-of-a-12345", "search")
    assert call.json["model"] == "m"


async def test_a_full_backend_passes_requests_on_and_queues_them_when_all_are_full(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path
) -> None:
    one = {"limits": {"concurrency": 1}}
    for each in backends:
        each.play(slow_stream(0.005))
    gateway = await start(BACKENDS_FILE=write(tmp_path / "b.json", abc(backends, a=one, b=one, c=one)), MAX_RETRIES="2")
    replies = await asyncio.gather(*(gateway.ask(CHAT.path, CHAT.body) for _ in range(12)))
    assert [CHAT.text(reply) for reply in replies] == [TEXT] * 12
    assert sum(len(each.calls) for each in backends) == 12


async def test_load_follows_weights(backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path) -> None:
    gateway = await start(BACKENDS_FILE=write(tmp_path / "b.json", abc(backends, a={"weight": 3})))
    for each in backends:
        each.play(plain())
    for _ in range(10):
        await asyncio.gather(*(gateway.ask("/api/chat", {**CHAT.body, "stream": False}) for _ in range(30)))
    shares = [len(each.calls) for each in backends]
    assert sum(shares) == 300
    for share, expected in zip(shares, (180, 60, 60), strict=True):
        assert abs(share - expected) <= 0.05 * expected, shares


async def test_a_conversation_stays_with_its_backend_where_asked(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path
) -> None:
    gateway = await start(BACKENDS_FILE=write(tmp_path / "b.json", abc(backends), {"m": {"sticky": True}}))
    for number in range(9):
        first = {"role": "user", "content": f"question {number}"}
        before = [len(each.calls) for each in backends]
        for turns in ([first], [first, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "go on"}]):
            await gateway.ask("/api/chat", {"model": "m", "messages": turns})
            await gateway.ask("/v1/chat/completions", {"model": "m", "stream": True, "messages": turns})
        gained = [len(each.calls) - count for each, count in zip(backends, before, strict=True)]
        assert sorted(gained) == [0, 0, 4]
    assert sum(1 for each in backends if each.calls) > 1


async def test_one_of_three_is_killed_under_load_and_comes_back(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path
) -> None:
    for each in backends:
        each.play(slow_stream())
    gateway = await start(BACKENDS_FILE=write(tmp_path / "b.json", abc(backends)), MAX_RETRIES="3")
    victim, port = backends[0], backends[0].port
    asked = [asyncio.create_task(_ask_in_turn(gateway, number)) for number in range(200)]
    await victim.call(20)
    await asyncio.sleep(0.08)  # some have shown words by now, others nothing
    assert victim.tasks, "nothing was running on the one that is killed"
    await victim.stop()
    replies = await asyncio.gather(*asked)
    complete = [(way, reply) for way, reply in replies if not _ended_in_error(way, reply)]
    for way, reply in complete:
        assert way.text(reply) == TEXT
    cut = len(replies) - len(complete)
    assert cut <= len(victim.calls), "only what the killed one had begun to say may end in an error"
    for way, reply in replies:
        assert reply.status == 200, "a request that had seen nothing got an error"
        if _ended_in_error(way, reply):
            assert way.streamed, "an answer in one piece had shown nothing"
            assert _text_before_the_error(way, reply), "nothing had been shown: another backend could have answered"
            assert TEXT.startswith(_text_before_the_error(way, reply))
    await victim.start(port)
    await _until_it_serves(gateway, victim)
    before = [len(each.calls) for each in backends]
    for _ in range(5):
        await asyncio.gather(*(_ask_in_turn(gateway, number) for number in range(36)))
    gained = [len(each.calls) - count for each, count in zip(backends, before, strict=True)]
    assert sum(gained) == 180
    assert gained[0] >= 40, f"the one that came back gets less than its share: {gained}"


async def _ask_in_turn(gateway: Gateway, number: int) -> tuple[Way, Reply]:
    streaming = [way for way in WAYS if way.streamed or not way.v1]
    way = streaming[number % len(streaming)]
    return way, await gateway.ask(way.path, way.body)


def _ended_in_error(way: Way, reply: Reply) -> bool:
    return b'"error"' in reply.body


def _text_before_the_error(way: Way, reply: Reply) -> str:
    way.last_error(reply)
    if not way.v1:
        shown = reply.lines[:-1]
        return "".join(line["response"] if "response" in line else line["message"]["content"] for line in shown)
    choices = [choice for event in reply.events[:-1] for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def _until_it_serves(gateway: Gateway, victim: ScriptedBackend) -> None:
    count = len(victim.calls)
    async with asyncio.timeout(2 * LONG_S):
        while len(victim.calls) == count:
            await _ask_in_turn(gateway, 0)


async def test_a_reload_brings_new_backends_and_breaks_no_request(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path
) -> None:
    file = tmp_path / "b.json"
    for each in backends:
        each.play(slow_stream(0.01))
    gateway = await start(BACKENDS_FILE=write(file, abc(backends[:1])), ADMIN_KEY="admin-secret-1")
    running = [asyncio.create_task(gateway.ask(CHAT.path, CHAT.body)) for _ in range(20)]
    await backends[0].call(10)
    write(file, {"c": {"base_url": backends[2].url}})
    reply = await gateway.ask("/admin/reload", headers=ADMIN)
    assert (reply.status, reply.json) == (200, {"status": "reloaded", "backends": ["c"]})
    later = [asyncio.create_task(gateway.ask(CHAT.path, CHAT.body)) for _ in range(20)]
    assert [CHAT.text(reply) for reply in await asyncio.gather(*running, *later)] == [TEXT] * 40
    assert (len(backends[0].calls), len(backends[2].calls)) == (20, 20)
    health = (await gateway.ask("/health", method="GET")).json
    assert list(health["backends"]) == ["c"]


async def test_the_keys_of_a_reload_are_kept_out_of_the_log(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path
) -> None:
    file = tmp_path / "b.json"
    gateway = await start(BACKENDS_FILE=write(file, abc(backends[:1])), ADMIN_KEY="admin-secret-1")
    write(file, abc(backends[:1], a={"api_key": "key-after-reload-77"}))
    await gateway.ask("/admin/reload", headers=ADMIN)
    await gateway.ask("/api/chat", {**CHAT.body, "model": "not-known-key-after-reload-77"})
    assert backends[0].calls == []
    assert "key-after-reload-77" not in gateway.log.getvalue().decode()
    assert "not-known-***" in gateway.log.getvalue().decode()


async def test_a_broken_file_is_refused_with_the_place_and_the_old_one_stays(
    backends: list[ScriptedBackend], start: StartGateway, tmp_path: Path
) -> None:
    file = tmp_path / "b.yaml"
    write(file, abc(backends[:1]))
    gateway = await start(BACKENDS_FILE=str(file), ADMIN_KEY="admin-secret-1")
    file.write_text(f"backends:\n  - name: a\n    base_url: {backends[1].url}\n    wieght: 3\n")
    reply = await gateway.ask("/admin/reload", headers=ADMIN)
    assert reply.status == 400
    message = reply.json["error"]["message"]
    assert "line 4" in message
    assert "wieght" in message
    assert CHAT.text(await gateway.ask(CHAT.path, CHAT.body)) == TEXT
    assert (len(backends[0].calls), len(backends[1].calls)) == (1, 0)


@pytest.mark.parametrize("headers", [None, {"Authorization": "Bearer wrong"}, {"x-api-key": "one-of-ours-1"}])
async def test_only_the_admin_key_reloads(
    gateway: Gateway, start: StartGateway, headers: dict[str, str] | None
) -> None:
    guarded = await start(ADMIN_KEY="admin-secret-1", API_KEYS="one-of-ours-1")
    reply = await guarded.ask("/admin/reload", headers=headers)
    assert reply.status == 401
    assert (await gateway.ask("/admin/reload", headers=ADMIN)).status == 404


@pytest.mark.e2e
async def test_sighup_reloads(backends: list[ScriptedBackend], tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    environment = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "COVERAGE_PROCESS_CONFIG")},
        "BACKENDS_FILE": write(file, abc(backends[:1])),
        "LOG_LEVEL": "INFO",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "--port", str(_free_port()),
        env=environment, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        await _until(process.stdout, b"answered by")
        write(file, {"b": {"base_url": backends[1].url}})
        process.send_signal(signal.SIGHUP)
        assert b'"b"' in await _until(process.stdout, b"configuration read again")
        file.write_text("nothing")
        process.send_signal(signal.SIGHUP)
        assert b"b.json line 1" in await _until(process.stdout, b"the old one stays")
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), LONG_S) == 0


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def _until(output: asyncio.StreamReader, words: bytes) -> bytes:
    async with asyncio.timeout(LONG_S):
        while words not in (line := await output.readline()):
            assert line, "the gateway ended"
    return line
