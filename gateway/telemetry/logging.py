"""Log lines: one JSON object each, in UTF-8, those of the libraries included. Secrets are masked in all of them.

On a terminal they are lines for people. The level can be changed while the process runs.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import msgspec
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from gateway.telemetry.masking import mask, may_need_mask

if TYPE_CHECKING:
    from gateway.exchange import Exchange

_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}
_encode = msgspec.json.Encoder(enc_hook=repr).encode
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""What JSON leaves as it is, and a terminal obeys, a reader cannot see, or takes for the end of a line."""
_is_word = re.compile(r"[A-Za-z0-9_./:@+*-]+").fullmatch

CURRENT: ContextVar["Exchange | None"] = ContextVar("current", default=None)
"""The request that is being answered: its ids stand in every line that is written meanwhile."""


class Threshold:
    """The least severity that is logged: now, and as it was configured."""

    __slots__ = ("configured", "number")

    def __init__(self) -> None:
        self.number = self.configured = logging.INFO


_threshold = Threshold()


def configure_logging(level: str, stream: TextIO | BinaryIO | None = None, secrets: Iterable[str] = ()) -> None:
    """Send all log lines of the process from `level` (DEBUG to CRITICAL) on to `stream`, with `secrets` masked in them.

    `stream` None is standard output.
    """
    target: Any = sys.stdout if stream is None else stream
    binary: BinaryIO = getattr(target, "buffer", target)
    renderer = ConsoleRenderer(secrets) if target.isatty() else LineRenderer(secrets)
    structlog.configure(
        processors=[_stamp, _show_exception, renderer],
        logger_factory=structlog.BytesLoggerFactory(file=binary),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, LibraryHandler)]:
        root.removeHandler(handler)
    root.addHandler(LibraryHandler())
    _threshold.configured = _LEVELS.get(level.upper(), logging.CRITICAL)
    set_level(level)


def set_level(level: str) -> None:
    """Log from `level` (DEBUG to CRITICAL) on, from now on."""
    number = _threshold.number = _LEVELS.get(level.upper(), logging.CRITICAL)
    structlog.configure(**{**structlog.get_config(), "wrapper_class": structlog.make_filtering_bound_logger(number)})
    # What libraries say below WARNING is theirs, not ours, and DEBUG is ours.
    logging.getLogger().setLevel(max(number, logging.WARNING))


def change_level(level: str) -> None:
    """Log from `level` on, where that is a change, and say so: in the log, who looks for lines that are not there."""
    if level != current_level():
        set_level(level)
        get_logger("logging").warning("log level changed", detail=f"from {level} on")


def toggle_debug() -> str:
    """Log everything, or again from the configured level on (INFO where that is DEBUG); return the new level."""
    configured = _threshold.configured
    normal = configured if configured != logging.DEBUG else logging.INFO
    level = str(logging.getLevelName(normal if _threshold.number == logging.DEBUG else logging.DEBUG))
    change_level(level)
    return level


def is_logged(number: int) -> bool:
    """Tell whether lines of a severity (`logging.INFO`) are written now."""
    return _threshold.number <= number


def current_level() -> str:
    """Return the least severity that is logged now."""
    return str(logging.getLevelName(_threshold.number))


def keep_out_of_logs(secrets: Iterable[str]) -> None:
    """Mask more secrets: those of a configuration that was read again."""
    for processor in structlog.get_config()["processors"]:
        if isinstance(processor, LineRenderer):
            processor.keep_out(secrets)


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a logger for rare events: it may be made at import, and follows the configuration of the moment."""
    logger: FilteringBoundLogger = structlog.get_logger(component=name)
    return logger


class FrequentLog:
    """Writes frequent events of the severity INFO, to where lines go when it is made: rendered like all others, without
    the layers between, which cost more than that. It writes all: ask `is_logged` before.
    """

    def __init__(self, name: str) -> None:
        config = structlog.get_config()
        self._component = name
        self._render = config["processors"][-1]
        self._output = config["logger_factory"]()

    def beginning(self, event: str) -> dict[str, object]:
        """Return a line that begins now; whoever fills it also names the request that it is of."""
        return {"time": datetime.now(UTC), "level": "info", "event": event, "component": self._component}

    def write(self, line: dict[str, object]) -> None:
        """Write a line that has a beginning."""
        self._output.msg(self._render(self._output, "info", line))


class LineRenderer:
    """The last processor: an event's values to one line of JSON."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets: tuple[str, ...] = ()
        self._escaped: tuple[str, ...] = ()
        self.keep_out(secrets)

    def keep_out(self, secrets: Iterable[str]) -> None:
        """Mask these from now on, beside those of before: what is no longer used is no less secret."""
        self._secrets = tuple(dict.fromkeys((*self._secrets, *(secret for secret in secrets if len(secret) >= 6))))
        # A secret with a quote or a backslash stands escaped in the line.
        self._escaped = tuple({*self._secrets, *(_encode(secret).decode()[1:-1] for secret in self._secrets)})

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
        """Return the line, without its end."""
        line = self.written(event)
        if may_need_mask(line, self._escaped):
            # Value by value: in the line itself a secret of digits could stand inside a number.
            line = self.written({name: self._masked(value) for name, value in event.items()})
        if not line.isascii() or "\x7f" in line:
            line = _UNSAFE.sub(_escape, line)
        return line.encode()

    def written(self, event: EventDict) -> str:
        """Return an event's values as text."""
        return _render(event)

    def _masked(self, value: object) -> object:
        if value is None or isinstance(value, bool | int | float | datetime):
            return value
        if isinstance(value, str):
            return mask(value, self._secrets)
        if isinstance(value, list | tuple):
            return [self._masked(item) for item in value]
        if isinstance(value, dict):
            return {mask(str(name), self._secrets): self._masked(item) for name, item in value.items()}
        return mask(repr(value), self._escaped)


class ConsoleRenderer(LineRenderer):
    """Lines for people: time, level, event, then the rest as name=value."""

    def written(self, event: EventDict) -> str:
        """Return an event's values as text; nothing in a value can end the line or look like another one."""
        rest = dict(event)
        at, level, what = rest.pop("time"), rest.pop("level"), rest.pop("event")
        rest.pop("component", None)
        said = " ".join(f"{name}={_told(value)}" for name, value in rest.items())
        return f"{at:%H:%M:%S}.{at.microsecond // 1000:03} {level:<8} {_told(what, quoted=False)} {said}".rstrip()


class LibraryHandler(logging.Handler):
    """Writes what libraries log as our own lines: the first line of the message, the frames of an exception."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        logger = get_logger(record.name)
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError | web.RequestPayloadError):
            # A client's mistake. The messages quote the bytes received, which may hold a key.
            logger.info("broken HTTP from a client", error_type=type(error).__name__)
            return
        level = max(min(record.levelno // 10 * 10, logging.CRITICAL), logging.DEBUG)
        fields = {} if error is None else {"exc_info": error}
        logger.log(level, record.getMessage().partition("\n")[0], **fields)


def describe_exception(error: BaseException) -> list[str]:
    """Return the frames and types of `error` and what caused it, outermost last.

    Without local variables, and without messages: those quote what they were given, and that may be a prompt.
    """
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = [
            f"{frame.filename}:{frame.lineno} {frame.name}: {frame.line}"
            for frame in traceback.extract_tb(current.__traceback__)
        ]
        lines[:0] = [*frames, type(current).__qualname__]
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return lines


def _stamp(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    stamped: EventDict = {"time": datetime.now(UTC), "level": method, "event": event.pop("event"), **event}
    exchange = CURRENT.get()
    if exchange is not None:
        stamped.setdefault("request_id", exchange.request_id)
        if exchange.trace_id is not None:
            stamped.setdefault("trace_id", exchange.trace_id)
    return stamped


def _show_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error_type"] = type(error).__qualname__
        event["traceback"] = describe_exception(error)
    return event


def _render(event: object) -> str:
    try:
        return _encode(event).decode()
    except (UnicodeEncodeError, msgspec.ValidationError, TypeError, ValueError, OverflowError):
        # Lone surrogates in a model's name, keys that are no strings: slower, but it writes anything.
        return json.dumps(event, default=_text)


def _told(value: object, *, quoted: bool = True) -> str:
    """Return a value for a line for people: as JSON writes it, a plain word without its quotes."""
    if isinstance(value, str) and _is_word(value):
        return value
    text = _render(value)
    return text if quoted or not isinstance(value, str) else text[1:-1]


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)
