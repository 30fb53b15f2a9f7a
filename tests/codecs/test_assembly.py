"""A stream becomes one object, and one object a stream, without losing anything that was said."""

import json
from typing import Any

import pytest

from gateway.codecs.assembly import as_stream
from gateway.codecs.events import End, Finish, Raw, Usage
from gateway.codecs.framing_reader import FramingReader
from gateway.errors import TranslationError, UpstreamConnectionError, UpstreamStatusError
from tests.codecs.streams import chunk, failure, read, said, sse

COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def assembled(*payloads: Any) -> dict[str, Any]:
    """Return the object that a client who asked plainly gets for a stream."""
    events = read(FramingReader(whole=True, hide_usage=True), sse(*payloads))
    [raw] = [event for event in events if isinstance(event, Raw)]
    answer: dict[str, Any] = json.loads(raw.data)
    return answer


def message(*payloads: Any) -> dict[str, Any]:
    """Return the message of the only choice of an assembled answer."""
    [choice] = assembled(*payloads, chunk(finish="stop"))["choices"]
    return dict(choice["message"])


def streamed(answer: dict[str, Any], *, with_usage: bool = True) -> list[dict[str, Any]]:
    """Return the chunks that a client who asked for a stream gets for a plain answer; `[DONE]` ends them."""
    *events, done, rest = as_stream(json.dumps(answer).encode(), with_usage=with_usage).split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def test_texts_are_joined_and_the_rest_of_the_chunks_is_kept() -> None:
    first = {**said("a"), "created": 1, "model": "m", "system_fingerprint": "f"}
    second = {**said("b"), "id": "d", "created": 2, "model": "m"}
    answer = assembled(first, second, chunk(finish="length"), {"id": "e", "choices": [], "usage": COUNTS})
    assert answer == {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "system_fingerprint": "f",
        "choices": [
            {
                "index": 0,
                "logprobs": None,
                "finish_reason": "length",
                "message": {"role": "assistant", "content": "ab"},
            }
        ],
        "usage": COUNTS,
    }


def test_the_object_comes_at_the_end_with_the_counts_and_the_finish() -> None:
    reader = FramingReader(whole=True)
    assert reader.feed(sse(said("a"), chunk(finish="length"), {"choices": [], "usage": COUNTS}, done=False), 0) == []
    assert reader.plain
    assert reader.progress
    [raw, counts, finish] = reader.finish(End.CLEAN, 0)
    assert isinstance(raw, Raw)
    assert (counts, finish) == (Usage(3, 2), Finish("length"))


def test_reasoning_refusals_and_lists_are_joined_each_for_itself() -> None:
    pieces = [
        chunk({"role": "assistant", "reasoning_content": "x", "annotations": [1]}),
        chunk({"role": "assistant", "reasoning_content": "y", "annotations": [2]}),
        chunk({"refusal": "n", "content": None}),
        chunk({"refusal": "o", "annotations": None}),
    ]
    assert message(*pieces) == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "xy",
        "refusal": "no",
        "annotations": [1, 2],
    }


def test_the_pieces_of_tool_calls_are_joined_and_their_arguments_stay_as_they_came() -> None:
    def call(index: int, call_id: str | None = None, **function: Any) -> dict[str, Any]:
        return chunk({"tool_calls": [{"index": index, "id": call_id, "function": function or None}]})

    pieces = [
        call(0, "a", name="f"),
        call(0),
        call(0, arguments='{"x":'),
        call(1, "b", name="g"),
        call(0, arguments=" 1"),
    ]
    assert message(*pieces)["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
    ]


def test_each_choice_is_put_together_for_itself() -> None:
    pieces = [
        {"choices": [{"index": index, "delta": {"content": text}}]} for index, text in ((1, "b"), (0, "a"), (1, "B"))
    ]
    answer = assembled(*pieces, {"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]})
    told = [(choice["index"], choice["message"]["content"], choice["finish_reason"]) for choice in answer["choices"]]
    assert told == [(0, "a", "stop"), (1, "bB", "length")]


def test_logprobs_are_joined() -> None:
    def one(token: str) -> dict[str, Any]:
        logprobs = {"content": [{"token": token}], "refusal": None}
        return {"choices": [{"index": 0, "delta": {"content": token}, "logprobs": logprobs}]}

    [choice] = assembled(one("a"), one("b"), chunk(finish="stop", logprobs=None))["choices"]
    assert choice["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}], "refusal": None}


def test_a_text_completion_stays_one() -> None:
    answer = assembled(
        {"object": "text_completion", "choices": [{"index": 0, "text": "a"}]},
        {"object": "text_completion", "choices": [{"index": 0, "text": "b", "finish_reason": "stop"}]},
    )
    assert answer["object"] == "text_completion"
    assert answer["choices"] == [{"index": 0, "text": "ab", "finish_reason": "stop", "logprobs": None}]


def test_halves_of_characters_are_joined_or_replaced() -> None:
    assert message(said("\ud83d"), said("\ude00 \ud83d"), said("!"))["content"] == "\U0001f600 \ufffd!"


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (sse(said("a"), done=False), UpstreamConnectionError),
        (sse(), TranslationError),
        (sse(said("a"), {"error": {"message": "no", "code": 500}}), UpstreamStatusError),
        (sse(said("a"), b"{broken"), TranslationError),
    ],
    ids=["cut", "empty", "error", "broken"],
)
def test_a_stream_that_breaks_becomes_no_object(stream: bytes, error: type[Exception]) -> None:
    events = read(FramingReader(whole=True), stream)
    assert isinstance(failure(events), error)
    assert len(events) == 1


def test_a_plain_answer_to_a_plain_question_passes_as_it_came() -> None:
    body = b' {"choices": [ {"message": {"content": "a"}} ] }\n'
    reader = FramingReader(whole=True)
    assert read(reader, body) == [Raw(body), Finish("stop")]
    assert reader.plain


def test_a_stream_in_answer_to_a_question_for_one_passes_as_it_came() -> None:
    stream = sse(said("a"), chunk(finish="stop"))
    reader = FramingReader(whole=False)
    assert b"".join(event.data for event in read(reader, stream) if isinstance(event, Raw)) == stream
    assert not reader.plain


ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "ab", "reasoning_content": "x"},
            "logprobs": {"content": [{"token": "ab"}]},
            "finish_reason": "length",
        }
    ],
    "usage": COUNTS,
}


def test_a_plain_answer_is_streamed_as_what_it_says_and_its_finish_and_its_usage() -> None:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    delta = {"role": "assistant", "content": "ab", "reasoning_content": "x"}
    assert streamed(ANSWER) == [
        {
            **base,
            "choices": [
                {"index": 0, "delta": delta, "logprobs": {"content": [{"token": "ab"}]}, "finish_reason": None}
            ],
        },
        {**base, "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"}]},
        {**base, "choices": [], "usage": COUNTS},
    ]


def test_usage_that_was_not_asked_for_is_not_streamed() -> None:
    assert len(streamed(ANSWER, with_usage=False)) == 2
    assert all("usage" not in one for one in streamed(ANSWER, with_usage=False))


def test_streamed_tool_calls_are_numbered() -> None:
    calls = [{"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in "ab"]
    [first, *_] = streamed({"choices": [{"message": {"content": None, "tool_calls": calls}}]})
    assert first["choices"][0]["delta"]["tool_calls"] == [{"index": n, **call} for n, call in enumerate(calls)]


def test_a_plain_text_completion_is_streamed_as_one() -> None:
    chunks = streamed({"object": "text_completion", "choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]})
    told = [(one["object"], one["choices"][0]["text"], one["choices"][0]["finish_reason"]) for one in chunks]
    assert told == [("text_completion", "a", None), ("text_completion", "", "stop")]


def test_a_plain_answer_without_choices_becomes_no_stream() -> None:
    error = failure(read(FramingReader(whole=False), b'{"choices": [], "usage": {}}'))
    assert isinstance(error, TranslationError)


def test_the_stream_made_of_a_plain_answer_is_read_back_as_that_answer() -> None:
    stream = as_stream(json.dumps(ANSWER).encode(), with_usage=True)
    [raw] = [event for event in read(FramingReader(whole=True), stream) if isinstance(event, Raw)]
    assert json.loads(raw.data) == ANSWER
