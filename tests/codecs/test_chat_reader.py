"""Any OpenAI-compatible chat answer becomes the same few events."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs import answer_reader
from gateway.codecs.chat_reader import ChatReader
from gateway.codecs.events import End, Failure, Finish, Text, Thinking, ToolCall, Usage
from gateway.errors import TranslationError, UpstreamConnectionError, UpstreamStatusError
from tests.codecs.streams import chunk, failure, merged, read, said, sse


def test_a_usual_stream_becomes_text_usage_and_finish() -> None:
    events = read(
        ChatReader(),
        sse(
            chunk({"role": "assistant", "content": ""}),
            said("Hel"),
            said("lo"),
            chunk(finish="stop"),
            {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
        ),
    )
    assert events == [Text("Hel"), Text("lo"), Usage(3, 2), Finish("stop")]


def test_a_plain_answer_becomes_the_same_events() -> None:
    answer = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    assert read(ChatReader(), json.dumps(answer).encode()) == [Text("Hello"), Usage(3, 2), Finish("length")]


def test_a_text_completion_is_read_too() -> None:
    events = read(
        ChatReader(), sse({"choices": [{"index": 0, "text": "abc", "finish_reason": None}]}, chunk(finish="stop"))
    )
    assert merged(events)["text"] == "abc"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_thinking_under_both_its_names(field: str) -> None:
    stream = sse(chunk({field: "hm"}), said("yes"), chunk(finish="stop"))
    assert read(ChatReader(), stream)[:2] == [Thinking("hm"), Text("yes")]
    assert read(ChatReader(show_thinking=False), stream)[0] == Text("yes")


def test_thinking_and_content_of_one_chunk_are_two_events() -> None:
    events = read(ChatReader(), sse(chunk({"reasoning_content": "hm", "content": "yes"}), chunk(finish="stop")))
    assert events[:2] == [Thinking("hm"), Text("yes")]


def test_content_as_a_list_of_parts_is_read() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "yes"},
        "!",
        7,
    ]
    events = read(ChatReader(), sse(chunk({"content": parts}), chunk(finish="stop")))
    assert events[:3] == [Thinking("hm"), Text("yes"), Text("!")]


def test_a_refusal_is_shown_as_text() -> None:
    events = read(ChatReader(), sse(chunk({"refusal": "I will not."}), chunk(finish="stop")))
    assert merged(events)["text"] == "I will not."


def test_text_beside_the_finish_reason_is_kept() -> None:
    assert merged(read(ChatReader(), sse(chunk({"content": "all"}, "stop")))) == {
        "text": "all",
        "thinking": "",
        "calls": [],
        "usage": None,
        "finish": "stop",
        "failure": None,
    }


def test_logprobs_travel_with_their_text() -> None:
    entry = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    one = chunk({"content": "a"})
    one["choices"][0]["logprobs"] = {"content": [entry]}
    assert read(ChatReader(), sse(one, chunk(finish="stop")))[0] == Text("a", (entry,))


def test_other_choices_than_the_first_are_left_out() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "no"}}]}
    assert merged(read(ChatReader(), sse(said("yes"), other, chunk(finish="stop"))))["text"] == "yes"


def test_timings_give_durations_and_counts_where_usage_is_absent() -> None:
    timings = {"cache_n": 10, "prompt_n": 5, "prompt_ms": 2.5, "predicted_n": 7, "predicted_ms": 70.0}
    events = read(ChatReader(), sse(said("x"), chunk(finish="stop", timings=timings)))
    assert merged(events)["usage"] == Usage(15, 7, 2_500_000, 70_000_000)


def test_the_last_usage_counts() -> None:
    counted = [chunk({"content": "x"}, usage={"prompt_tokens": 1, "completion_tokens": n}) for n in (1, 2)]
    assert merged(read(ChatReader(), sse(*counted, chunk(finish="stop"))))["usage"] == Usage(1, 2)


def call(index: int | None, call_id: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    function = None if name is None and arguments is None else {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        pytest.param(
            [call(0, "a", "f", ""), call(0, None, None, '{"x":'), call(0, None, None, "1}")],
            [("a", "f", {"x": 1})],
            id="arguments in pieces",
        ),
        pytest.param(
            [call(0, "a", "f", "{}"), call(1, "b", "g", '{"y":2}')],
            [("a", "f", {}), ("b", "g", {"y": 2})],
            id="two calls",
        ),
        pytest.param(
            [call(0, "a", "f", "{}"), call(0, "b", "g", "{}")],
            [("a", "f", {}), ("b", "g", {})],
            id="two calls under one index, told apart by id",
        ),
        pytest.param(
            [call(None, "a", "f", '{"x"'), call(None, None, None, ":1}")], [("a", "f", {"x": 1})], id="no index at all"
        ),
        pytest.param(
            [call(None, "a", "f", "{}"), call(None, "b", "f", '{"x":1}')],
            [("a", "f", {}), ("b", "f", {"x": 1})],
            id="no index, two ids",
        ),
        pytest.param([call(0, "a", "f", {"x": [1]})], [("a", "f", {"x": [1]})], id="arguments as an object"),
        pytest.param([call(0, "a", "f", '"{\\"x\\":1}"')], [("a", "f", {"x": 1})], id="arguments encoded twice"),
        pytest.param(
            [call(0, "a", "f", None), call(0, None, None, None)], [("a", "f", {})], id="function null between"
        ),
        pytest.param([call(0, "a", "f", "null")], [("a", "f", {})], id="arguments null"),
        pytest.param([call(0, "", "f", "{}"), call(0, "a", None, "")], [("a", "f", {})], id="the id comes late"),
    ],
)
def test_tool_calls_are_put_together(pieces: list[Any], calls: list[Any]) -> None:
    events = read(ChatReader(), sse(*pieces, chunk(finish="tool_calls")))
    found = [(e.id, e.name, json.loads(e.arguments)) for e in events if isinstance(e, ToolCall)]
    assert found == calls
    assert [e.index for e in events if isinstance(e, ToolCall)] == list(range(len(calls)))


def test_a_call_without_an_id_gets_the_same_one_each_time() -> None:
    stream = sse(call(0, None, "f", "{}"), chunk(finish="stop"))
    first, second = (next(e for e in read(ChatReader(), stream) if isinstance(e, ToolCall)) for _ in range(2))
    assert first.id == second.id
    assert first.id.startswith("call_")
    assert len(first.id) == 13


def test_calls_come_with_the_finish_reason_not_after_it() -> None:
    reader = ChatReader()
    events = reader.feed(sse(call(0, "a", "f", "{}"), chunk(finish="tool_calls"), done=False), 0)
    assert [type(event) for event in events] == [ToolCall]


def test_calls_come_without_any_finish_reason_too() -> None:
    assert merged(read(ChatReader(), sse(call(0, "a", "f", "{}"))))["calls"] == [("f", {})]


def test_arguments_that_are_no_object_are_a_failure_that_names_the_tool() -> None:
    error = failure(read(ChatReader(), sse(call(0, "a", "f", "[1]"), chunk(finish="tool_calls"))))
    assert isinstance(error, TranslationError)
    assert "'f'" in error.message


def test_a_call_cut_by_the_length_is_left_out() -> None:
    merge = merged(read(ChatReader(), sse(call(0, "a", "f", '{"x": "lon'), chunk(finish="length"))))
    assert (merge["calls"], merge["finish"], merge["failure"]) == ([], "length", None)


def test_a_surrogate_pair_split_over_two_chunks_becomes_one_character() -> None:
    halves = [b'{"choices":[{"delta":{"content":"a\\ud83d"}}]}', b'{"choices":[{"delta":{"content":"\\ude00b"}}]}']
    assert merged(read(ChatReader(), sse(*halves, chunk(finish="stop"))))["text"] == "a\U0001f600b"


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    lone = b'{"choices":[{"delta":{"content":"a\\ud83d"}}]}'
    assert merged(read(ChatReader(), sse(lone, chunk(finish="stop"))))["text"] == "a\ufffd"


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": []},
        {"choices": "x"},
        {"choices": [7]},
        {"choices": [{"delta": None, "finish_reason": None}]},
        {"choices": [{"delta": {"content": 7, "tool_calls": "x", "reasoning": []}, "index": "0"}]},
        {"choices": [{"delta": {"tool_calls": [7]}}], "usage": 7, "timings": []},
        {"choices": [], "usage": {"prompt_tokens": "7", "completion_tokens": 2.0}},
        {"choices": [{"logprobs": 7, "delta": {}}], "timings": {"prompt_ms": "x"}},
        {"unknown": {"deep": [None]}},
    ],
)
def test_wrong_types_count_as_absent(odd: dict[str, Any]) -> None:
    merge = merged(read(ChatReader(), sse(said("a"), odd, said("b"), chunk(finish="stop"))))
    assert (merge["text"], merge["failure"]) == ("ab", None)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (b'{"choices": [', "the backend sent broken JSON"),
        (b"[1]", "the backend sent JSON that is not an object"),
        (b'{"choices":[{"delta":{"content":NaN}}]}', "the backend sent broken JSON"),
        (b"[" * 100_000, "the backend sent broken JSON"),
    ],
)
def test_a_broken_event_ends_the_answer_and_keeps_what_came_before(broken: bytes, message: str) -> None:
    events = read(ChatReader(), sse(said("good"), broken, said("never")))
    assert events[0] == Text("good")
    assert isinstance(failure(events), TranslationError)
    assert failure(events).message == message
    assert len(events) == 2


def test_an_error_inside_the_stream_is_a_failure_with_its_status() -> None:
    error = failure(read(ChatReader(), sse(said("a"), {"error": {"message": "no room", "code": 429, "type": "t"}})))
    assert isinstance(error, UpstreamStatusError)
    assert (error.status, error.message, error.error_type) == (429, "no room", "t")


def test_nothing_is_read_after_a_failure_or_done() -> None:
    reader = ChatReader()
    reader.feed(sse(b"{", done=False), 0)
    assert reader.ended
    assert reader.feed(sse(said("x")), 0) == []
    assert reader.finish(End.CLEAN, 0) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "empty body"),
        (b" \n ", "empty body"),
        (b"<html>no</html>", "HTML instead of JSON"),
        (b'{"choices": []}', "without any choices"),
        (b"{}", "without any choices"),
        (b'{"choices": [', "broken JSON"),
        (b"[]", "not an object"),
    ],
)
def test_a_plain_answer_that_is_none_is_a_failure(body: bytes, message: str) -> None:
    error = failure(read(ChatReader(), body))
    assert isinstance(error, TranslationError)
    assert message in error.message


def test_an_error_object_in_a_plain_answer_is_a_failure() -> None:
    error = failure(read(ChatReader(), b'{"error": "out of memory"}'))
    assert (error.status, error.message) == (502, "out of memory")


@pytest.mark.parametrize("end", [End.CLEAN, End.CUT])
def test_a_stream_without_any_end_is_cut_however_the_connection_ended(end: End) -> None:
    events = read(ChatReader(), sse(said("half"), done=False), end)
    assert events[0] == Text("half")
    error = failure(events)
    assert isinstance(error, UpstreamConnectionError)
    assert error.phase == "cut"


def test_a_finish_reason_without_done_is_a_whole_answer_even_when_cut() -> None:
    assert merged(read(ChatReader(), sse(said("x"), chunk(finish="stop"), done=False), End.CUT))["finish"] == "stop"


def test_done_without_a_finish_reason_is_a_whole_answer() -> None:
    assert merged(read(ChatReader(), sse(said("x"))))["finish"] == "stop"


def test_done_without_any_answer_is_a_failure() -> None:
    assert isinstance(failure(read(ChatReader(), sse())), TranslationError)


def test_a_plain_body_that_was_cut_is_a_failure() -> None:
    assert isinstance(failure(read(ChatReader(), b'{"choices":', End.CUT)), UpstreamConnectionError)


def test_cancelling_ends_a_finished_answer_and_says_nothing_of_another() -> None:
    assert read(ChatReader(), sse(said("x"), done=False), End.CANCELLED) == [Text("x")]
    finished = read(ChatReader(), sse(said("x"), chunk(finish="stop"), done=False), End.CANCELLED)
    assert finished == [Text("x"), Finish("stop")]


def test_an_event_without_its_blank_line_is_read_at_the_end() -> None:
    stream = sse(said("x"), done=False) + b"data: " + json.dumps(chunk(finish="stop")).encode()
    assert merged(read(ChatReader(), stream))["finish"] == "stop"


def test_huge_events_and_bodies_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.codecs.sse.MAX_EVENT_BYTES", 1000)
    monkeypatch.setattr(answer_reader, "MAX_BODY_BYTES", 1000)
    assert "too large" in failure(read(ChatReader(), b"data: " + b"x" * 2000)).message
    assert "too large" in failure(read(ChatReader(), b"{" + b"x" * 2000)).message


def test_empty_events_are_passed_over() -> None:
    stream = sse(said("a"), b"", b" ", said("b"), chunk(finish="stop"))
    assert merged(read(ChatReader(), stream))["text"] == "ab"


def test_progress_grows_with_output_and_not_with_roles_or_comments() -> None:
    reader = ChatReader()
    reader.feed(b": ping\n\n" + sse(chunk({"role": "assistant", "content": ""}), done=False), 0)
    assert reader.progress == 0
    reader.feed(sse(call(0, "a", "f", "{"), done=False), 0)
    assert reader.progress == 1


PIECES = st.one_of(
    st.text(max_size=6).map(said),
    st.text(max_size=6).map(lambda text: chunk({"reasoning_content": text})),
    st.just(said("<think>")),
    st.just(said("</think>")),
    st.just(chunk({"role": "assistant", "content": None})),
    st.just(call(0, "a", "f", "{}")),
)


@settings(max_examples=150)
@given(pieces=st.lists(PIECES, max_size=8), cuts=st.lists(st.integers(0, 2000), max_size=12), done=st.booleans())
def test_any_cut_of_the_bytes_gives_the_same_answer(pieces: list[Any], cuts: list[int], done: bool) -> None:
    stream = sse(*pieces, chunk(finish="stop"), done=done)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    parts = [stream[a:b] for a, b in pairwise(places)]
    assert merged(read(ChatReader(), parts)) == merged(read(ChatReader(), stream))


@settings(max_examples=150)
@given(data=st.lists(st.binary(max_size=40), max_size=6), end=st.sampled_from(list(End)))
def test_a_reader_never_raises_and_ends_once(data: list[bytes], end: End) -> None:
    events = read(ChatReader(), data, end)
    endings = [event for event in events if isinstance(event, Failure | Finish)]
    assert len(endings) <= 1
    assert not endings or events[-1] is endings[0]
