"""Incremental server-sent events: bytes in, the data of whole events out (WHATWG HTML, section 9.2)."""

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""A single event beyond this is an attack or a fault: a chunk of a chat is a few hundred bytes."""

CR = 13
"""The byte of a carriage return: bytes are searched for a number eight times as fast as for other bytes."""

_BOM = b"\xef\xbb\xbf"


class EventTooLargeError(ValueError):
    """One event grew over MAX_EVENT_BYTES."""


class SseDecoder:
    """Splits a byte stream, cut anywhere, into events; returns the `data` of each, joined by newlines.

    Understands LF, CRLF and CR line ends, comments, multi-line data and a leading BOM; ignores `event`, `id` and
    `retry`. `flush` gives the event that the stream's end left without its blank line.
    """

    __slots__ = ("_data", "_head", "_line", "_size", "_skip_lf")

    def __init__(self) -> None:
        self._head: bytes | None = b""  # what may still become a BOM; None once that is settled
        self._line: list[bytes] = []  # pieces of the unfinished last line
        self._data: list[bytes] = []  # data lines of the unfinished last event
        self._size = 0  # bytes held in both
        self._skip_lf = False

    @property
    def between_events(self) -> bool:
        """Whether nothing is held of an event that has begun."""
        return not (self._line or self._data or self._skip_lf)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that `chunk` completes. Raises EventTooLargeError."""
        if self._head is not None:
            chunk = self._without_bom(chunk)
        if self._skip_lf or CR in chunk:
            chunk = self._with_plain_line_ends(chunk)
        elif not (self._line or self._data) and (alike := _all_alike(chunk)) is not None:
            return alike
        lines = chunk.split(b"\n")
        rest = lines.pop()
        events: list[bytes] = []
        if lines:
            if self._line:
                self._line.append(lines[0])
                lines[0] = b"".join(self._line)
                self._line.clear()
            self._take(lines, events)
        if rest:
            self._line.append(rest)
            self._size += len(rest)
            if self._size > MAX_EVENT_BYTES:
                raise EventTooLargeError
        return events

    def flush(self) -> list[bytes]:
        """Return the unfinished last event, if any: some servers omit the blank line at the end."""
        events: list[bytes] = []
        self._take([b"".join(self._line), b""], events)
        self._line.clear()
        return events

    def _take(self, lines: list[bytes], events: list[bytes]) -> None:
        data = self._data
        for line in lines:
            if line[:6] == b"data: ":
                data.append(line[6:])
            elif not line:
                if data:
                    events.append(data[0] if len(data) == 1 else b"\n".join(data))
                    data.clear()
            elif line[:5] == b"data:":
                data.append(line[5:])
            elif line == b"data":
                data.append(b"")
        self._size = sum(map(len, data)) if data else 0
        if self._size > MAX_EVENT_BYTES:
            raise EventTooLargeError

    def _without_bom(self, chunk: bytes) -> bytes:
        """Drop a leading BOM, holding its first bytes back while they may still become one."""
        head = (self._head or b"") + chunk
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)

    def _with_plain_line_ends(self, chunk: bytes) -> bytes:
        """Turn CRLF and CR into LF; the LF of a CRLF that was cut in two is dropped when it comes."""
        if self._skip_lf and chunk:
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        if chunk.endswith(b"\r"):
            self._skip_lf = True
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _all_alike(chunk: bytes) -> list[bytes] | None:
    """Return the data of whole events that are one `data: ` line each, as nearly all servers send them; else None.

    Each line break stands at the end of an event then, two of them: counting tells.
    """
    if chunk[:6] != b"data: " or chunk[-2:] != b"\n\n" or len(chunk) > MAX_EVENT_BYTES:
        return None
    if chunk.find(b"\n") == len(chunk) - 2:
        return [chunk[6:-2]]
    events = chunk[6:-2].split(b"\n\ndata: ")
    return events if chunk.count(b"\n") == 2 * len(events) else None
