"""Log lines: one JSON object each, in UTF-8, those of the libraries included. Secrets are masked in all of them."""

import json
import logging
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, BinaryIO, TextIO

import msgspec
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from gateway.telemetry.masking import mask, may_need_mask

_LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR}
_encode = msgspec.json.Encoder(enc_hook=repr).encode


def configure_logging(level: str, stream: TextIO | BinaryIO | None = None, secrets: Iterable[str] = ()) -> None:
    """Send all log lines of the process from `level` (DEBUG to CRITICAL) on to `stream`, with `secrets` masked in them.

    `stream` None is standard output.
    """
    number = _LEVELS.get(level.upper(), logging.CRITICAL)
    target: Any = sys.stdout if stream is None else stream
    binary: BinaryIO = getattr(target, "buffer", target)
    structlog.configure(
        processors=[_stamp, _show_exception, LineRenderer(secrets)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(file=binary),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, LibraryHandler)]:
        root.removeHandler(handler)
    root.addHandler(LibraryHandler())
    # What libraries say below WARNING is theirs, not ours, and DEBUG is ours.
    root.setLevel(max(number, logging.WARNING))


def keep_out_of_logs(secrets: Iterable[str]) -> None:
    """Mask more secrets: those of a configuration that was read again."""
    for processor in structlog.get_config()["processors"]:
        if isinstance(processor, LineRenderer):
            processor.keep_out(secrets)


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a logger for rare events: it may be made at import, and follows the configuration of the moment."""
    logger: FilteringBoundLogger = structlog.get_logger(component=name)
    return logger


def bound_logger(name: str) -> FilteringBoundLogger:
    """Return a logger for frequent events, bound to the present configuration (its level filter costs nothing)."""
    logger: FilteringBoundLogger = structlog.get_logger(component=name).bind()
    return logger


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
        line = _render(event)
        if may_need_mask(line, self._escaped):
            # Value by value: in the line itself a secret of digits could stand inside a number.
            line = _render({name: self._masked(value) for name, value in event.items()})
        return line.encode()

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
    return {"time": datetime.now(UTC), "level": method, "event": event.pop("event"), **event}


def _show_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error_type"] = type(error).__qualname__
        event["traceback"] = describe_exception(error)
    return event


def _render(event: EventDict) -> str:
    try:
        return _encode(event).decode()
    except (UnicodeEncodeError, msgspec.ValidationError, TypeError, ValueError, OverflowError):
        # Lone surrogates in a model's name, keys that are no strings: slower, but it writes anything.
        return json.dumps(event, default=_text)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)
