"""FramingReader: a backend's `/v1` answer for a `/v1` client: bytes pass as they are, up to the last whole event.

It looks only for what decides the ending: content, finish reason, usage, error and `[DONE]`. Once content was seen, a
block of events without any of these marks is passed unread, as long as it is JSON.
"""

import re
from typing import Any

import msgspec

from gateway.codecs.answer_reader import CUT_MESSAGE, MAX_BODY_BYTES, check_json
from gateway.codecs.assembly import Assembly, as_stream
from gateway.codecs.backend_errors import error_from_object
from gateway.codecs.events import End, Event, Failure, Finish, Raw, Usage
from gateway.codecs.repetition import Repetition
from gateway.codecs.sse import CR, MAX_EVENT_BYTES, SseDecoder
from gateway.codecs.tolerance import is_whole, read_chunk
from gateway.errors import ProxyException, TranslationError, UpstreamConnectionError
from gateway.schemas.chunks import Chunk

_MARKS = (b'"finish_reason":"', b'"finish_reason": "', b'"usage":{', b'"usage": {', b'"error', b"[DONE]")
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_FINISH_REASON = re.compile(rb'"finish_reason"\s*:\s*"(\w+)"')
"""Any spelling of that mark: looked for once, in the last block of a stream that ends without [DONE]."""
_DONE = b"data: [DONE]\n\n"
_validate = msgspec.json.Decoder(msgspec.Raw).decode


class _GlancedChoice(msgspec.Struct, gc=False):
    finish_reason: Any = None


class _Glanced(msgspec.Struct, gc=False):
    """The fields of an event that decide something."""

    choices: list[_GlancedChoice] | None = None
    usage: Any = None
    error: Any = None


_glance = msgspec.json.Decoder(_Glanced).decode


class FramingReader:
    """Passes events or a plain body through. A `BackendReader` (see codecs.contract).

    `hide_usage`: the usage chunk was asked for by us, not by the client, and is taken out again. `whole`: whether the
    client wants one object or a stream, whichever of them the backend sends; None: it takes what comes.
    """

    def __init__(self, *, hide_usage: bool = False, whole: bool | None = None) -> None:
        self._whole = whole
        self._one_body = False
        self._assembly: Assembly | None = None
        self.progress = 0
        self.finished = False
        self.ended = False
        self.plain = False
        self._hide_usage = hide_usage
        self._decided = False
        self._held = b""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._last = b""
        self._sse = SseDecoder()
        self._alike = Repetition()
        self._usage: Usage | None = None
        self._reason = "stop"

    def feed(self, data: bytes, now_ns: int) -> list[Event]:
        """Read more bytes; return those that end with a whole event."""
        if self.ended:
            return []
        if not self._decided:
            data = self._held + data
            self._held = b""
            first = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
            if not first and len(data) < 65536:
                self._held = data
                return []
            self._decide(first)
        if self._one_body:
            return self._feed_body(data)
        return self._feed_stream(data)

    def finish(self, end: End, now_ns: int) -> list[Event]:
        """Return the last events: what is still whole, a forgotten `[DONE]`, Usage and Finish; or a Failure."""
        if self.ended:
            return []
        if end is End.CANCELLED and not self.finished:
            self.ended = True
            return []
        if self._one_body or not self._decided:
            return self._finish_body() if end is End.CLEAN else [self._fail(_cut())]
        events: list[Event] = []
        if end is End.CLEAN and (last := _unended(self._held)):
            events = self._pass(last)
        if self.ended:
            return events
        if not self.finished and (match := _FINISH_REASON.search(self._last)):
            self.finished, self._reason = True, match[1].decode()
        if not self.finished:
            return [*events, self._fail(_cut())]
        return [*events, *(() if self._assembly is not None else (Raw(_DONE),)), *self._closing()]

    def _decide(self, first: bytes) -> None:
        """Choose between stream and body by the first byte that is not blank."""
        self._decided = True
        self._one_body = first in (b"{", b"[", b"<")
        self.plain = self._one_body if self._whole is None else self._whole
        if self._whole and not self._one_body:
            self._assembly = Assembly()

    def _feed_stream(self, data: bytes) -> list[Event]:
        if self.progress and not self._held and self._assembly is None and self._is_piece(data):
            self._last = data
            self.progress += 1
            return [Raw(data)]
        start = max(0, len(self._held) - 3)
        data = self._held + data if self._held else data
        end = _last_event_end(data, start)
        self._held = data[end:]
        if len(self._held) > MAX_EVENT_BYTES:
            return [self._fail(TranslationError("the backend sent an event that is too large"))]
        if not end:
            return []
        return self._pass(data[:end] if self._held else data)

    def _is_piece(self, data: bytes) -> bool:
        """Tell whether `data` is one event that is a piece of an answer and no more."""
        if self._alike.text(data):
            return True
        found = _is_one_piece(data)
        if found:
            self._alike.note(data)
        return found

    def _pass(self, block: bytes) -> list[Event]:
        """Pass a block of whole events, looking only into those up to the first output and those with a mark."""
        kept: list[bytes] = []
        self._last = block
        try:
            self._sift(block, kept)
        except ProxyException as error:
            return [*self._kept(kept), self._fail(error)]
        return [*self._kept(kept), *(self._closing() if self.ended else ())]

    def _sift(self, block: bytes, kept: list[bytes]) -> None:
        """Append to `kept` what passes of a block, up to [DONE]. Raises ProxyException for an error in it."""
        at = 0
        while (not self.progress or self._assembly is not None) and at < len(block) and not self.ended:
            at = self._take(block, at, kept)
        if self.ended:
            return
        run = self._alike.find(block, at)
        if run is None:
            self._sift_marked(block, at, kept)
            return
        if run.start > at:
            self._sift_marked(block[at : run.start], 0, kept)
        if not self.ended:
            kept.append(block[run.start : run.stop])
            self.progress += len(run.texts)
        if run.stop < len(block) and not self.ended:
            self._sift_marked(block[run.stop :], 0, kept)

    def _sift_marked(self, block: bytes, at: int, kept: list[bytes]) -> None:
        """Do that for events that are not alike, of which the first begins at `at`, looking into those with a mark."""
        for mark in _marks(block, at):
            if mark < at:
                continue  # in the event that was just taken
            start = _last_event_end(block, at, mark) or at
            if start > at:
                self._wave(block[at:start], kept)
            if self.ended:
                return
            at = self._take(block, start, kept)
            if self.ended:
                return
        if at < len(block) and not self.ended:
            self._wave(block[at:], kept)

    def _wave(self, events: bytes, kept: list[bytes]) -> None:
        """Keep events without a mark: JSON that nobody reads here, but JSON. Raises ProxyException for what is none."""
        if _are_json(events):
            kept.append(events)
            self.progress += max(1, events.count(b"\ndata:") + events.startswith(b"data:"))
            return
        at = 0
        while at < len(events) and not self.ended:
            at = self._take(events, at, kept)

    def _take(self, block: bytes, at: int, kept: list[bytes]) -> int:
        """Look into the event that begins at `at`, keep it if it is to pass, and return where it ends."""
        match = _EVENT_END.search(block, at)
        end = match.end() if match else len(block)
        event = block[at:end]
        if all(self._look(payload) for payload in self._sse.feed(event)):
            kept.append(event)
        return end

    def _look(self, payload: bytes) -> bool:
        """Note what an event says; return whether it passes. Raises ProxyException for an error in it."""
        if payload.strip() == b"[DONE]":
            if not self.progress and not self.finished:
                raise TranslationError("the backend ended its stream without an answer")
            self.ended = True
            return True
        if not payload.strip():
            return True
        chunk = read_chunk(payload)
        if chunk.error:
            raise error_from_object(chunk.error)
        if self._assembly is not None:
            self._assembly.add(payload, chunk)
        if chunk.usage is not None:
            self._usage = _usage(chunk)
            if self._hide_usage and not chunk.choices:
                return False
        self.progress += _shows_output(chunk)
        for choice in chunk.choices or ():
            if choice.finish_reason:
                self.finished = True
                self._reason = choice.finish_reason
        return True

    def _closing(self) -> list[Event]:
        self.ended = self.finished = True
        closing: list[Event] = [Raw(self._assembly.body())] if self._assembly is not None else []
        if self._usage is not None:
            closing.append(self._usage)
        return [*closing, Finish(self._reason)]

    def _kept(self, kept: list[bytes]) -> list[Event]:
        """Return what passes of a block; nothing where it becomes part of one object."""
        return [Raw(b"".join(kept), bool(self.progress))] if kept and self._assembly is None else []

    def _feed_body(self, data: bytes) -> list[Event]:
        self._body.append(data)
        self._body_bytes += len(data)
        if self._body_bytes > MAX_BODY_BYTES:
            return [self._fail(TranslationError("the backend sent an answer that is too large"))]
        return []

    def _finish_body(self) -> list[Event]:
        body = b"".join(self._body) or self._held
        try:
            chunk = read_chunk(check_json(body))
        except ProxyException as error:
            return [self._fail(error)]
        if chunk.error:
            return [self._fail(error_from_object(chunk.error))]
        if self._whole is False:
            if not chunk.choices:
                return [self._fail(TranslationError("the backend answered without any choices"))]
            body = as_stream(check_json(body), with_usage=not self._hide_usage)
        self.progress += 1
        self._usage = _usage(chunk)
        for choice in chunk.choices or ():
            self._reason = choice.finish_reason or self._reason
        return [Raw(body), *self._closing()]

    def _fail(self, error: ProxyException) -> Failure:
        self.ended = True
        # The error lives on with its frames: what was held back need not.
        self._held, self._last, self._body, self._assembly, self._sse = b"", b"", [], None, SseDecoder()
        return Failure(error)


def _unended(held: bytes) -> bytes:
    """Return the event that a body's end left without its blank line, b"" where it is not whole.

    What stands behind its data is the beginning of another line, or says nothing.
    """
    lines = held.splitlines(keepends=True)
    while lines and not lines[-1].startswith(b"data:"):
        lines.pop()
    event = b"".join(lines).rstrip(b"\r\n") + b"\n\n"
    payloads = SseDecoder().feed(event)
    return event if payloads and all(map(is_whole, payloads)) else b""


def _last_event_end(data: bytes, start: int, stop: int | None = None) -> int:
    """Return where the last whole event of `data[:stop]` ends, 0 if none does; no blank line begins before `start`."""
    end = data.rfind(b"\n\n", start, stop) + 2
    if end < 2:
        end = 0
    if CR in data:
        for blank in (b"\r\n\r\n", b"\r\r"):
            position = data.rfind(blank, start, stop)
            if position >= 0:
                end = max(end, position + len(blank))
    return end


def _are_json(events: bytes) -> bool:
    """Tell whether each event is one line of JSON: one look at all of them, in the form that nearly all servers use."""
    if events[:6] != b"data: " or events[-2:] != b"\n\n":
        return False
    try:
        _validate(b"[" + events[6:-2].replace(b"\n\ndata: ", b",") + b"]")
    except msgspec.DecodeError:
        return False
    return True


def _is_one_piece(data: bytes) -> bool:
    """Tell whether `data` is one event that is a piece of an answer and no more, as nearly every read of a live stream.

    One look of the decoder at the fields that decide: a third of what sifting costs. In a burst it would cost more.
    """
    if data[:6] != b"data: " or data[-2:] != b"\n\n" or data.find(b"\n") != len(data) - 2:
        return False
    try:
        event = _glance(data[6:-2])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    choices = event.choices
    if not choices or event.usage is not None or event.error is not None:
        return False
    return len(choices) == 1 and choices[0].finish_reason is None


def _marks(block: bytes, start: int) -> list[int]:
    """Return where the marks stand in `block`, from `start` on, in order. Linear, however many there are."""
    places: list[int] = []
    for mark in _MARKS:
        place = block.find(mark, start)
        while place >= 0:
            places.append(place)
            place = block.find(mark, place + 1)
    return sorted(places)


def _shows_output(chunk: Chunk) -> bool:
    for choice in chunk.choices or ():
        delta = choice.delta or choice.message
        if choice.text:
            return True
        if delta is not None and (
            delta.content or delta.reasoning_content or delta.reasoning or delta.tool_calls or delta.refusal
        ):
            return True
    return False


def _usage(chunk: Chunk) -> Usage | None:
    usage = chunk.usage
    if usage is None:
        return None
    return Usage(usage.prompt_tokens, usage.completion_tokens, reasoning_tokens=usage.reasoning_tokens)


def _cut() -> UpstreamConnectionError:
    return UpstreamConnectionError(CUT_MESSAGE, phase="cut")
