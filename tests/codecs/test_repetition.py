"""Bursts of events that are alike: read together, they say what they say one by one."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.codecs import answer_reader, repetition
from gateway.codecs.chat_reader import ChatReader
from gateway.codecs.contract import BackendReader
from gateway.codecs.events import End, Event, Failure, Raw, Text, Texts
from gateway.codecs.framing_reader import FramingReader
from gateway.codecs.ollama_writer import CHAT, GENERATE, Clocks, JsonBody, NdjsonWriter, Shape
from gateway.codecs.repetition import LEAST_BYTES, Repetition
from gateway.codecs.tolerance import read_chunk
from gateway.schemas.chunks import Chunk

ID = "chatcmpl-" + "x" * 400
"""So long that a few events are a burst."""


def event(delta: dict[str, object], finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return said({"id": ID, "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more})


def said(chunk: object, **style: bool) -> bytes:
    return b"data: " + json.dumps(chunk, separators=(",", ":"), **style).encode() + b"\n\n"  # type: ignore[arg-type]


def piece(text: str) -> bytes:
    return event({"content": text})


def raw_piece(text: bytes) -> bytes:
    """Return a piece whose text is not encoded, however broken that makes it."""
    before, after = piece("\x00").split(b"\\u0000")
    return before + text + after


ROLE = event({"role": "assistant", "content": ""})
FINISH = event({}, "stop")
USAGE = said({"id": ID, "model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
DONE = b"data: [DONE]\n\n"
USUAL = [
    ROLE,
    *map(piece, ["Hello", " world", "\n", "é", "日本", '"quoted"', "back\\slash", "😀"]),
    FINISH,
    USAGE,
    DONE,
]

TEXTS = st.one_of(
    st.text(min_size=1, max_size=6), st.sampled_from(['","', '"}', "\\", "\\n", "data: ", "\n\n", '"error"'])
)
PIECES = st.builds(piece, TEXTS)
ODD = st.sampled_from(
    [
        piece(""),
        event({"reasoning_content": "hm"}),
        event({"content": "x", "reasoning": "y"}),
        event({"content": "x"}, "length"),
        event({"content": "a"}, logprobs={"content": [{"token": "a", "logprob": -1.0}]}),
        event({"content": "x"}, usage={"prompt_tokens": 1, "completion_tokens": 2}),
        event({"content": "other"}, system_fingerprint="fp"),
        said({"id": ID, "choices": [{"index": 1, "delta": {"content": "second"}}]}),
        said({"id": ID, "error": {"message": "broke"}}),
        said({"error": "content"}),
        event({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"content":"x"}'}}]}),
        event({"content": [{"type": "text", "text": "part"}]}),
        raw_piece(b'x","content":"y'),
        raw_piece(b'x" "y'),
        raw_piece(b'x","y'),
        raw_piece(b"broken \\"),
        raw_piece(b"tab\there"),
        raw_piece(b"\xff"),
        raw_piece(rb"\ud83d"),
        raw_piece(rb"\ude00"),
        raw_piece(b"two\nlines"),
        raw_piece(b"return\r"),
        b": comment\n\n",
        b"\n\n",
        b"data: \n\n",
        b"data: {broken\n\n",
        piece("crlf").replace(b"\n", b"\r\n"),
        b"event: x\n" + piece("named"),
        FINISH,
        USAGE,
        DONE,
    ]
)
STREAMS = st.lists(st.one_of(*[PIECES] * 12, ODD), max_size=24)
STARTS = st.sampled_from([[], [ROLE], [ROLE, piece("Once")], [piece("<think>"), piece("so"), piece("</think>")]])
ENDS = st.sampled_from([[FINISH, USAGE, DONE], [FINISH, DONE], [DONE], [FINISH], []])


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted({place % len(data) for place in places} - {0}), len(data)] if data else [0]
    return [data[start:end] for start, end in pairwise(edges)]


def one_by_one(events: Sequence[Event]) -> Iterator[object]:
    """Yield events that can be compared: pieces apart from each other, failures by what they say."""
    for one in events:
        if isinstance(one, Texts):
            yield from map(Text, one.texts)
        else:
            yield (type(one.error), str(one.error)) if isinstance(one, Failure) else one


def outcome(reader: BackendReader, reads: Sequence[bytes]) -> tuple[object, ...]:
    events: list[Event] = []
    for data in reads:
        events += reader.feed(data, 0)
    events += reader.finish(End.CLEAN, 0)
    passed = b"".join(one.data for one in events if isinstance(one, Raw))
    others = [one for one in one_by_one(events) if not isinstance(one, Raw)]
    # What passes unread is counted by its lines: an empty one among pieces may count as one of them.
    progress = reader.progress if others and not passed else bool(reader.progress)
    return passed, others, progress, reader.finished, reader.ended


READERS: dict[str, Callable[[], BackendReader]] = {
    "chat": lambda: ChatReader(asked="m"),
    "chat without tags": lambda: ChatReader(split_tags=False),
    "framing": FramingReader,
    "framing, usage hidden": lambda: FramingReader(hide_usage=True),
    "framing, one object": lambda: FramingReader(whole=True),
}


@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
@settings(max_examples=400, deadline=None)
@given(STARTS, STREAMS, ENDS, st.lists(st.integers(0, 20000), max_size=3))
@example([], USUAL, [], [])
def test_a_burst_says_what_its_events_say(
    make: Callable[[], BackendReader], start: list[bytes], middle: list[bytes], end: list[bytes], places: list[int]
) -> None:
    reads = cut(b"".join([*start, *middle, *end]), places)
    together = outcome(make(), reads)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repetition, "LEAST_BYTES", 1 << 40)
        patch.setattr(answer_reader, "LEAST_BYTES", 1 << 40)
        assert together == outcome(make(), reads)


def test_what_is_alike_is_found_between_what_is_not() -> None:
    block = b"".join(USUAL)
    run = Repetition().find(block, 0)
    assert run is not None
    assert run.texts == ["Hello", " world", "\n", "é", "日本", '"quoted"', "back\\slash", "😀"]
    assert block[: run.start] == ROLE
    assert block[run.stop :] == FINISH + USAGE + DONE


@pytest.mark.parametrize(
    "odd",
    [
        b'x","content":"y',
        b'x" "y',
        b'x","y',
        b"broken \\",
        b"tab\there",
        b"\xff",
        rb"\ud83d",
        b"two\nlines",
        b"cr\r",
        b"",
    ],
)
def test_one_odd_event_among_others_is_left_to_the_decoder(odd: bytes) -> None:
    around = [piece(f"word {number}") for number in range(5)]
    assert Repetition().find(b"".join([*around, raw_piece(odd), *around]), 0) is None


def test_a_piece_that_ends_in_half_an_escape_does_not_take_the_next_with_it() -> None:
    around = [piece(f"word {number}") for number in range(5)]
    pair = raw_piece(b"half\\") + raw_piece(b',"whole')
    assert Repetition().find(b"".join([*around, pair, *around]), 0) is None


@pytest.mark.parametrize(
    "odd",
    [
        event({"content": "x", "note": {"content": "y"}}),
        event({"reasoning_content": "r", "content": "x"}),
        event({"content": "x"}, "stop"),
        event({"content": "x"}, usage={"prompt_tokens": 1, "completion_tokens": 2}),
        event({"content": "x"}, timings={"predicted_n": 1}),
        event({"content": "x"}, error="so"),
        said({"id": ID, "choices": [{"index": 1, "delta": {"content": "x"}}]}),
        said({"id": ID, "choices": [{"index": 0, "delta": {}, "note": {"content": "x"}}]}),
        said({"id": ID, "choices": [{"index": 0, "text": "x"}]}),
        said({"id": ID, "content": "x"}),
        piece("x").replace(b"}\n\n", b"\n\n"),
    ],
)
def test_an_event_that_tells_more_or_less_than_text_is_no_example(odd: bytes) -> None:
    assert Repetition().find(odd * 10, 0) is None


def test_a_backend_that_changes_its_form_is_learnt_anew() -> None:
    alike = Repetition()
    for created in range(20):
        block = b"".join(event({"content": f"{created} {number}"}, created=created) for number in range(9))
        run = alike.find(block, 0)
        assert run is not None
        assert len(run.texts) == 9


def test_looking_for_examples_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bytes] = []

    def watched(data: bytes) -> Chunk:
        looked.append(data)
        return read_chunk(data)

    monkeypatch.setattr(repetition, "read_chunk", watched)
    alike = Repetition()
    for _ in range(20):
        assert alike.find(event({"content": "x"}, "stop") * 10, 0) is None
    assert 0 < len(looked) <= 3


def test_a_short_read_is_not_searched() -> None:
    block = said({"choices": [{"delta": {"content": "x"}}]}) * 20
    assert len(block) < LEAST_BYTES
    assert Repetition().find(block, 0) is None


def test_bursts_are_read_together() -> None:
    """Or nothing here is tested."""
    reader = ChatReader(asked="m")
    events = reader.feed(b"".join(USUAL), 0)
    assert [one.texts for one in events if isinstance(one, Texts)] == [
        ["\n", "é", "日本", '"quoted"', "back\\slash", "😀"]
    ]


@pytest.mark.parametrize("shape", [CHAT, GENERATE], ids=["chat", "generate"])
@pytest.mark.parametrize("sse", [False, True], ids=["lines", "events"])
def test_writers_write_texts_as_pieces(shape: Shape, sse: bool) -> None:
    texts = ["a", 'b"', "\n", "😀"]

    def lines(events: list[Event]) -> bytes:
        return NdjsonWriter(shape, "m", Clocks(0, 0), sse=sse).write(events, 10**18)

    def body(events: list[Event]) -> bytes:
        whole = JsonBody(shape, "m", Clocks(0, 0))
        whole.add(events)
        return whole.body(10**18)

    assert lines([Texts(texts)]) == lines([Text(text) for text in texts])
    assert body([Texts(texts)]) == body([Text(text) for text in texts])
