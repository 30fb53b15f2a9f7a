"""The report for people."""

import io

import pytest
from yarl import URL

from gateway.backend_settings import BackendSettings
from gateway.backends.profiles import GENERIC
from gateway.codecs.models import unlisted_model
from gateway.doctor.progress import ProgressLine
from gateway.doctor.results import (
    CHECKS,
    Answer,
    BackendReport,
    ModelReport,
    Report,
    Result,
    Tally,
    no,
    partly,
    yes,
)
from gateway.doctor.table import report_lines
from gateway.doctor.text import plain, shortened


def model(name: str, **checks: Result) -> ModelReport:
    found = dict.fromkeys(CHECKS, yes()) | checks
    return ModelReport(unlisted_model(name), name, found)


def report(*models: ModelReport) -> Report:
    settings = BackendSettings(name="main", base_url=URL("http://127.0.0.1:1/v1"))
    backend = BackendReport(
        settings, yes(value=3, unit="ms"), yes(), yes(value=9), GENERIC, "detected", list(models), left_out=4
    )
    return Report((backend,), Tally(1, 2, 3))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_asked(width: int) -> None:
    detail = "a long reason of many words " * 12
    lines = report_lines(report(*(model(f"some-model-{n}", vision=partly(detail)) for n in range(12))), width)
    assert max(map(len, lines)) <= width
    heads = [line.split() for line in lines if line.split()[0:1] and line.split()[0].startswith("some-model-")]
    assert [name for head in heads for name in head if name.startswith("some-model-")] == [
        f"some-model-{n}" for n in range(12)
    ]


def test_models_stand_side_by_side_as_far_as_they_fit() -> None:
    (line,) = [line for line in report_lines(report(model("a"), model("b")), 80) if line.split() == ["a", "b"]]
    rows = [one for one in report_lines(report(model("a"), model("b")), 80) if one.startswith("  json schema ")]
    assert line.index("b") == rows[0].rindex("yes")


def test_what_is_measured_stands_for_the_word_yes() -> None:
    lines = report_lines(report(model("m", streaming=yes(value=12, unit="ms"), embeddings=yes(value=64))), 80)
    assert ["streaming", "12", "ms"] in [line.split() for line in lines]
    assert ["embeddings", "64"] in [line.split() for line in lines]


def test_what_the_gateway_assumes_otherwise_is_marked_and_explained() -> None:
    wrong = Result(Answer.YES, expected=Answer.NO, expected_by="profile")
    lines = report_lines(report(model("m", embeddings_base64=wrong)), 80)
    assert ["embeddings", "base64", "yes", "!"] in [line.split() for line in lines]
    assert "  embeddings base64  m: the profile says no, measured yes" in lines
    assert "! is not what the gateway assumes." in lines


def test_what_is_known_to_be_missing_needs_no_note() -> None:
    known = Result(Answer.NO, "404: no images here", expected=Answer.NO, expected_by="list")
    assert not [line for line in report_lines(report(model("m", vision=known)), 80) if "404" in line]
    assert [line for line in report_lines(report(model("m", vision=no("404: no"))), 80) if "404" in line]


def test_what_was_left_out_and_what_it_cost_is_told() -> None:
    lines = report_lines(report(model("m")), 80)
    assert "  models     9 listed, 1 asked, 4 left out (--all-models asks all)" in lines
    assert lines[-1] == "1 request sent; 2 tokens in and 3 out, as far as the answers tell."


def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    evil = "\x1b[2Jm\x07\u202e\n"
    lines = report_lines(report(model(evil, tools=no(evil))), 80)
    assert all(line.isprintable() for line in lines)


def test_texts_are_cut_with_an_ellipsis() -> None:
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"
    assert plain("a\tb\x00") == "a b?"


class Terminal(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_is_one_line_that_is_gone_at_the_end() -> None:
    terminal = Terminal()
    progress = ProgressLine(terminal)
    progress("main", "m\x1b", "json_schema")
    progress.clear()
    assert terminal.getvalue() == "\r\x1b[2Kchecking main: m?, json schema\r\x1b[2K"


def test_progress_elsewhere_is_a_line_a_model() -> None:
    log = io.StringIO()
    progress = ProgressLine(log)
    for check in ("plain", "streaming"):
        progress("main", "m", check)
    progress.clear()
    assert log.getvalue() == "checking main: m\n"
