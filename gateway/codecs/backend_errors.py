"""What a backend means by an error body, in whatever shape it comes, and by its Retry-After."""

import json
import re
from email.utils import parsedate_to_datetime
from typing import Any

from gateway.errors import ProxyException, TranslationError, UpstreamStatusError

_MAX_TEXT = 2000
_UNKNOWN_MODEL_CODES = frozenset({"model_not_found", "invalid_model", "model_not_supported"})
_UNKNOWN_MODEL_TEXT = re.compile(
    # "model", perhaps a name, then the verdict with nothing in between: other refusals mention models as well.
    r"\bmodels?(?: with (?:name|id))?:?\s*[`'\"]?[^\s`'\"]{0,200}[`'\"]?,?\s*"
    r"(?:(?:is|was|does|do|could|cannot|can) ?)?(?:not (?:be )?(?:found|exist|available|served|loaded)|n.t exist)"
    r"|(?:unknown|no such|invalid) model\b(?! (?:option|parameter|setting))|not a valid model",
    re.I,
)
_TOO_LONG_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})
_TOO_LONG = re.compile(
    r"(maximum|max) (context|input|sequence|model) length|context (length|size|window)|too many tokens|too long"
    r"|input (\(\d+ tokens\) )?is (too large|larger)|tokens?\) is too large"
    r"|must have less than \d+ (tokens|characters)",
    re.I,
)

_STATUS_OF_CODE = {
    "invalid_api_key": 401,
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "content_filter": 400,
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "authentication_error": 401,
    "model_not_found": 404,
    "NotFoundError": 404,
    "not_found_error": 404,
    "overloaded_error": 503,
    "unavailable_error": 503,
}
"""What an error within a 200 would have had as its status: codes and types of OpenAI, vLLM, llama.cpp, Anthropic."""


def error_from_status(
    status: int, content_type: str, body: bytes, retry_after_s: float | None = None
) -> UpstreamStatusError:
    """Return the error for a backend's answer with a 4xx or 5xx status, in the backend's own words."""
    message: str | None = None
    raw: Any = None
    if "html" not in content_type and body.lstrip()[:1] != b"<":
        text = body.decode("utf-8", "replace").strip()
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError):
            message = text[:_MAX_TEXT] or None
    return _from_value(raw, status, message or f"the backend answered with status {status}", retry_after_s)


def error_from_object(raw: Any) -> UpstreamStatusError:
    """Return the error for an error object inside an answer that began as a success; status from its code, else 502."""
    said = [raw.get(key) for key in ("code", "status", "status_code", "type")] if isinstance(raw, dict) else []
    status = next((status for value in said if (status := _status_of(value))), 502)
    return _from_value({"error": raw}, status, "the backend reported an error without a text", None)


def _status_of(value: Any) -> int | None:
    """Return the HTTP status that a code is (a number, or one as text), or stands for; None for any other."""
    if isinstance(value, str) and not value.isdecimal():
        return _STATUS_OF_CODE.get(value)
    if isinstance(value, str | int) and not isinstance(value, bool) and len(str(value)) == 3:
        return int(value) if 400 <= int(value) <= 599 else None
    return None


def unexpected_status(status: int) -> TranslationError:
    """Return the error for a status that no OpenAI-compatible server answers with (1xx, 2xx but 200, 3xx)."""
    if 300 <= status < 400:
        return TranslationError(f"the backend redirects (status {status}); set its final address as the base URL")
    return TranslationError(f"the backend answered with the unexpected status {status}")


def is_unknown_model(error: ProxyException) -> bool:
    """Tell whether a backend's error means that it has no such model, whatever status it chose."""
    if not isinstance(error, UpstreamStatusError) or error.status not in (400, 404, 422):
        return False
    return error.code in _UNKNOWN_MODEL_CODES or bool(_UNKNOWN_MODEL_TEXT.search(error.message))


def is_too_long(error: UpstreamStatusError) -> bool:
    """Tell whether a backend refused an input because it is longer than the model's context."""
    return error.code in _TOO_LONG_CODES or error.error_type in _TOO_LONG_CODES or bool(_TOO_LONG.search(error.message))


def retry_after_s(headers: Any, now_s: float) -> float | None:
    """Return the seconds that `retry-after-ms` or `Retry-After` (seconds or a date) ask to wait, None without either.

    `now_s` is the wall clock, for dates.
    """
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("Retry-After")
        if value is None:
            return None
        if value.strip().replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError):
        return None


def _from_value(raw: Any, status: int, fallback: str, retry_after: float | None) -> UpstreamStatusError:
    """Read OpenAI's `{"error": {…}}`, `{"error": "…"}`, FastAPI's `{"detail": …}`, `{"message": …}`, bare strings."""
    if isinstance(raw, list) and len(raw) == 1 and isinstance(raw[0], dict):
        raw = raw[0]  # Google's
    if (faults := _faults(raw)) is not None:
        return _from_faults(faults, status, retry_after)
    error: Any = raw
    if isinstance(raw, dict):
        error = next((raw[key] for key in ("error", "detail", "message", "errors") if raw.get(key)), None)
        if isinstance(error, str) and isinstance(raw.get("message"), str):
            error = {**raw, "message": raw["message"]}
    if isinstance(error, dict):
        message = error.get("message") or error.get("detail") or error.get("error")
        text = message if isinstance(message, str) else json.dumps(error)
        return UpstreamStatusError(
            status,
            text[:_MAX_TEXT],
            error_type=_text(error.get("type")),
            param=_text(error.get("param")),
            code=_text(error.get("code")),
            retry_after_s=retry_after,
        )
    text = error if isinstance(error, str) else json.dumps(error)
    if error is None or error == "":
        text = fallback
    return UpstreamStatusError(status, text[:_MAX_TEXT], retry_after_s=retry_after)


def _faults(value: Any) -> list[dict[str, Any]] | None:
    """Return the faults that pydantic found in the request, however a server wraps their list."""
    for _ in range(4):
        if isinstance(value, str) and value[:1] in ("[", "{"):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return None
        if isinstance(value, dict):
            value = next((value[key] for key in ("error", "detail", "message") if value.get(key)), None)
        elif isinstance(value, list):
            found = [fault for fault in value if isinstance(fault, dict) and isinstance(fault.get("msg"), str)]
            return found if found and len(found) == len(value) else None
    return None


def _from_faults(faults: list[dict[str, Any]], status: int, retry_after: float | None) -> UpstreamStatusError:
    """Say each fault with its place; without the input, which is the client's own."""
    told = [(_place(fault.get("loc")), fault["msg"]) for fault in faults]
    return UpstreamStatusError(
        status,
        "; ".join(f"{place}: {text}" if place else text for place, text in told)[:_MAX_TEXT],
        error_type="invalid_request_error",
        param=told[0][0] or None,
        code=_text(faults[0].get("type")),
        retry_after_s=retry_after,
    )


def _place(loc: Any) -> str:
    parts = loc if isinstance(loc, list) else []
    return ".".join(str(part) for part in (parts[1:] if parts[:1] == ["body"] else parts))


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None
