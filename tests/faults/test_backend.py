"""The misbehaving backend does what it says, and sees what it should."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.processes import running
from tests.faults.asking import SIX_WAYS, Asking, Outcome, Seen, Way
from tests.faults.backend import FaultBackend
from tests.faults.judging import CASES, TITLES
from tests.faults.play import BEHAVIOURS
from tests.faults.wire import DONE, PRIMARY, SPARE, SPARE_MODEL

V1, V1_PLAIN = SIX_WAYS[0], SIX_WAYS[3]
LONG_S = 30.0


@pytest.fixture
async def faults() -> AsyncIterator[FaultBackend]:
    """A misbehaving backend that takes a hundredth of its time."""
    async with FaultBackend(0.01) as backend:
        yield backend


async def ask(backend: FaultBackend, model: str, way: Way = V1) -> Seen:
    """Ask the backend itself, without a gateway."""
    return await Asking(f"http://127.0.0.1:{backend.port}").ask(way, model, LONG_S)


def test_both_texts_have_sixty_words_and_nothing_in_common_at_their_beginning() -> None:
    assert [len(voice.words) for voice in (PRIMARY, SPARE)] == [60, 60]
    assert ["".join(voice.words) for voice in (PRIMARY, SPARE)] == [PRIMARY.text, SPARE.text]
    assert PRIMARY.text[0] != SPARE.text[0]
    assert not PRIMARY.text.isascii()


def test_every_case_names_a_fault_and_every_row_has_a_title() -> None:
    assert [case.model for case in CASES if case.model.removeprefix("alone-") not in BEHAVIOURS] == []
    assert {case.row for case in CASES} | {15} == set(TITLES) == set(range(1, 17))


@pytest.mark.parametrize("way", [V1, V1_PLAIN], ids=lambda way: way.name)
@pytest.mark.parametrize("name", ["00-fine", "11-no-done", "26-gzip", "26-bytes", "22-headers"])
async def test_a_harmless_fault_gives_the_whole_answer(faults: FaultBackend, name: str, way: Way) -> None:
    seen = await ask(faults, name, way)
    assert (seen.text, seen.usage, seen.errors) == (PRIMARY.text, PRIMARY.usage, [])
    assert [(one.model, one.done, one.usage_sent) for one in faults.attempts] == [(name, True, True)]


@pytest.mark.parametrize("name", ["08-cut", "08-cut-by-reset", "08-cut-unframed", "09-stall", "14-cut"])
async def test_a_cut_answer_is_its_beginning_and_no_success(faults: FaultBackend, name: str) -> None:
    seen = await ask(faults, name)
    assert seen.outcome is Outcome.BROKEN
    assert PRIMARY.text.startswith(seen.text)
    assert seen.text != PRIMARY.text


async def test_a_fault_that_happens_once_is_over_at_the_second_attempt(faults: FaultBackend) -> None:
    outcomes = [(await ask(faults, "03-error-once.x")).outcome for _ in range(3)]
    assert outcomes == [Outcome.ERROR, Outcome.ANSWER, Outcome.ANSWER]
    assert (await ask(faults, "03-error-once.y")).outcome is Outcome.ERROR
    faults.forget()
    assert (await ask(faults, "03-error-once.x")).outcome is Outcome.ERROR


async def test_the_fallback_takes_no_prefill(faults: FaultBackend) -> None:
    url = f"http://127.0.0.1:{faults.port}/v1/chat/completions"
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "A good"}]
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={"model": SPARE_MODEL, "messages": messages}) as response,
    ):
        assert (response.status, "prefill" in await response.text()) == (400, True)
    assert faults.attempts[0].prefilled


async def test_an_attempt_that_is_given_up_is_seen_with_its_time(faults: FaultBackend) -> None:
    faults.scale = 1.0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await ask(faults, "06-silent")
    (attempt,) = faults.attempts
    async with asyncio.timeout(LONG_S):
        while attempt.closed_s is None:
            await asyncio.sleep(0.01)
    assert (attempt.done, attempt.closed_s > attempt.at_s) == (False, True)


def test_the_backend_is_a_program_that_lists_its_faults_and_its_log(tmp_path: Path) -> None:
    url_line = re.compile(r"^(http://\S+)/v1$", re.MULTILINE)

    async def use(url: str) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/v1/models") as response:
                names = {model["id"] for model in (await response.json())["data"]}
            assert {SPARE_MODEL, "00-fine", "alone-04-overloaded", "15-flap"} <= names
            async with session.post(
                f"{url}/x/v1/chat/completions", json={"model": "00-fine", "stream": True}
            ) as response:
                assert (await response.read()).endswith(DONE)
            async with session.get(f"{url}/log") as response:
                assert [(one["model"], one["place"], one["done"]) for one in await response.json()] == [
                    ("00-fine", "x", True)
                ]

    with running(["tests.faults.backend", "--port", "0", "--scale", "0.01"], url_line, cwd=tmp_path) as program:
        asyncio.run(use(program.url))
