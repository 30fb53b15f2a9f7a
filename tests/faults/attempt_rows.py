"""Rows 01 to 16: what a request becomes when its backend fails, in every way to ask."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from tests.faults.asking import Asking, Outcome, Seen, Way
from tests.faults.attempt_faults import OUTAGE_S
from tests.faults.backend import Attempt, FaultBackend
from tests.faults.bench import scrape, total
from tests.faults.judging import CASES, Case, Finding, Verdict, judge, worst
from tests.faults.wire import SPARE_MODEL

REQUESTS = 20
INTERVAL_S = 4.0
BACK_WITHIN_S = 30.0
CLOSED_WITHIN_S = 5.0
_ANSWER_S = 30.0

type Report = Callable[[Finding], None]


class Column:
    """One way to ask, one fault after the other. `measured`: the gateway is ours, so its metrics are known."""

    def __init__(self, asking: Asking, backend: FaultBackend, way: Way, *, measured: bool) -> None:
        self._asking = asking
        self._backend = backend
        self._way = way
        self._measured = measured

    async def run(self, rows: Sequence[int], report: Report) -> None:
        """Play the faults of these rows, each of which has one verdict."""
        for row in rows:
            if row == 15:
                report(await self._flap())
                continue
            cases = [case for case in CASES if case.row == row]
            if cases:
                report(worst([await self._play(case) for case in cases]))

    async def _play(self, case: Case) -> Finding:
        model = f"{case.model}.{self._way.name}"
        before = await self._ok_attempts() if case.row == 16 else 0
        since = len(self._backend.attempts)
        seen = await self._asking.ask(self._way, model, case.give_up_s(self._backend.scale))
        attempts = self._attempts(since)
        finding = judge(case, self._way, seen, attempts, self._backend.scale)
        if case.next_is_fine:
            await self._ask_again(finding)
        if case.row == 16 and (counted := await self._ok_attempts() - before):
            finding.notes.append(f"{counted} failed attempts were counted as completions")
            finding.verdict = max(finding.verdict, Verdict.PARTIAL)
        if left := await left_open(attempts):
            finding.notes.append(f"{left} abandoned attempts were left open")
            finding.verdict = max(finding.verdict, Verdict.PARTIAL)
        return finding

    def _attempts(self, since: int) -> list[Attempt]:
        """Return what this column asked of the backend since then."""
        return [one for one in self._backend.attempts[since:] if one.place in (self._way.name, "")]

    async def _ask_again(self, finding: Finding) -> None:
        seen = await self._asking.ask(self._way, f"00-fine.{self._way.name}", _ANSWER_S)
        if seen.outcome is not Outcome.ANSWER:
            finding.notes.append(f"the next call: {seen.outcome}, {seen.why_broken() or seen.error}")
            finding.verdict = Verdict.FAIL

    async def _ok_attempts(self) -> int:
        """Return how many attempts at this column's primary the gateway counts as answers."""
        if not self._measured:
            return 0
        text = await scrape(self._asking.url)
        return int(total(text, "gateway_backend_attempts_total", backend=f"primary-{self._way.name}", cause="ok"))

    async def _flap(self) -> Finding:
        """Ask once every few seconds while the primary is down, and on until it answers again."""
        scale, model = self._backend.scale, f"15-flap.{self._way.name}"
        since, began_s = len(self._backend.attempts), time.monotonic()
        recovers_s = began_s + OUTAGE_S * scale
        calls: list[asyncio.Task[Seen]] = []
        while True:
            calls.append(asyncio.create_task(self._asking.ask(self._way, model, _ANSWER_S)))
            await asyncio.sleep(INTERVAL_S * scale)
            if len(calls) >= REQUESTS and (_is_back(calls) or time.monotonic() > recovers_s + BACK_WITHIN_S):
                break
        seen = await asyncio.gather(*calls)
        return judge_flap(self._way, seen, self._attempts(since), scale)


def _is_back(calls: Sequence[asyncio.Task[Seen]]) -> bool:
    return any(call.done() and call.result().voice == "primary" for call in calls)


def judge_flap(way: Way, seen: Sequence[Seen], attempts: Sequence[Attempt], scale: float) -> Finding:
    """Judge a series of calls over an outage: all served, the circuit open meanwhile, and closed again afterwards."""
    finding = Finding(15, way.name, Verdict.PASS)
    finding.seen = [one.shown() for one in seen]
    primary = [one for one in attempts if one.model != SPARE_MODEL]
    began_s = primary[0].at_s if primary else seen[0].began_s
    finding.attempts = [one.shown(began_s) for one in attempts]
    recovered_s = began_s + OUTAGE_S * scale
    for number, one in enumerate(seen):
        if one.outcome is not Outcome.ANSWER:
            verdict = Verdict.SAFE if one.outcome is Outcome.ERROR else Verdict.FAIL
            finding.verdict = max(finding.verdict, verdict)
            finding.notes.append(f"call {number}: {one.outcome}, {one.why_broken() or one.error}")
    meanwhile = [one for one in seen if one.began_s < recovered_s]
    tried = [one for one in primary if one.at_s < recovered_s]
    if len(tried) > len(meanwhile):
        finding.notes.append(f"{len(tried)} attempts for {len(meanwhile)} calls: the circuit did not open")
    back_s = min((one.began_s + one.wall_s for one in seen if one.voice == "primary"), default=float("inf"))
    if back_s - recovered_s > BACK_WITHIN_S:
        finding.notes.append(f"not back at the primary {BACK_WITHIN_S:g} s after it recovered")
    if finding.notes:
        finding.verdict = max(finding.verdict, Verdict.PARTIAL)
    finding.notes.append(f"back {max(0.0, back_s - recovered_s):.1f} s after recovery, {len(tried)} attempts meanwhile")
    return finding


async def left_open(attempts: Sequence[Attempt]) -> int:
    """Return how many attempts that were given up still hold their connection a few seconds later."""
    deadline_s = time.monotonic() + CLOSED_WITHIN_S
    while time.monotonic() < deadline_s:
        left = [one for one in attempts if not one.done and one.closed_s is None]
        if not left:
            return 0
        await asyncio.sleep(0.02)
    return len(left)


async def run_rows(
    asking: Asking,
    backend: FaultBackend,
    ways: Sequence[Way],
    rows: Sequence[int],
    report: Report,
    *,
    measured: bool,
    side_by_side: bool,
) -> None:
    """Play the rows in these ways: the ways at one time, or one after the other where the gateway's state is shared."""
    columns: list[Awaitable[None]] = [Column(asking, backend, way, measured=measured).run(rows, report) for way in ways]
    if side_by_side:
        await asyncio.gather(*columns)
        return
    for column in columns:
        await column
