"""`keep_alive`: a number of seconds, or a duration as Go writes it (`"10m"`, `"1h30m"`, `"-1m"`)."""

import re
from typing import Any

from gateway.errors import RequestError

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "μs": 1_000,  # U+03BC, the Greek letter
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_MAX_NS = 2**63 - 1
_TERM = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?(?P<unit>[^0-9.]*)")
_MAX_CHARS = 200


def check_keep_alive(raw: Any) -> float | None:
    """Return the seconds to keep a model; None where unset, negative for ever. Raises RequestError with Go's texts."""
    if raw is None:
        return None
    if isinstance(raw, str):
        return _duration_ns(raw) / 1e9
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise RequestError(f"Unsupported type: '{_go_type(raw)}'")
    try:
        return float(raw)
    except OverflowError:
        raise RequestError("time: invalid duration: the number is too large") from None


def _duration_ns(text: str) -> int:
    """Return nanoseconds, as Go's `time.ParseDuration` reads `text`: a bare number has no unit, except zero."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest or len(rest) > _MAX_CHARS:
        raise _invalid(text)
    total = sum(_term_ns(text, term) for term in _TERM.finditer(rest) if term[0])
    if total > _MAX_NS:
        raise _invalid(text)
    return sign * total


def _term_ns(text: str, term: re.Match[str]) -> int:
    whole, fraction, unit = term["whole"], term["fraction"] or "", term["unit"]
    if not whole and not fraction:
        raise _invalid(text)
    if not unit:
        raise RequestError(f"time: missing unit in duration {_quoted(text)}")
    unit_ns = _UNITS_NS.get(unit)
    if unit_ns is None:
        raise RequestError(f"time: unknown unit {_quoted(unit)} in duration {_quoted(text)}")
    scale: int = 10 ** len(fraction)
    return int(whole or "0") * unit_ns + int(fraction or "0") * unit_ns // scale


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "[]interface {}" if isinstance(value, list) else "map[string]interface {}"


def _invalid(text: str) -> RequestError:
    return RequestError(f"time: invalid duration {_quoted(text)}")


def _quoted(text: str) -> str:
    """Return `text` in quotes as Go's time package does: everything but plain ASCII as bytes; an endless one cut."""
    shown = text if len(text) <= _MAX_CHARS else text[:_MAX_CHARS] + "..."
    return '"' + "".join(_byte_text(byte) for byte in shown.encode("utf-8", "replace")) + '"'


def _byte_text(byte: int) -> str:
    if byte < 0x20 or byte >= 0x80:
        return f"\\x{byte:02x}"
    return "\\" + chr(byte) if chr(byte) in '"\\' else chr(byte)
