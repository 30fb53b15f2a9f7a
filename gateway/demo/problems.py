"""What the demo backend refuses, and how that reads in OpenAI's error object."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

_FIELD = re.compile(r"[a-z][a-z_]*")


class DemoError(Exception):
    """A refusal: HTTP status, a message for people, the parameter at fault and OpenAI's error code."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.status = status

    def body(self) -> dict[str, Any]:
        """The OpenAI error object."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def problem_of(error: ValidationError) -> DemoError:
    """The first thing wrong with a body; the values sent are never repeated."""
    first = error.errors(include_input=False, include_url=False)[0]
    return _problem(first["type"], first["loc"], first["msg"], first.get("ctx", {}))


def _problem(kind: str, location: Iterable[int | str], message: str, context: Mapping[str, Any]) -> DemoError:
    if kind == "json_invalid":
        return DemoError(f"The body is not valid JSON: {context.get('error', message)}.", code="invalid_json")
    param = _param(location)
    if param is None:
        return DemoError("The body must be a JSON object.")
    if kind == "missing":
        return DemoError(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    reason = message.removeprefix("Value error, ")
    return DemoError(f"Invalid '{param}': {reason[:1].lower()}{reason[1:]}.", param=param, code="invalid_value")


def _param(location: Iterable[int | str]) -> str | None:
    """`("messages", 0, "content")` as `messages[0].content`; stops at anything that is not a field's name."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif _FIELD.fullmatch(part):
            path += f".{part}" if path else part
        else:
            break
    return path or None
