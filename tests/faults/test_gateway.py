"""Our gateway before the misbehaving backend, in small: `make faults` has all of it."""

from collections.abc import Awaitable, Callable

import pytest

from tests.faults.asking import WAYS
from tests.faults.attempt_rows import run_rows
from tests.faults.bench import Bench, bench
from tests.faults.chaos import rage
from tests.faults.client_rows import NARROW, leaving
from tests.faults.cuts import check
from tests.faults.flap import flap
from tests.faults.hostile_rows import smuggling, too_much
from tests.faults.judging import Finding, Verdict
from tests.faults.kills import kill
from tests.faults.process_rows import stopping, storm
from tests.faults.profiles import FAST, Profile
from tests.faults.scorecard import Measured

pytestmark = pytest.mark.slow

QUICK_ROWS = (2, 3, 5, 8, 10, 12, 13, 14, 16)
"""Those that take no clock of ours to run out."""


async def test_the_quick_faults_are_survived_in_every_way() -> None:
    found: list[Finding] = []
    async with bench(FAST) as running:
        await run_rows(
            running.asking, running.backend, WAYS, QUICK_ROWS, found.append, measured=True, side_by_side=True
        )
    assert len(found) == len(QUICK_ROWS) * len(WAYS)
    bad = [(one.row, one.way, str(one.verdict), one.notes) for one in found if one.verdict > one.best_possible]
    assert bad == []


async def test_workers_open_a_breaker_and_probe_as_one() -> None:
    found: list[Finding] = []
    async with bench(FAST, WORKERS="2") as running:
        await run_rows(running.asking, running.backend, WAYS, [15], found.append, measured=True, side_by_side=True)
    assert len(found) == len(WAYS)
    assert [(one.way, str(one.verdict), one.notes) for one in found if one.verdict > Verdict.PASS] == []


@pytest.mark.parametrize("measure", [leaving, smuggling, too_much], ids=lambda measure: measure.__name__)
async def test_a_bad_client_is_survived(measure: Callable[[Bench], Awaitable[Measured]]) -> None:
    async with bench(FAST, [NARROW]) as running:
        measured = await measure(running)
    assert (measured.verdict, measured.notes) == (Verdict.PASS, [])


@pytest.mark.slow
@pytest.mark.parametrize("measure", [stopping, storm], ids=lambda measure: measure.__name__)
async def test_bad_times_are_survived(measure: Callable[[Profile], Awaitable[Measured]]) -> None:
    measured = await measure(FAST)
    assert (measured.verdict, measured.notes) == (Verdict.PASS, [])


async def test_clients_that_leave_at_any_moment_leave_nothing_behind() -> None:
    kills = await kill(FAST.kills)
    assert kills.problems() == []
    assert kills.asked > FAST.kills / 2


async def test_the_counted_tokens_are_those_that_arrived() -> None:
    chaos = await rage(FAST.chaos)
    assert chaos.problems() == []
    assert chaos.served > chaos.reported > 0


def test_a_cut_is_never_shown_as_an_answer() -> None:
    outcomes = check(FAST.cuts)
    assert sum(outcomes.values()) == FAST.cuts
    assert min(outcomes.get("answer", 0), outcomes.get("error", 0)) > FAST.cuts / 20


@pytest.mark.slow
async def test_a_primary_that_comes_back_is_used_again() -> None:
    found = await flap(rps=20, scale=0.1)
    assert found["good"], found
