"""The checks of `make fuzz`, loaded by schemathesis in its own environment: nothing of the gateway is imported."""

import json
from typing import Any

import schemathesis  # type: ignore[import-not-found]  # only the environment of `make fuzz` has it

from tests.fuzz.listed import is_listed


def only_listed_server_errors(_context: Any, response: Any, case: Any) -> None:
    """Fail for a 5xx that is not listed."""
    if response.status_code < 500:
        return
    text = _error_text(response)
    route = f"{case.operation.method.upper()} {case.operation.path}"
    assert is_listed(route, response.status_code, text), f"{route} answers {response.status_code}: {text!r}"


def errors_in_the_shape_of_the_dialect(_context: Any, response: Any, case: Any) -> None:
    """Fail for an error without a text: a string below `/api`, an object with a message below `/v1`."""
    if response.status_code < 400 or case.operation.path == "/" or case.operation.method.upper() == "HEAD":
        return
    if response.status_code in (403, 404, 405) and not response.headers.get("content-type", [""])[0].startswith(
        "application/json"
    ):
        return
    assert _error_text(response), f"{response.status_code} without the text of an error: {response.content[:300]!r}"


def streams_end_honestly(_context: Any, response: Any, _case: Any) -> None:
    """Fail for a stream of lines whose last one is neither an ending nor an error."""
    if not response.headers.get("content-type", [""])[0].startswith("application/x-ndjson"):
        return
    last = json.loads(response.content.splitlines()[-1])
    assert last.get("done") is True or last.get("status") == "success" or "error" in last, last


def _error_text(response: Any) -> str:
    try:
        error = json.loads(response.content)["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(error["message"]) if isinstance(error, dict) else str(error)


for check in (only_listed_server_errors, errors_in_the_shape_of_the_dialect, streams_end_honestly):
    schemathesis.check(check)
