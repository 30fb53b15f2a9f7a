"""AnswerReader: the frame all readers share: tells a stream from a plain body, bounds both, and ends honestly."""

import re
from abc import ABC, abstractmethod

from gateway.codecs.backend_errors import error_from_object
from gateway.codecs.events import End, Event, Failure, Finish, Usage
from gateway.codecs.names import is_same_model
from gateway.codecs.repetition import LEAST_BYTES
from gateway.codecs.sse import EventTooLargeError, SseDecoder
from gateway.codecs.tolerance import is_whole, model_named, read_chunk, read_chunks
from gateway.errors import ProxyException, TranslationError, UpstreamConnectionError
from gateway.schemas.chunks import Chunk

MAX_BODY_BYTES = 256 * 1024 * 1024
"""A plain answer beyond this is a fault; a large batch of embeddings is some 50 MB."""

CUT_MESSAGE = "the backend closed the connection before its answer was complete"

_REVISION = re.compile(r"@(?:main|master|[0-9a-f]{40})$")


class AnswerReader(ABC):
    """Reads one answer to a chat, completion or embedding request, streamed or plain: the first byte tells which.

    Some servers stream what was asked plainly and the other way round; both are read. Subclasses say what a chunk
    means in `_read`. A `BackendReader` (see codecs.contract).

    `asked` is the model that was asked for (None: it does not matter which answers), `stands_in` that it is itself
    another than the client named. `Finish` names the model when another answered.
    """

    def __init__(self, *, asked: str | None = None, stands_in: bool = False) -> None:
        self._asked = asked
        self._answered = asked or ""
        self._stands_in = stands_in
        self._unnamed = asked is not None
        self.progress = 0
        self.finished = False
        self.ended = False
        self.plain = False
        self._reason: str | None = None
        self._usage: Usage | None = None
        self._head: bytes | None = b""
        self._sse: SseDecoder | None = None
        self._body: list[bytes] = []
        self._body_bytes = 0

    def feed(self, data: bytes, now_ns: int) -> list[Event]:
        """Read more bytes; return the events they complete."""
        if self.ended:
            return []
        if self._head is not None:
            data = self._decide(data)
        try:
            if self._sse is not None:
                if len(data) >= LEAST_BYTES:
                    return self._feed_much(self._sse, data)
                if self._sse.between_events:
                    return self._feed_piece(self._sse, data)
                return self._feed_stream(self._sse.feed(data))
            return self._feed_body(data)
        except EventTooLargeError:
            return [self._fail(TranslationError("the backend sent an event that is too large"))]

    def finish(self, end: End, now_ns: int) -> list[Event]:
        """Return the last events: whatever the end settles, then Usage and Finish, or one Failure."""
        if self.ended:
            return []
        if end is End.CANCELLED and not self.finished:
            self.ended = True
            return []
        if self._sse is not None:
            return self._finish_stream(self._sse, end)
        if end is not End.CLEAN:
            return [self._fail(UpstreamConnectionError(CUT_MESSAGE, phase="cut"))]
        return self._finish_body()

    @abstractmethod
    def _read(self, chunk: Chunk, events: list[Event]) -> None:
        """Append the events of one chunk (or one plain answer). May raise ProxyException: it becomes a Failure."""

    @abstractmethod
    def _conclude(self, events: list[Event]) -> None:
        """Append what was held back until the end of the answer. May raise ProxyException."""

    def _decide(self, data: bytes) -> bytes:
        """Choose between stream and body by the first byte that is not blank."""
        head = (self._head or b"") + data
        first = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if not first and len(head) < 65536:
            self._head = head
            return b""
        self._head = None
        self.plain = first in (b"{", b"[", b"<")
        if not self.plain:
            self._sse = SseDecoder()
        return head

    def _feed_much(self, sse: SseDecoder, data: bytes) -> list[Event]:
        """Read many bytes: the rest of an event that a read cut, as most do in a long burst, then the others."""
        if sse.between_events:
            return self._feed_burst(sse, data)
        end = data.find(b"\n\n") + 2
        if end < 2:
            return self._feed_stream(sse.feed(data))
        events = self._feed_stream(sse.feed(data[:end]))
        if not self.ended and end < len(data):
            rest = data[end:]
            events += self._feed_burst(sse, rest) if sse.between_events else self._feed_stream(sse.feed(rest))
        return events

    def _feed_piece(self, sse: SseDecoder, data: bytes) -> list[Event]:
        """Read few bytes, of which the first begin an event: most often one event."""
        return self._feed_stream(sse.feed(data))

    def _feed_burst(self, sse: SseDecoder, data: bytes) -> list[Event]:
        """Read many bytes, of which the first begin an event. Raises EventTooLargeError."""
        return self._feed_stream(sse.feed(data))

    def _feed_stream(self, payloads: list[bytes]) -> list[Event]:
        events: list[Event] = []
        if self._unnamed:
            self._note_model(payloads)
        done = payloads[-1:] == [b"[DONE]"]
        # One alone, as live tokens come, costs less by itself.
        chunks = read_chunks(payloads[:-1] if done else payloads) if len(payloads) > 1 else None
        try:
            if chunks is None:
                self._feed_one_by_one(payloads, events)
            else:
                self._take_all(chunks, events)
                if done:
                    self._end(events)
        except ProxyException as error:
            events.append(self._fail(error))
        return events

    def _feed_one_by_one(self, payloads: list[bytes], events: list[Event]) -> None:
        """Read events among which one is odd: up to that, or past it."""
        for payload in payloads:
            if payload == b"[DONE]" or payload.strip() == b"[DONE]":
                self._end(events)
                break
            if payload.strip():  # some servers keep a connection alive with empty events
                self._take(read_chunk(payload), events)

    def _take_all(self, chunks: list[Chunk], events: list[Event]) -> None:
        for chunk in chunks:
            self._take(chunk, events)

    def _take(self, chunk: Chunk, events: list[Event]) -> None:
        if chunk.error:
            raise error_from_object(chunk.error)
        if chunk.usage is not None or chunk.timings is not None:
            self._count(chunk)
        self._read(chunk, events)

    def _count(self, chunk: Chunk) -> None:
        """Keep the latest counts; llama.cpp's timings add durations, and counts where usage is absent."""
        usage, timings = chunk.usage, chunk.timings
        before = self._usage or Usage()
        prompt = usage.prompt_tokens if usage is not None else None
        completion = usage.completion_tokens if usage is not None else None
        if timings is not None:
            if prompt is None and timings.prompt_n is not None:
                prompt = timings.prompt_n + (timings.cache_n or 0)
            completion = completion if completion is not None else timings.predicted_n
        self._usage = Usage(
            prompt_tokens=prompt if prompt is not None else before.prompt_tokens,
            completion_tokens=completion if completion is not None else before.completion_tokens,
            prompt_ns=_ns(timings.prompt_ms) if timings is not None else before.prompt_ns,
            eval_ns=_ns(timings.predicted_ms) if timings is not None else before.eval_ns,
            reasoning_tokens=usage.reasoning_tokens if usage is not None else before.reasoning_tokens,
        )

    def _end(self, events: list[Event]) -> None:
        """Close a complete answer: what was held back, then counts, then Finish."""
        if not self.finished and not self.progress:
            raise TranslationError("the backend ended its stream without an answer")
        self._conclude(events)
        self.ended = self.finished = True
        if self._usage is not None:
            events.append(self._usage)
        events.append(Finish(self._reason or "stop", self._other_model()))

    def _note_model(self, payloads: list[bytes]) -> None:
        """Look for the name of the model that answers, up to the first output: no later chunk is asked."""
        self._unnamed = not self.progress
        for payload in payloads:
            if name := model_named(payload):
                self._answered = name
                self._unnamed = False
                return

    def _other_model(self) -> str:
        if self._asked is None:
            return ""
        # A server that adds which revision of the model it loaded still means that model.
        same = any(is_same_model(self._asked, name) for name in (self._answered, _REVISION.sub("", self._answered)))
        return self._answered if not same else self._asked if self._stands_in else ""

    def _finish_stream(self, sse: SseDecoder, end: End) -> list[Event]:
        events = self._feed_stream([*filter(is_whole, sse.flush())]) if end is End.CLEAN else []
        if self.ended:
            return events
        if not self.finished:
            return [*events, self._fail(UpstreamConnectionError(CUT_MESSAGE, phase="cut"))]
        try:
            self._end(events)
        except ProxyException as error:
            events.append(self._fail(error))
        return events

    def _feed_body(self, data: bytes) -> list[Event]:
        self._body.append(data)
        self._body_bytes += len(data)
        if self._body_bytes > MAX_BODY_BYTES:
            return [self._fail(TranslationError("the backend sent an answer that is too large"))]
        return []

    def _finish_body(self) -> list[Event]:
        body = b"".join(self._body) or self._head or b""
        self._body = []
        events: list[Event] = []
        try:
            self._read_body(body, events)
            self._end(events)
        except ProxyException as error:
            return [self._fail(error)]
        return events

    def _read_body(self, body: bytes, events: list[Event]) -> None:
        """Read a whole plain answer."""
        text = check_json(body)
        chunk = read_chunk(text)
        if self._unnamed:
            self._note_model([text])
        self._take(chunk, events)
        if not chunk.choices:
            raise TranslationError("the backend answered without any choices")
        self.finished = True

    def _fail(self, error: ProxyException) -> Failure:
        self.ended = True
        # The error lives on with its frames: what was held back need not.
        self._sse, self._body, self._head = None, [], None
        return Failure(error)


def check_json(body: bytes) -> bytes:
    """Return a plain answer's body without its BOM. Raises TranslationError for an empty one and for HTML."""
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        raise TranslationError("the backend answered with an empty body")
    if text[:1] == b"<":
        raise TranslationError("the backend answered with HTML instead of JSON: is the base URL right?")
    return text


def _ns(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds * 1_000_000)
