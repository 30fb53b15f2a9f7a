"""Events in reads of their own, as live tokens come, and bursts of several: what decides is seen in either."""

import json
from typing import Any

import pytest

from gateway.codecs.chat_reader import ChatReader
from gateway.codecs.events import End, Event, Failure, Finish, Raw, Text, Thinking, ToolCall, Usage
from gateway.codecs.framing_reader import FramingReader


def chunk(delta: dict[str, Any] | None = None, *, choice: dict[str, Any] | None = None, **more: Any) -> bytes:
    choices = [{"index": 0, "delta": delta or {}, "finish_reason": None, **(choice or {})}]
    return b"data: %b\n\n" % json.dumps({"choices": choices, **more}).encode()


def text(said: str, **more: Any) -> bytes:
    return chunk({"content": said}, **more)


DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2}


# /v1


def framing(**options: Any) -> FramingReader:
    """A reader that has seen output."""
    reader = FramingReader(**options)
    reader.feed(text("a"), 0)
    return reader


def test_a_piece_passes_as_it_is_and_counts() -> None:
    reader = framing()
    assert reader.feed(text("b"), 0) == [Raw(text("b"))]
    assert reader.progress == 2


def test_nothing_is_output_before_there_is_some() -> None:
    reader = FramingReader()
    first = chunk({"role": "assistant"})
    assert reader.feed(first, 0) == [Raw(first, content=False)]
    assert reader.progress == 0


def test_a_finish_reason_is_seen() -> None:
    reader = framing(hide_usage=True)
    reader.feed(chunk(choice={"finish_reason": "length"}), 0)
    assert reader.finished
    reader.feed(b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n', 0)
    assert reader.finish(End.CLEAN, 0) == [Raw(DONE), Usage(3, 2), Finish("length")]


def test_usage_beside_text_is_seen() -> None:
    reader = framing()
    reader.feed(text("b", usage=USAGE), 0)
    reader.feed(chunk(choice={"finish_reason": "stop"}), 0)
    assert Usage(3, 2) in reader.feed(DONE, 0)


def test_an_error_beside_text_is_a_failure() -> None:
    (failure,) = framing().feed(text("b", error={"message": "no more room"}), 0)
    assert isinstance(failure, Failure)
    assert failure.error.message == "no more room"


def test_a_second_choice_that_ends_is_looked_into() -> None:
    reader = framing()
    two: list[dict[str, Any]] = [
        {"index": at, "delta": {}, "finish_reason": reason} for at, reason in enumerate((None, "stop"))
    ]
    reader.feed(b"data: %b\n\n" % json.dumps({"choices": two}).encode(), 0)
    assert reader.finished


def test_what_becomes_one_object_passes_nothing_meanwhile() -> None:
    reader = framing(whole=True)
    assert reader.feed(text("b"), 0) == []
    reader.feed(chunk(choice={"finish_reason": "stop"}), 0)
    whole = reader.feed(DONE, 0)[0]
    assert isinstance(whole, Raw)
    assert json.loads(whole.data)["choices"][0]["message"]["content"] == "ab"


# /api


def burst(*chunks: bytes, reader: ChatReader | None = None) -> list[Event]:
    """Return the events of several chunks in one read, after a first text in another."""
    reader = reader or ChatReader()
    reader.feed(text("-"), 0)
    return reader.feed(b"".join(chunks), 0)


def test_texts_of_a_burst_are_events_of_their_own() -> None:
    assert burst(text("a"), text("b")) == [Text("a"), Text("b")]


def test_half_a_character_before_a_burst_comes_before_it() -> None:
    reader = ChatReader()
    reader.feed(text("-"), 0)
    assert reader.feed(text("\ud83d"), 0) == []
    assert reader.feed(text("a") + text("b"), 0) == [Text("\ufffda"), Text("b")]


def test_characters_beyond_ascii_are_read_in_a_burst() -> None:
    assert burst(text("é"), text("b")) == [Text("é"), Text("b")]


def test_logprobs_of_an_empty_piece_go_with_the_next() -> None:
    entry = {"token": "a", "logprob": -0.5}
    alone = chunk({"content": ""}, choice={"logprobs": {"content": [entry]}})
    beside = chunk({"content": "c"}, choice={"logprobs": {"content": [entry]}})
    assert burst(alone, text("b"), beside) == [Text("b", (entry,)), Text("c", (entry,))]


@pytest.mark.parametrize(
    ("odd", "event"),
    [
        ({"content": "b", "reasoning_content": "t"}, Thinking("t")),
        ({"content": "b", "reasoning": "t"}, Thinking("t")),
    ],
)
def test_thinking_beside_text_is_not_lost(odd: dict[str, Any], event: Event) -> None:
    assert burst(text("a"), chunk(odd)) == [Text("a"), event, Text("b")]


def test_a_call_beside_text_is_not_lost() -> None:
    call = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}
    found = burst(
        chunk({"content": "b", "tool_calls": [call]}), text("c"), chunk(choice={"finish_reason": "tool_calls"}), DONE
    )
    assert [event for event in found if isinstance(event, ToolCall)] == [ToolCall("c1", "f", "{}")]


def test_counts_beside_text_are_not_lost() -> None:
    timings = {"prompt_n": 3, "predicted_n": 2, "prompt_ms": 1.0, "predicted_ms": 2.0}
    end = chunk(choice={"finish_reason": "stop"})
    assert Usage(3, 2) in burst(text("a"), text("b", usage=USAGE), end, DONE)
    assert Usage(3, 2, 1_000_000, 2_000_000) in burst(text("a"), text("b", timings=timings), end, DONE)


def test_a_finish_reason_beside_text_is_not_lost() -> None:
    reader = ChatReader()
    assert burst(text("a"), text("b", choice={"finish_reason": "length"}), reader=reader) == [Text("a"), Text("b")]
    assert reader.finished


def test_other_choices_are_left_out_of_a_burst() -> None:
    assert burst(text("a"), text("b", choice={"index": 1})) == [Text("a")]


def test_an_error_beside_text_ends_a_burst() -> None:
    found = burst(text("a"), text("b", error={"message": "no more room"}))
    assert found[0] == Text("a")
    assert isinstance(found[-1], Failure)
