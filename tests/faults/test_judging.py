"""The judge lets nothing pass: each flaw of an answer, or of the attempts, costs the verdict."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.asking import LIVE_WAYS, SIX_WAYS, Outcome, Seen, Way, read_body, read_events, read_lines
from tests.faults.attempt_rows import judge_flap
from tests.faults.backend import Attempt
from tests.faults.judging import CASES, Case, Finding, Verdict, judge, worst
from tests.faults.scorecard import Measured, Scorecard, put_into
from tests.faults.wire import DONE, PRIMARY, SPARE, SPARE_MODEL, Speech

V1, CHAT, _, V1_PLAIN, _, _ = SIX_WAYS
V1_LIVE = LIVE_WAYS[0]
SPEECH = Speech(PRIMARY, "m")
POLICY = "content_policy_violation"
ERROR = b'data: {"error": {"message": "it broke", "code": "x"}}\n\n'


def case(model: str) -> Case:
    """Return the case of that name."""
    return next(one for one in CASES if one.model == model)


def seen_events(*pieces: bytes) -> Seen:
    """Return what a client sees of a stream."""
    seen = Seen(status=200)
    read_events(b"".join(pieces), seen)
    return seen


def answered(way: Way = V1, *, by: str = "primary", **fields: object) -> Seen:
    """Return a good answer."""
    voice = PRIMARY if by == "primary" else SPARE
    seen = Seen(status=200, text=voice.text, ended=True, usage=voice.usage, model="m", began_s=0.0, wall_s=0.5)
    if by == "spare":
        seen.model, seen.remote_model = (SPARE_MODEL, "") if way.v1 else ("m", SPARE_MODEL)
    for name, value in fields.items():
        setattr(seen, name, value)
    return seen


def failed(text: str = "", error: str = "it broke", code: str = "") -> Seen:
    """Return an honest error."""
    return Seen(status=502, text=text, errors=[error], code=code)


def attempt(at_s: float = 0.0, model: str = "m", number: int = 1) -> Attempt:
    """Return an attempt at the primary."""
    return Attempt(model, V1.name, number, at_s, True, False, number, closed_s=at_s + 1, done=True)


def spare(at_s: float = 1.0) -> Attempt:
    """Return an attempt at the fallback."""
    return attempt(at_s, SPARE_MODEL)


# What a client sees


@pytest.mark.parametrize(
    "pieces",
    [
        [SPEECH.opening(), *list(SPEECH.tokens())[:40]],
        [SPEECH.opening(), *list(SPEECH.tokens())[:40], SPEECH.closing(), DONE],
        [*list(SPEECH.tokens())[:40], *SPEECH.tokens(), SPEECH.closing(), DONE],
        [*list(SPEECH.tokens())[:40], *Speech(SPARE, "m").tokens(), SPEECH.closing(), DONE],
        [*SPEECH.tokens(), SPEECH.closing(), DONE, ERROR],
        [*SPEECH.tokens(), SPEECH.closing(), ERROR, DONE],
        [*SPEECH.tokens(), DONE],
        [*SPEECH.tokens(), *SPEECH.tokens(), ERROR],
        [ERROR, ERROR],
        [*SPEECH.tokens(), b"data: {\n\n", SPEECH.closing(), DONE],
        [*SPEECH.tokens(), SPEECH.closing(), DONE[:-1]],
        [*list(SPEECH.tokens())[:30], *list(Speech(PRIMARY, "n").tokens())[30:], SPEECH.closing(), DONE],
    ],
    ids=[
        "no end",
        "half as a success",
        "twice",
        "mixed",
        "error after the end",
        "end after the error",
        "no finish reason",
        "twice, then an error",
        "two errors",
        "garbage",
        "half an event",
        "two models",
    ],
)
def test_a_stream_that_is_neither_an_answer_nor_an_error_is_broken(pieces: list[bytes]) -> None:
    assert seen_events(*pieces).outcome is Outcome.BROKEN


def test_a_whole_stream_is_an_answer_and_heartbeats_are_none_of_it() -> None:
    seen = seen_events(b": heartbeat\n\n", SPEECH.opening(), *SPEECH.tokens(), SPEECH.closing(), DONE)
    assert (seen.outcome, seen.heartbeats, seen.usage) == (Outcome.ANSWER, 1, PRIMARY.usage)
    assert seen_events(*list(SPEECH.tokens())[:7], ERROR).outcome is Outcome.ERROR


@pytest.mark.parametrize(
    "data",
    [
        b'{"model":"m","message":{"content":"A"},"done":false}\n\n',
        b'{"model":"m","message":{"content":"A"},"done":true}\n{"error":"x"}\n',
        b'{"model":"m","message":{"content":"A"},"done":true}',
        b'{"error":"x"}\n{"model":"m","message":{"content":""},"done":true}\n',
    ],
    ids=["blank line", "error after the end", "half a line", "end after the error"],
)
def test_lines_that_are_neither_an_answer_nor_an_error_are_broken(data: bytes) -> None:
    seen = Seen(status=200)
    read_lines(data, seen)
    assert seen.outcome is Outcome.BROKEN


def test_an_error_with_status_200_is_no_error_of_a_plain_answer() -> None:
    seen = Seen(status=200)
    read_body(b'{"error": "x"}', CHAT, seen)
    assert seen.outcome is Outcome.BROKEN


# What it is worth


def test_a_right_answer_passes() -> None:
    found = judge(case("03-error-once"), V1, answered(), [attempt(), attempt(0.3)], 0.1)
    assert (found.verdict, found.notes) == (Verdict.PASS, [])


FLAWS: dict[str, tuple[str, Seen, list[Attempt], Verdict]] = {
    "no retry": ("03-error-once", answered(), [attempt()], Verdict.PARTIAL),
    "asked elsewhere": ("03-error-once", answered(by="spare"), [attempt(), spare()], Verdict.PARTIAL),
    "hammered": ("02-limited", answered(by="spare"), [attempt(at / 10) for at in range(5)] + [spare()], Verdict.FAIL),
    "too many": ("04-overloaded", answered(by="spare"), [attempt(at) for at in range(7)] + [spare()], Verdict.FAIL),
    "too early": ("01-limited-once", answered(), [attempt(), attempt(1.6)], Verdict.PARTIAL),
    "silent asked twice": ("06-silent", answered(by="spare"), [attempt(), attempt(1), spare(2)], Verdict.FAIL),
    "waited it out": ("07-slow-first-token", answered(), [attempt()], Verdict.PARTIAL),
    "switched late": ("07-slow-first-token", answered(by="spare"), [attempt(), spare(2.1)], Verdict.PARTIAL),
    "an error": ("08-cut", failed(), [attempt()], Verdict.SAFE),
    "words before it": ("08-cut", failed(PRIMARY.text[:50]), [attempt()], Verdict.FAIL),
    "half": ("08-cut", answered(text=PRIMARY.text[:50]), [attempt()], Verdict.FAIL),
    "hung": ("09-hang", answered(hung=True), [attempt()], Verdict.FAIL),
    "no heartbeat": ("09-hang", answered(by="spare"), [attempt(), spare()], Verdict.PARTIAL),
    "refused twice": (
        "13-content-policy",
        failed(code="content_policy_violation"),
        [attempt(), attempt(1)],
        Verdict.FAIL,
    ),
    "reason lost": ("13-content-policy", failed(), [attempt()], Verdict.PARTIAL),
    "went round it": ("13-content-policy", answered(by="spare"), [attempt(), spare()], Verdict.PARTIAL),
    "masked": ("14-cut", failed(error="no assistant message prefill"), [attempt(), spare()], Verdict.FAIL),
    "wrong name": ("16-overloaded", answered(by="spare", model="m"), [attempt(), spare()], Verdict.PARTIAL),
    "wrong usage": ("16-overloaded", answered(by="spare", usage=PRIMARY.usage), [attempt(), spare()], Verdict.PARTIAL),
    "no usage": ("11-no-done", answered(usage=None), [attempt()], Verdict.PARTIAL),
    "far too late": ("11-no-done", answered(wall_s=81.0), [attempt()], Verdict.FAIL),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_costs_the_verdict(flaw: str) -> None:
    model, seen, attempts, verdict = FLAWS[flaw]
    assert judge(case(model), V1, seen, attempts, 0.1).verdict is verdict


def test_a_little_slowness_is_said_and_costs_nothing() -> None:
    found = judge(case("11-no-done"), V1, answered(wall_s=9.0), [attempt()], 0.1)
    assert (found.verdict, found.notes[0].startswith("slow")) == (Verdict.PASS, True)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda seen: None, Verdict.PASS),
        (lambda seen: setattr(seen, "remote_model", ""), Verdict.PARTIAL),
        (lambda seen: setattr(seen, "model", SPARE_MODEL), Verdict.PARTIAL),
    ],
)
def test_the_fallback_is_named_beside_the_model_that_was_asked_for(
    change: Callable[[Seen], None], verdict: Verdict
) -> None:
    seen = answered(CHAT, by="spare")
    change(seen)
    assert judge(case("16-overloaded"), CHAT, seen, [attempt(), spare()], 0.1).verdict is verdict


# A series of calls


def flapping(served: int = 20, tried: int = 10, back: bool = True) -> Finding:
    """Judge twenty calls and one more, 0.4 s apart, over an outage of 6 s."""
    calls = [answered(by="spare", began_s=0.4 * at) if at < served else failed() for at in range(20)]
    calls.append(answered(by="primary" if back else "spare", began_s=8.0))
    return judge_flap(V1, calls, [attempt(0.1 * at) for at in range(tried)], 0.1)


def test_an_outage_passes_where_all_are_served_by_an_open_circuit_that_closes_again() -> None:
    assert flapping().verdict is Verdict.PASS
    assert flapping(served=19).verdict is Verdict.SAFE
    assert flapping(tried=45).verdict is Verdict.PARTIAL
    assert flapping(back=False).verdict is Verdict.PARTIAL


# The scorecard


def test_the_scorecard_is_good_only_where_everything_passes() -> None:
    good = Scorecard({})
    good.add(Finding(3, V1.name, Verdict.PASS))
    good.add(Finding(8, V1_LIVE.name, Verdict.SAFE))
    good.measure(Measured(17, "leaves", Verdict.PASS))
    assert good.good
    for bad in (
        Finding(4, V1.name, Verdict.PARTIAL),
        Finding(8, V1.name, Verdict.SAFE),
        Finding(4, V1_LIVE.name, Verdict.SAFE),
    ):
        other = Scorecard({})
        other.findings = {**good.findings, (bad.row, bad.way): bad}
        assert not other.good
    good.measure(Measured(18, "reads", Verdict.FAIL, ["memory grew"]))
    assert not good.good
    assert any("memory grew" in line for line in good.lines())


def test_the_worst_of_several_cases_counts_and_all_their_notes_are_kept() -> None:
    found = worst([Finding(5, V1.name, Verdict.PASS, ["a"]), Finding(5, V1.name, Verdict.SAFE, ["b"])])
    assert (found.verdict, found.notes) == (Verdict.SAFE, ["a", "b"])


def test_the_tables_have_a_row_for_each_fault() -> None:
    card = Scorecard({"profile": "fast"})
    card.add(Finding(3, V1.name, Verdict.PASS))
    card.add(Finding(3, V1_PLAIN.name, Verdict.SAFE))
    card.measure(Measured(17, "client leaves", Verdict.PASS, numbers={"left": 3}))
    assert card.as_markdown().splitlines() == [
        "|  | Fault | /v1 stream | /v1 plain |",
        "| --- | --- | --- | --- |",
        "| 03 | 500 once, then fine | pass | safe |",
        "|  | passes | 1 of 1 | 0 of 1 |",
        "",
        "|  | Fault | Verdict | Measured |",
        "| --- | --- | --- | --- |",
        "| 17 | client leaves | pass | left 3 |",
    ]
    assert '"profile": "fast"' in card.as_json()


def test_the_tables_replace_those_of_the_run_before(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("before\n\n<!-- scorecard -->\nold\n<!-- end of scorecard -->\n\nafter\n")
    card = Scorecard({"profile": "fast", "date": "2026-01-02", "seconds": 3})
    card.measure(Measured(17, "client leaves", Verdict.PASS))
    for _ in range(2):
        put_into(document, card)
    text = document.read_text()
    assert (text.count("client leaves"), text.count("2026-01-02"), "old" in text) == (1, 1, False)
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    with pytest.raises(ValueError, match="no place"):
        put_into(Path(__file__).with_name("__init__.py"), card)
