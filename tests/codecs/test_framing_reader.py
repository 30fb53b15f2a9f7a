"""`/v1` answers pass byte for byte, up to the last whole event, and end honestly."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs import framing_reader
from gateway.codecs.events import End, Event, Failure, Finish, Raw, Usage
from gateway.codecs.framing_reader import FramingReader
from gateway.errors import TranslationError, UpstreamConnectionError, UpstreamStatusError
from tests.codecs.streams import chunk, failure, read, said, sse

ROLE = chunk({"role": "assistant", "content": ""})
USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
WHOLE = sse(ROLE, said("Hel"), said("lo"), chunk(finish="stop"), USAGE)


def passed(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Raw))


def test_a_stream_passes_unchanged_and_its_end_is_understood() -> None:
    events = read(FramingReader(), WHOLE)
    assert passed(events) == WHOLE
    assert events[-2:] == [Usage(3, 2), Finish("stop")]


def test_the_usage_chunk_nobody_asked_for_is_taken_out() -> None:
    events = read(FramingReader(hide_usage=True), WHOLE)
    assert passed(events) == sse(ROLE, said("Hel"), said("lo"), chunk(finish="stop"))
    assert Usage(3, 2) in events


def test_usage_beside_choices_stays_even_when_not_asked_for() -> None:
    stream = sse(chunk({"content": "x"}, "stop", usage={"prompt_tokens": 1}))
    events = read(FramingReader(hide_usage=True), stream)
    assert passed(events) == stream
    assert Usage(1, None) in events


def test_empty_events_pass() -> None:
    stream = sse(b"", said("a"), b"", chunk(finish="stop"))
    assert passed(read(FramingReader(), stream)) == stream


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_other_line_ends_pass_as_they_are(end: bytes) -> None:
    stream = WHOLE.replace(b"\n", end)
    assert passed(read(FramingReader(), stream)) == stream
    assert passed(read(FramingReader(), [stream[i : i + 1] for i in range(len(stream))])) == stream


def test_the_unfinished_event_is_held_back() -> None:
    reader = FramingReader()
    events = reader.feed(sse(said("a"), done=False) + b'data: {"cho', 0)
    assert passed(events) == sse(said("a"), done=False)


def test_only_output_counts_as_content_at_the_beginning() -> None:
    reader = FramingReader()
    assert reader.feed(b": ping\n\n" + sse(ROLE, done=False), 0) == [Raw(b": ping\n\n" + sse(ROLE, done=False), False)]
    assert reader.progress == 0
    assert [event.content for event in reader.feed(sse(said("a"), done=False), 0) if isinstance(event, Raw)] == [True]
    assert reader.progress == 1


@pytest.mark.parametrize(
    "delta", [{"reasoning_content": "x"}, {"reasoning": "x"}, {"tool_calls": [{}]}, {"refusal": "x"}]
)
def test_all_kinds_of_output_count_as_content(delta: dict[str, Any]) -> None:
    reader = FramingReader()
    reader.feed(sse(chunk(delta), done=False), 0)
    assert reader.progress == 1


def test_comments_are_no_progress() -> None:
    reader = FramingReader()
    reader.feed(sse(said("a"), done=False), 0)
    reader.feed(b": keep-alive\n\n", 0)
    assert reader.progress == 1
    reader.feed(sse(said("b"), done=False), 0)
    assert reader.progress == 2


def test_an_error_event_is_a_failure_and_does_not_pass() -> None:
    stream = sse(said("a"), {"error": {"message": "broke", "code": "500"}}, done=False)
    events = read(FramingReader(), stream)
    assert passed(events) == sse(said("a"), done=False)
    error = failure(events)
    assert isinstance(error, UpstreamStatusError)
    assert (error.status, error.message) == (500, "broke")


def test_text_that_mentions_an_error_or_done_passes() -> None:
    stream = sse(said("x"), said('{"error": 1} [DONE] "finish_reason":"'), chunk(finish="stop"))
    events = read(FramingReader(), stream)
    assert passed(events) == stream
    assert events[-1] == Finish("stop")


def test_a_broken_event_with_a_mark_is_a_failure_after_what_was_good() -> None:
    stream = sse(said("a"), b'{"usage": {"x', done=False)
    events = read(FramingReader(), stream)
    assert passed(events) == sse(said("a"), done=False)
    assert isinstance(failure(events), TranslationError)


def test_a_forgotten_done_is_added_after_a_finish_reason() -> None:
    stream = sse(said("a"), chunk(finish="length"), done=False)
    events = read(FramingReader(), stream)
    assert passed(events) == stream + b"data: [DONE]\n\n"
    assert events[-1] == Finish("length")


def test_a_finish_reason_in_an_unusual_spelling_still_ends_the_stream() -> None:
    odd = b'data: {"choices" : [{"delta" : {}, "finish_reason" :\t"length"}]}\n\n'
    assert read(FramingReader(), sse(said("a"), done=False) + odd)[-1] == Finish("length")


def test_marks_that_share_an_event_are_looked_at_once() -> None:
    both = chunk({"content": "b"}, "stop", usage={"prompt_tokens": 1}, error=None)
    stream = sse(said("a"), said("c"), both)
    events = read(FramingReader(), stream)
    assert passed(events) == stream
    assert events[-2:] == [Usage(1, None), Finish("stop")]


def test_a_last_event_without_its_blank_line_passes_with_one() -> None:
    stream = sse(said("a"), done=False) + b"data: " + json.dumps(chunk(finish="stop")).encode()
    assert passed(read(FramingReader(), stream)) == stream + b"\n\ndata: [DONE]\n\n"


@pytest.mark.parametrize("rest", [b"d", b"data", b"data:", b"data: ", b"event", b": pi", b"id: 1\nda", b'data: {"cho'])
def test_the_beginning_of_an_event_does_not_pass_when_the_body_ends_with_it(rest: bytes) -> None:
    begun = sse(said("a"), done=False)
    for end in (End.CLEAN, End.CUT):
        events = read(FramingReader(), begun + rest, end)
        assert isinstance(failure(events), UpstreamConnectionError)
        assert passed(events) == begun


def test_a_last_event_passes_without_the_line_that_was_cut() -> None:
    stream = b"id: 1\ndata: " + json.dumps(chunk({"content": "a"}, "stop")).encode()
    assert passed(read(FramingReader(), stream + b"\nda")) == stream + b"\n\ndata: [DONE]\n\n"


def test_nothing_passes_after_done() -> None:
    assert passed(read(FramingReader(), WHOLE + sse(said("late")))) == WHOLE


@pytest.mark.parametrize("end", [End.CLEAN, End.CUT])
def test_a_stream_without_an_end_is_cut(end: End) -> None:
    events = read(FramingReader(), sse(said("a"), done=False), end)
    assert isinstance(failure(events), UpstreamConnectionError)
    assert b"[DONE]" not in passed(events)


def test_done_without_an_answer_is_a_failure() -> None:
    assert isinstance(failure(read(FramingReader(), sse())), TranslationError)


def test_a_cancelled_stream_says_nothing_more() -> None:
    assert read(FramingReader(), sse(said("a"), done=False), End.CANCELLED) == [Raw(sse(said("a"), done=False))]


def test_a_plain_answer_passes_unchanged() -> None:
    body = b' {"choices": [{"finish_reason": "tool_calls", "message": {}}], "n": 1.0, "usage": {"prompt_tokens": 4}}\n'
    reader = FramingReader()
    assert read(reader, [body[:9], body[9:]]) == [Raw(body), Usage(4, None), Finish("tool_calls")]
    assert reader.plain


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"", "empty"), (b"<html>", "HTML"), (b"{", "broken JSON"), (b"[]", "not an object"), (b'{"error":"no"}', "no")],
)
def test_a_plain_answer_that_is_none_is_a_failure(body: bytes, message: str) -> None:
    assert message in failure(read(FramingReader(), body)).message


def test_a_plain_answer_that_was_cut_is_a_failure() -> None:
    assert isinstance(failure(read(FramingReader(), b'{"choices":', End.CUT)), UpstreamConnectionError)


def test_huge_events_and_bodies_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing_reader, "MAX_EVENT_BYTES", 100)
    monkeypatch.setattr(framing_reader, "MAX_BODY_BYTES", 100)
    assert "too large" in failure(read(FramingReader(), b"data: " + b"x" * 200)).message
    assert "too large" in failure(read(FramingReader(), b"{" + b"x" * 200)).message


@settings(max_examples=150)
@given(
    cuts=st.lists(st.integers(0, 2000), max_size=12),
    end=st.sampled_from([b"\n", b"\r\n"]),
    hide=st.booleans(),
    finished=st.booleans(),
)
def test_any_cut_passes_the_same_bytes(cuts: list[int], end: bytes, hide: bool, finished: bool) -> None:
    stream = (WHOLE if finished else sse(ROLE, said("a"), said("b"), done=False)).replace(b"\n", end)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    parts = [stream[a:b] for a, b in pairwise(places)]
    whole, pieces = read(FramingReader(hide_usage=hide), stream), read(FramingReader(hide_usage=hide), parts)
    assert passed(pieces) == passed(whole)
    assert type(pieces[-1]) is type(whole[-1])


@settings(max_examples=150)
@given(data=st.lists(st.binary(max_size=40), max_size=6), end=st.sampled_from(list(End)))
def test_a_reader_never_raises_and_ends_once(data: list[bytes], end: End) -> None:
    events = read(FramingReader(), data, end)
    assert len([event for event in events if isinstance(event, Failure | Finish)]) <= 1
