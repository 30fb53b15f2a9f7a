"""Repetition: the events of a stream that differ in their text alone, read by their texts.

A server of models writes the same JSON around each token. Where one such event was read, its likes are told by what
stands before and after their texts: one search takes a burst of them apart, one look of the decoder reads their texts.
"""

import re
from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

import msgspec

from gateway.codecs.sse import CR
from gateway.codecs.tolerance import read_chunk, text_alone
from gateway.errors import TranslationError

LEAST_BYTES = 2048
"""In less than that there is nothing to be saved."""
_TRIES = 3
"""How many events that are no example for others are looked at, one after the other, before that is given up."""
_CONTENT = re.compile(rb'"content"\s*:\s*"')
_STRING = re.compile(rb'(?:[^"\\]|\\.)*')
_PROBE = "?"
_decode_text = msgspec.json.Decoder(str).decode
_decode_texts = msgspec.json.Decoder(str).decode_lines


class Run(NamedTuple):
    """Where in a block whole events stand that are alike, and their texts, none of them empty."""

    start: int
    stop: int
    texts: list[str]


class Repetition:
    """What the events of one answer have in common."""

    __slots__ = ("_after", "_before", "_text_of", "_tries")

    def __init__(self) -> None:
        self._before = self._after = b""
        self._text_of: Callable[[bytes], bytes] = bytes
        self._tries = _TRIES

    def text(self, data: bytes) -> str:
        """Return the text of `data` if that is one event, a piece of text like others; "" if not, or not known yet."""
        before, after = self._before, self._after
        if before and data.startswith(before) and data.endswith(after):
            try:
                text = _decode_text(b'"%b"' % data[len(before) : len(data) - len(after)])
            except (msgspec.MsgspecError, UnicodeDecodeError):
                return ""
            self._tries = _TRIES
            return text
        return ""

    def note(self, event: bytes) -> None:
        """Take an event for the example of others that was read as a piece of text and nothing else."""
        if not self._tries or event[:6] != b"data: " or event[-2:] != b"\n\n" or CR in event:
            return
        if event.find(b"\n") == len(event) - 2:
            self._tries -= 1
            self._take_example(event)

    def find(self, block: bytes, at: int) -> Run | None:
        """Return the events of a block that are alike and nothing but text, from `at` on, where one begins; else None.

        Around them may be others, but none among them.
        """
        if len(block) - at < LEAST_BYTES or CR in block:
            return None
        run = self._found(block, at) if self._before else None
        if run is None and self._tries:
            self._tries -= 1
            # Not the first: those of an answer are often unlike the others.
            if self._learn(block, (at + len(block)) // 2):
                run = self._found(block, at)
        if run is not None:
            self._tries = _TRIES
        return run

    def _found(self, block: bytes, at: int) -> Run | None:
        before, after = self._before, self._after
        start = block.find(before, at)
        first = start + len(before)
        last = block.rfind(after, first)
        if start < 0 or last < 0 or (start and block[start - 2 : start] != b"\n\n"):
            return None
        stop = last + len(after)
        # Every other line is empty. One byte is searched for much faster than several; what was split is compared then.
        raw = [*map(self._text_of, block[start : stop - 2].split(b"\n")[::2])]
        if before + (after + before).join(raw) + after != block[start:stop]:
            return None
        try:
            texts = _decode_texts(b'"%b"' % b'"\n"'.join(raw))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        # No line feed is within a string: with as many strings as lines, each line is one string and no more.
        return Run(start, stop, texts) if len(texts) == len(raw) and all(texts) else None

    def _learn(self, block: bytes, near: int) -> bool:
        """Take the event that begins next after `near` for the example; return whether it is one."""
        start = block.find(b"\n\ndata: ", near) + 2
        end = block.find(b"\n\n", start) + 2
        if start < 2 or end < 2:
            return False
        return self._take_example(block[start:end])

    def _take_example(self, event: bytes) -> bool:
        places = [match.end() for match in _CONTENT.finditer(event)]
        text = _STRING.match(event, places[0]) if len(places) == 1 else None
        if text is None:
            return False
        before, after = event[: text.start()], event[text.end() :]
        if not _is_around_text(before, after):
            return False
        self._before, self._after = before, after
        self._text_of = itemgetter(slice(len(before), 2 - len(after)))
        return True


def _is_around_text(before: bytes, after: bytes) -> bool:
    """Tell whether what a reader finds between them is a piece of text, and all there is."""
    example = before + _PROBE.encode() + after
    try:
        return text_alone(read_chunk(example[len(b"data: ") :].strip())) == _PROBE
    except TranslationError:
        return False
