"""What is right for each fault, as data, and how a call is judged by what its client and the backend saw."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from tests.faults.asking import Outcome, Seen, Way
from tests.faults.backend import Attempt
from tests.faults.wire import PRIMARY, SPARE, SPARE_MODEL

FAR_BEYOND = 10
"""How many times its bound a duration must be to fail: no busy machine is that slow."""


class Verdict(IntEnum):
    """Pass: as it should be. Partial: rescued, but not as it should. Safe: an honest error. Fail: anything else."""

    PASS = 0
    PARTIAL = 1
    SAFE = 2
    FAIL = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Case:
    """One fault and what is right. Seconds are those of the full profile.

    `wants`: the answer, or the error. `by`: whose answer. `most`, `least`: attempts at the primary; `early`: at most
    so many within so many seconds. `gap_s`: least time between the first two attempts. `error`, `code`: what the error
    must say. `switch_before_s`: the fallback must have been asked so soon after the first attempt. `least_heartbeats`:
    those of a stream that is held back. `scaled`: whether the clocks
    behind `bound_s` are configured ones. `live`: what is the best where words were shown already.
    """

    model: str
    wants: Outcome = Outcome.ANSWER
    by: str = ""
    least: int = 1
    most: int = 6
    once: bool = False
    early: tuple[int, float] | None = None
    gap_s: float = 0.0
    bound_s: float = 40.0
    error: str = ""
    code: str = ""
    switch_before_s: float = 0.0
    least_heartbeats: int = 0
    scaled: bool = True
    least_spare: int = 0
    most_spare: int = 1
    next_is_fine: bool = False
    live: Verdict = Verdict.PASS

    @property
    def row(self) -> int:
        """The number of the fault."""
        return int(self.model.removeprefix("alone-")[:2])

    def longest_s(self, scale: float) -> float:
        """Return the bound in a profile."""
        return self.bound_s * scale if self.scaled else self.bound_s

    def give_up_s(self, scale: float) -> float:
        """Return after how many seconds a call counts as hanging."""
        return min(FAR_BEYOND * max(1.0, self.longest_s(scale)), 180.0)


CASES = (
    Case("01-limited-once", least=2, most=2, early=(2, 1.5), gap_s=1.8, bound_s=20, scaled=False, most_spare=0),
    Case("02-limited", early=(4, 3.0), by="spare"),
    Case("alone-02-limited", Outcome.ERROR, early=(4, 3.0), error="slow down", code="rate_limit_exceeded"),
    Case("03-error-once", by="primary", least=2, most=2, bound_s=20, most_spare=0),
    Case("04-overloaded", by="spare"),
    Case("alone-04-overloaded", Outcome.ERROR, error="the model is overloaded at the moment"),
    Case("05-reset-once", bound_s=20),
    Case("05-reset", by="spare", bound_s=20),
    Case("06-silent", by="spare", most=1, once=True, bound_s=100),
    Case("07-slow-first-token", by="spare", most=1, bound_s=15, switch_before_s=20),
    Case("08-cut", live=Verdict.SAFE),
    Case("08-cut-by-reset", live=Verdict.SAFE),
    Case("08-cut-unframed", live=Verdict.SAFE),
    Case("09-stall", bound_s=45, switch_before_s=45, next_is_fine=True, live=Verdict.SAFE),
    Case("09-hang", most=1, bound_s=45, switch_before_s=45, next_is_fine=True, least_heartbeats=1, live=Verdict.SAFE),
    Case("10-broken-event", bound_s=30, next_is_fine=True, live=Verdict.SAFE),
    Case("10-lost-event", bound_s=30, next_is_fine=True, live=Verdict.SAFE),
    Case("11-no-done", by="primary", most=1, bound_s=8, scaled=False, most_spare=0),
    Case("11-no-done-open", by="primary", most=1, bound_s=8, scaled=False, most_spare=0),
    Case("12-too-long", by="spare", most=1, once=True, bound_s=20),
    Case("alone-12-too-long", Outcome.ERROR, most=1, once=True, bound_s=20, code="context_length_exceeded"),
    Case(
        "13-content-policy", Outcome.ERROR, most=1, once=True, bound_s=20, code="content_policy_violation", most_spare=0
    ),
    Case("14-cut", least_spare=1, live=Verdict.SAFE),
    Case("16-overloaded", by="spare"),
)
"""Rows 01 to 16 but for 15, which is a series of calls."""

TITLES = {
    1: "429 with `Retry-After: 2`, then fine",
    2: "429 for ever, without a header",
    3: "500 once, then fine",
    4: "503 for ever",
    5: "connection reset before headers (once; always)",
    6: "accepts and never answers",
    7: "headers at once, first token late",
    8: "dies after 40 of 60 tokens (closed; reset; unframed body)",
    9: "falls silent after 20 tokens (then closes; for ever)",
    10: "an event is broken JSON (extra; in place of a word)",
    11: "no `[DONE]` (body ends; body stays open)",
    12: "400, context too long",
    13: "400, refused for its content",
    14: "dies after 40 tokens, fallback takes no prefill",
    15: "503 for a minute, then fine, 20 requests",
    16: "503 for ever: names, usage, counts",
}


@dataclass
class Finding:
    """What came of one case in one way. `notes` say what was not right, or slower than it should be."""

    row: int
    way: str
    verdict: Verdict
    notes: list[str] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """Return it for a report."""
        return {
            "row": self.row,
            "way": self.way,
            "verdict": str(self.verdict),
            "notes": self.notes,
            "client": self.seen,
            "backend": self.attempts,
        }

    @property
    def best_possible(self) -> Verdict:
        """What may be expected of this way: once words were shown, some faults can only end in an honest error."""
        if not self.way.endswith("-live"):
            return Verdict.PASS
        return max((case.live for case in CASES if case.row == self.row), default=Verdict.PASS)


def judge(case: Case, way: Way, seen: Seen, attempts: Sequence[Attempt], scale: float) -> Finding:
    """Judge one call. `attempts`: those of its model at the primary, and those of the spare while it ran."""
    primary = [one for one in attempts if one.model != SPARE_MODEL]
    spare = [one for one in attempts if one.model == SPARE_MODEL]
    failed = [*_client_failures(case, way, seen, scale), *_backend_failures(case, primary, scale)]
    flaws = [] if failed else [*_client_flaws(case, way, seen), *_backend_flaws(case, seen, primary, spare, scale)]
    slow = _slowness(case, seen, scale)
    finding = Finding(case.row, way.name, Verdict.PASS, [*failed, *flaws, *slow], [seen.shown()])
    finding.attempts = [one.shown(seen.began_s) for one in attempts]
    if failed:
        finding.verdict = Verdict.FAIL
    elif case.wants is Outcome.ANSWER and seen.outcome is Outcome.ERROR:
        finding.verdict = Verdict.SAFE
    elif seen.outcome is not case.wants or flaws:
        finding.verdict = Verdict.PARTIAL
    return finding


def _client_failures(case: Case, way: Way, seen: Seen, scale: float) -> list[str]:
    if seen.outcome is Outcome.HUNG:
        return [f"no end within {seen.wall_s:.1f} s"]
    if seen.outcome is Outcome.BROKEN:
        return [seen.why_broken()]
    notes: list[str] = []
    if seen.outcome is Outcome.ERROR and seen.text and not way.live:
        notes.append(f"{len(seen.text.split(' '))} words were shown before the error")
    if seen.outcome is Outcome.ERROR and "prefill" in seen.error:
        notes.append("the refusal of a prefill hides the real failure")
    if seen.wall_s > FAR_BEYOND * max(1.0, case.longest_s(scale)):
        notes.append(f"{seen.wall_s:.1f} s, bound {case.longest_s(scale):g} s")
    return notes


def _backend_failures(case: Case, primary: Sequence[Attempt], scale: float) -> list[str]:
    notes: list[str] = []
    if len(primary) > case.most:
        notes.append(f"{len(primary)} attempts, at most {case.most}")
    if case.early is not None and primary:
        most, window_s = case.early
        soon = [one for one in primary if one.at_s - primary[0].at_s < window_s]
        if len(soon) > most:
            notes.append(f"{len(soon)} attempts within {window_s:g} s, at most {most}")
    if case.once and any(one.prefilled for one in primary):
        notes.append("sent again with a prefill")
    return notes


def _client_flaws(case: Case, way: Way, seen: Seen) -> list[str]:
    if seen.outcome is Outcome.ERROR:
        missing = [text for text in (case.error,) if text not in seen.error]
        missing += [case.code] if way.v1 and case.code and seen.code != case.code else []
        return [f"the error does not say {text!r}: {seen.error!r} ({seen.code})" for text in missing]
    notes: list[str] = []
    voice = PRIMARY if seen.voice == "primary" else SPARE
    if case.by and seen.voice != case.by:
        notes.append(f"answered by the {seen.voice} one")
    if seen.usage != voice.usage:
        notes.append(f"usage {seen.usage}, not {voice.usage}")
    if seen.voice == "spare":
        notes += _name_flaws(way, seen)
    if way.streamed and not way.live and seen.heartbeats < case.least_heartbeats:
        notes.append("no heartbeat while the stream was silent")
    return notes


def _name_flaws(way: Way, seen: Seen) -> list[str]:
    """An answer of the fallback must say so: `/v1` in `model`, `/api` in `remote_model`, beside the name asked for."""
    if way.v1:
        return [] if seen.model == SPARE_MODEL else [f"model is {seen.model!r}"]
    notes = [] if seen.remote_model == SPARE_MODEL else [f"remote_model is {seen.remote_model!r}"]
    return notes + ([f"model is {seen.model!r}"] if seen.model == SPARE_MODEL else [])


def _backend_flaws(
    case: Case, seen: Seen, primary: Sequence[Attempt], spare: Sequence[Attempt], scale: float
) -> list[str]:
    notes: list[str] = []
    if len(primary) < case.least:
        notes.append(f"{len(primary)} attempts at the primary, at least {case.least}")
    if case.gap_s and len(primary) > 1 and (gap_s := primary[1].at_s - primary[0].at_s) < case.gap_s:
        notes.append(f"asked again after {gap_s:.2f} s, not after {case.gap_s:g} s")
    if len(spare) > case.most_spare:
        notes.append(f"{len(spare)} attempts at the fallback, at most {case.most_spare}")
    if seen.outcome is Outcome.ANSWER and len(spare) < case.least_spare:
        notes.append("the fallback was not asked")
    if case.switch_before_s and primary and seen.outcome is Outcome.ANSWER:
        last_s = case.switch_before_s * scale
        if not any(one.at_s - primary[0].at_s < last_s for one in spare):
            notes.append(f"the fallback was not asked within {last_s:g} s")
    return notes


def _slowness(case: Case, seen: Seen, scale: float) -> list[str]:
    bound_s = max(1.0, case.longest_s(scale))
    return (
        [f"slow: {seen.wall_s:.1f} s, bound {bound_s:.1f} s"] if bound_s < seen.wall_s <= FAR_BEYOND * bound_s else []
    )


def worst(findings: Sequence[Finding]) -> Finding:
    """Return several findings of one row and way as one."""
    joined = Finding(findings[0].row, findings[0].way, max(one.verdict for one in findings))
    for one in findings:
        joined.notes += one.notes
        joined.seen += one.seen
        joined.attempts += one.attempts
    return joined
