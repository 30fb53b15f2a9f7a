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
    r"|input (\(\d+ tokens\) )?is (too large|larger)|tokens?\) is too large|must have less than \d+ tokens",
    re.I,
)


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
    code = raw.get("code", raw.get("status")) if isinstance(raw, dict) else None
    status = int(code) if isinstance(code, int | str) and str(code).isdigit() and 400 <= int(code) <= 599 else 502
    return _from_value({"error": raw}, status, "the backend reported an error without a text", None)


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


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None
