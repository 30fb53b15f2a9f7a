"""The report for programs: JSON with the keys that docs/check.md lists."""

from typing import Any

from gateway.doctor.results import BackendReport, ModelReport, Report, Result
from gateway.doctor.text import plain

VERSION = 1
"""Grows when a key changes its meaning or goes; new keys may come without it."""


def report_document(report: Report, warnings: tuple[str, ...]) -> dict[str, Any]:
    """Return the whole report as JSON values."""
    return {
        "version": VERSION,
        "ok": report.fine,
        "warnings": [plain(warning) for warning in warnings],
        "requests": report.tally.requests,
        "prompt_tokens": report.tally.prompt_tokens,
        "completion_tokens": report.tally.completion_tokens,
        "backends": [_backend(backend) for backend in report.backends],
    }


def _backend(report: BackendReport) -> dict[str, Any]:
    profile = report.profile
    return {
        "name": plain(report.settings.name),
        "base_url": plain(str(report.settings.base_url)),
        "ok": report.fine,
        "reachable": _result(report.reachable),
        "key": _result(report.key),
        "listing": _result(report.listing),
        "profile": profile.name if profile is not None else None,
        "profile_by": report.how or None,
        "profile_evidence": profile.evidence if profile is not None else None,
        "models_left_out": report.left_out,
        "models": [_model(model) for model in report.models],
    }


def _model(report: ModelReport) -> dict[str, Any]:
    return {
        "id": plain(report.name),
        "checks": {name: _result(result) for name, result in report.findings()},
        "refused_parameters": list(report.learned),
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "answer": str(result.answer),
        "asked": result.asked,
        "value": result.value,
        "unit": result.unit or None,
        "detail": plain(result.detail),
        "expected": str(result.expected) if result.expected is not None else None,
        "expected_by": result.expected_by or None,
        "surprises": result.surprises,
    }
