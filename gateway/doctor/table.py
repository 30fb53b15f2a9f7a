"""The report for people: a block for each backend, its models side by side, and notes on what is not simply fine."""

import textwrap
from collections.abc import Iterator, Sequence

from gateway.doctor.results import CHECKS, Answer, BackendReport, ModelReport, Report, Result
from gateway.doctor.text import aligned, plain, shortened

SURPRISE = "!"
_GAP = 2
_LABEL = max(map(len, CHECKS))
_LONGEST_NAME = 24
_LONGEST_NOTE = 240


def report_lines(report: Report, width: int) -> list[str]:
    """Return the lines of the report, none much longer than `width`."""
    lines = [line for backend in report.backends for line in ("", *_backend_lines(backend, width))]
    if any(result.surprises for model in _models(report) for _, result in model.findings()):
        lines += ["", f"{SURPRISE} is not what the gateway assumes."]
    tally = report.tally
    sent = f"{tally.requests} requests sent" if tally.requests != 1 else "1 request sent"
    used = f"{tally.prompt_tokens} tokens in and {tally.completion_tokens} out, as far as the answers tell"
    return [*lines, "", *textwrap.wrap(f"{sent}; {used}.", width)]


def _models(report: Report) -> Iterator[ModelReport]:
    return (model for backend in report.backends for model in backend.models)


def _backend_lines(report: BackendReport, width: int) -> list[str]:
    head = shortened(plain(f"{report.settings.name} · {report.settings.base_url}"), width)
    rows = [
        ("reachable", _worded(report.reachable)),
        ("key", _worded(report.key)),
        ("models", _models_text(report)),
        ("profile", _profile_text(report)),
        *(("refused", f"{model.name}: {', '.join(model.learned)}") for model in report.models if model.learned),
    ]
    lines = [head, *aligned(rows, width=width, indent="  ")]
    for models in _side_by_side(report.models, width):
        lines += ["", *_matrix(models)]
    notes = list(_notes(report.models))
    return [*lines, "", *aligned(notes, width=width, indent="  ")] if notes else lines


def _worded(result: Result) -> str:
    said = str(result.answer)
    if result.value is not None and result.unit:
        said += f", after {result.value} {result.unit}"
    return f"{said}: {result.detail}" if result.detail else said


def _models_text(report: BackendReport) -> str:
    if report.listing.value is None:
        return f"no list: {report.listing.detail}" if report.listing.detail else "no list"
    text = f"{report.listing.value} listed, {len(report.models)} asked"
    return f"{text}, {report.left_out} left out (--all-models asks all)" if report.left_out else text


def _profile_text(report: BackendReport) -> str:
    if report.profile is None:
        return "not known"
    source = "a real server" if report.profile.evidence == "measured" else "documentation"
    return f"{report.profile.name}, {report.how}; the row comes from {source}"


def _side_by_side(models: Sequence[ModelReport], width: int) -> Iterator[Sequence[ModelReport]]:
    """Give the models in groups that fit the width."""
    group: list[ModelReport] = []
    used = start = 2 + _LABEL
    for model in models:
        needed = _GAP + _column(model)
        if group and used + needed > width:
            yield group
            group, used = [], start
        group.append(model)
        used += needed
    if group:
        yield group


def _column(model: ModelReport) -> int:
    return max(len(_name(model)), *(len(_cell(result)) for _, result in model.findings()))


def _name(model: ModelReport) -> str:
    return shortened(plain(model.name), _LONGEST_NAME)


def _matrix(models: Sequence[ModelReport]) -> list[str]:
    rows = [("", [_name(model) for model in models])]
    found = [dict(model.findings()) for model in models]
    rows += [(name.replace("_", " "), [_cell(one[name]) for one in found]) for name in CHECKS]
    widths = [_column(model) for model in models]
    gap = " " * _GAP
    lines = (
        f"  {label:<{_LABEL}}{gap}" + gap.join(f"{cell:<{size}}" for cell, size in zip(cells, widths, strict=True))
        for label, cells in rows
    )
    return [line.rstrip() for line in lines]


def _cell(result: Result) -> str:
    """Return a word, or the number that was measured; `-`: not asked."""
    if not result.asked:
        return "-"
    said = result.word or str(result.answer)
    if result.value is not None and result.answer is Answer.YES:
        said = f"{result.value} {result.unit}".strip()
    return f"{said} {SURPRISE}" if result.surprises else said


def _notes(models: Sequence[ModelReport]) -> Iterator[tuple[str, str]]:
    """Give what needs a word: not what works, and not what was known to be missing."""
    for name in CHECKS:
        for model in models:
            result = dict(model.findings())[name]
            fine = result.answer is Answer.YES or (result.answer is Answer.NO and result.expected is Answer.NO)
            said = result.word and not result.detail
            if result.asked and not said and (result.surprises or not fine):
                yield name.replace("_", " "), f"{_name(model)}: {_note(result)}"


def _note(result: Result) -> str:
    detail = shortened(result.detail, _LONGEST_NOTE)
    if not result.surprises:
        return detail or str(result.answer)
    source = "the list, or the name," if result.expected_by == "list" else "the profile"
    said = f"{source} says {result.expected}, measured {result.answer}"
    return f"{said} ({detail})" if detail else said
