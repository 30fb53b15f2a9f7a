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
from gateway.codecs.events import End, Event, Failure, Finish, Raw, Text, Texts
from gateway.codecs.events import said as said_text
from gateway.codecs.framing_reader import FramingReader
from gateway.codecs.ollama_writer import CHAT, GENERATE, Clocks, JsonBody, NdjsonWriter, Shape
from gateway.codecs.repetition import LEAST_BYTES, Repetition
from gateway.codecs.tolerance import read_chunk
from gateway.schemas.chunks import Chunk

ID = "chatcmpl-" + "x" * 400
"""So long that a few events are a burst."""


def event(delta: dict[str, object], finish: str | None = None, model: str = "m", **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return said({"id": ID, "object": "chat.completion.chunk", "model": model, "choices": [choice], **more})


def said(chunk: object, **style: bool) -> bytes:
    return b"data: " + json.dumps(chunk, separators=(",", ":"), **style).encode() + b"\n\n"  # type: ignore[arg-type]


def piece(text: str) -> bytes:
    return event({"content": text})


def raw_piece(text: bytes) -> bytes:
    """Return a piece whose text is not encoded, however broken that makes it."""
    before, after = piece("\x00").split(b"\\u0000")
    return before + text + after


LOGPROBS = {"content": [{"token": "a", "logprob": -1.0}]}
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
        piece("same length").replace(b'"index":0', b'"index":1'),
        said({"id": ID, "model": "m", "choices": [{"delta": {}, "logprobs": LOGPROBS}]}),
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
UNNAMED = said({"id": ID, "choices": [{"index": 0, "delta": {"content": "a"}}]})
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
@given(STARTS, STREAMS, ENDS, st.none() | st.lists(st.integers(0, 20000), max_size=3))
@example([], USUAL, [], [])
@example([], USUAL, [], None)
@example([ROLE, piece("<think>")], [piece("so")] * 9 + [piece("</think>")] + [piece("Yes")] * 9, [FINISH, DONE], [])
@example([ROLE, piece("a"), raw_piece(rb"\ud83d")], [piece("b")] * 9, [FINISH, DONE], [])
@example([ROLE, piece("a"), said({"choices": [{"delta": {}, "logprobs": LOGPROBS}]})], [piece("b")] * 9, [DONE], [])
@example([UNNAMED] * 3, [event({"content": "b"}, model="other")] * 9, [FINISH, DONE], [])
def test_a_burst_says_what_its_events_say(
    make: Callable[[], BackendReader],
    start: list[bytes],
    middle: list[bytes],
    end: list[bytes],
    places: list[int] | None,
) -> None:
    """`places`: where the stream is cut; None: each event comes by itself."""
    events = [*start, *middle, *end]
    reads = events if places is None else cut(b"".join(events), places)
    together = outcome(make(), reads)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repetition, "LEAST_BYTES", 1 << 40)
        patch.setattr(answer_reader, "LEAST_BYTES", 1 << 40)
        patch.setattr(Repetition, "text", lambda _self, _data: "")
        assert together == outcome(make(), reads)


def test_what_is_alike_is_found_between_what_is_not() -> None:
    block = b"".join(USUAL)
    run = Repetition().find(block, 0)
    assert run is not None
    assert run.texts == ["Hello", " world", "\n", "é", "日本", '"quoted"', "back\\slash", "😀"]
    assert block[: run.start] == ROLE
    assert block[run.stop :] == FINISH + USAGE + DONE


PIECES_ALIKE = b"".join(piece(f"word {number}") for number in range(9))


def test_a_run_begins_where_an_event_begins() -> None:
    assert Repetition().find(PIECES_ALIKE, 0) is not None
    assert Repetition().find(b"data: {\n" + PIECES_ALIKE, 0) is None


def test_events_that_differ_in_a_byte_besides_are_not_alike() -> None:
    other = piece("second").replace(b'"index":0', b'"index":1')
    assert Repetition().find(PIECES_ALIKE + other + PIECES_ALIKE, 0) is None


def test_a_carriage_return_ends_a_line() -> None:
    """Within JSON it is blank, but an event has only lines that begin with `data:`."""
    broken = PIECES_ALIKE.replace(b',"object"', b',\r"object"')
    assert Repetition().find(broken, 0) is None
    alike = Repetition()
    alike.note(piece("x").replace(b',"object"', b',\r"object"'))
    assert alike.text(piece("x").replace(b',"object"', b',\r"object"')) == ""


def settled() -> ChatReader:
    reader = ChatReader(asked="m")
    reader.feed(ROLE + piece("a") + piece("b") + piece("c"), 0)
    return reader


@pytest.mark.parametrize("make", [settled, FramingReader], ids=["chat", "framing"])
@pytest.mark.parametrize("last", [said({"error": {"message": "broke"}}), DONE], ids=["error", "done"])
def test_nothing_follows_what_ends_an_answer(make: Callable[[], BackendReader], last: bytes) -> None:
    reader = make()
    reader.feed(PIECES_ALIKE, 0)
    events = reader.feed(last + PIECES_ALIKE, 0)
    assert isinstance(events[-1], Failure | Finish)
    assert not any(isinstance(one, Texts) for one in events)
    assert all(PIECES_ALIKE not in one.data for one in events if isinstance(one, Raw))


def test_half_a_character_before_a_run_is_joined_with_it() -> None:
    events = settled().feed(raw_piece(rb"\ud83d") + PIECES_ALIKE, 0)
    assert not any(isinstance(one, Texts) for one in events)
    assert "".join(map(said_text, events)).startswith("\ufffdword 0word 1")


def test_a_burst_may_go_on_with_an_event_that_began_before() -> None:
    reader = settled()
    assert reader.feed(b"data: {\n", 0) == []
    (failure,) = reader.feed(PIECES_ALIKE, 0)
    assert isinstance(failure, Failure)


@pytest.mark.parametrize("make", [settled, FramingReader], ids=["chat", "framing"])
def test_how_far_an_answer_is_counts_each_piece(make: Callable[[], BackendReader]) -> None:
    reader = make()
    reader.feed(PIECES_ALIKE, 0)
    before = reader.progress
    reader.feed(PIECES_ALIKE, 0)
    assert reader.progress == before + 9
    reader.feed(piece("one"), 0)
    assert reader.progress == before + 10


def test_what_events_say_is_their_text() -> None:
    assert [said_text(one) for one in (Text("a"), Texts(["b", "c"]), Raw(b"d"))] == ["a", "bc", ""]


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


@pytest.mark.parametrize("at", [1, 300, len(PIECES_ALIKE) - 1, len(PIECES_ALIKE) - 2])
def test_an_event_that_a_read_cuts_does_not_keep_those_behind_it_apart(at: int) -> None:
    reader = settled()
    events = reader.feed(PIECES_ALIKE[:at], 0) + reader.feed(PIECES_ALIKE[at:] + PIECES_ALIKE, 0)
    assert "".join(map(said_text, events)) == "".join(f"word {number}" for number in range(9)) * 2
    assert sum(len(one.texts) for one in events if isinstance(one, Texts)) >= 9


def test_live_tokens_are_read_by_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or nothing here is tested. The form changes once, as it does where `created` is the time of the chunk."""
    for reader in (ChatReader(asked="m"), FramingReader()):
        found: list[str] = []
        text = Repetition.text

        def watched(self: Repetition, data: bytes, text: Callable[..., str] = text, found: list[str] = found) -> str:
            found.append(text(self, data))
            return found[-1]

        monkeypatch.setattr(Repetition, "text", watched)
        for created in (1, 2):
            for number in range(10):
                reader.feed(event({"content": f"{number}"}, created=created), 0)
        assert found[-20:].count("") <= 4
        assert found[-1] == "9"
        monkeypatch.setattr(Repetition, "text", text)


@pytest.mark.parametrize("odd", [b'x"', b'x","y', b"tab\t", b"\xff", rb"\ud83d", b"two\nlines", b"cr\r", b""])
def test_a_live_token_that_is_odd_is_left_to_the_decoder(odd: bytes) -> None:
    alike = Repetition()
    alike.note(piece("example"))
    assert alike.text(piece("other")) == "other"
    assert alike.text(raw_piece(odd)) == ""
    assert alike.text(piece("other") * 2) == ""
    assert alike.text(piece("other")[:-1]) == ""
    assert alike.text(b": comment\n\n" + piece("other")) == ""


@pytest.mark.parametrize(
    "odd", [piece("x") * 2, piece("x")[:-1], b": c\n" + piece("x"), piece("x").replace(b"\n", b"\r")]
)
def test_what_is_not_one_event_is_no_example(odd: bytes) -> None:
    alike = Repetition()
    alike.note(odd)
    assert alike.text(piece("x")) == ""


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
