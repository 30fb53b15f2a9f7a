"""SIGHUP with workers: others take their place, and no client notices."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.answers import DONE, ROLE, finish, token
from tests.support.backend import ScriptedBackend, Step, end, head, send, sleep, wait
from tests.support.program import Program, alive, client, gone, running, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there are no workers on Windows"),
]

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PARTS = 6


def script(go_on: asyncio.Event) -> Sequence[Step]:
    """Return a stream that begins, waits for the test, and then says the rest slowly."""
    rest = [step for number in range(1, PARTS) for step in (send(token(f"part{number} ")), sleep(0.05))]
    return [head(), send(ROLE, token("part0 ")), wait(go_on), *rest, send(finish(), DONE), end]


TEXT = "".join(f"part{number} " for number in range(PARTS))


async def stream(session: aiohttp.ClientSession, url: str, begun: list[int]) -> str:
    """Read one stream to its end; return its text. `begun` grows with its first line."""
    text = ""
    async with session.post(f"{url}/api/chat", json=CHAT) as response:
        assert response.status == 200
        last: dict[str, Any] = {}
        async for line in response.content:
            last = json.loads(line)
            text += last["message"]["content"]
            if text == "part0 ":
                begun.append(1)
    assert last["done"] is True
    return text


async def ask_until(stop: asyncio.Event, url: str) -> int:
    """Ask on new connections and on kept ones, one after the other; every single one must be answered."""
    count = 0
    async with client() as session:
        while not stop.is_set():
            headers = {"Connection": "close"} if count % 2 else {}
            async with session.get(f"{url}/api/version", headers=headers) as response:
                assert response.status == 200
                await response.read()
            count += 1
            await asyncio.sleep(0.002)
    return count


async def replace_under(program: Program, backend: ScriptedBackend, *, streams: int, rounds: int) -> None:
    """Replace all workers that often while so many streams live and others keep coming."""
    go_on, stop = asyncio.Event(), asyncio.Event()
    begun: list[int] = []
    backend.play(script(go_on))
    async with client() as session, asyncio.TaskGroup() as tasks:
        live = [tasks.create_task(stream(session, program.url, begun)) for _ in range(streams)]
        others = [tasks.create_task(ask_until(stop, program.url)) for _ in range(4)]
        await until(lambda: len(begun) == streams)
        old = program.workers()
        program.hang_up()
        await program.logged("workers replaced")
        assert [worker for worker in old if alive(worker)], "the streams should have kept their workers"
        go_on.set()
        await gone(old)
        for number in range(1, rounds):
            old = program.workers()
            live += [tasks.create_task(stream(session, program.url, begun)) for _ in range(streams // 10)]
            program.hang_up()
            await program.logged("workers replaced", number + 1)
            await gone(old)
        stop.set()
    assert {task.result() for task in live} == {TEXT}
    assert all(task.result() for task in others)


async def test_workers_are_replaced_under_live_streams_none_broken_none_refused(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2") as program:
        await replace_under(program, backend, streams=20, rounds=1)
        assert await program.stop() == 0


@pytest.mark.slow
async def test_workers_are_replaced_three_times_under_200_live_streams(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2") as program:
        await replace_under(program, backend, streams=200, rounds=3)
        assert await program.stop() == 0


@pytest.mark.slow
async def test_new_workers_have_the_new_configuration_and_their_number(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("WORKERS=2\n")
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url) as program, client() as session:
        for number, (workers, key) in enumerate([(3, "first-key"), (2, "second-key")], start=1):
            dotenv.write_text(f"WORKERS={workers}\nAPI_KEYS={key}\n")
            old = program.workers()
            program.hang_up()
            await program.logged("workers replaced", number)
            await gone(old)
            assert len(program.workers()) == workers
            async with session.get(f"{program.url}/api/tags") as response:
                assert response.status == 401
            async with session.get(f"{program.url}/api/tags", headers={"x-api-key": key}) as response:
                assert response.status == 200


async def test_a_configuration_that_is_wrong_is_refused_and_the_old_workers_stay(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    async with running(tmp_path, OPENAI_API_BASE_URL=backend.url, WORKERS="2") as program, client() as session:
        old = program.workers()
        (tmp_path / ".env").write_text("MAX_CONNECTIONS=many\n")
        program.hang_up()
        (line,) = await program.logged("configuration refused, the old workers stay")
        assert line["detail"].startswith("MAX_CONNECTIONS: ")
        async with session.get(f"{program.url}/api/version") as response:
            assert response.status == 200
        assert program.workers() == old


async def test_a_new_worker_that_cannot_start_leaves_the_old_ones(tmp_path: Path, backend: ScriptedBackend) -> None:
    backends = tmp_path / "backends.yaml"
    backends.write_text(f"backends:\n  - name: one\n    base_url: {backend.url}\n")
    async with running(tmp_path, BACKENDS_FILE=str(backends), WORKERS="2") as program, client() as session:
        old = program.workers()
        # The supervisor reads settings; only a worker finds out that there is nobody to ask.
        backends.write_text("backends: []\n")
        program.hang_up()
        await until(
            lambda: (
                program.log("new worker refused, the old ones that are left stay")
                or program.log("configuration refused, the old workers stay")
            ),
        )
        async with session.get(f"{program.url}/api/version") as response:
            assert response.status == 200
        assert program.workers() == old
