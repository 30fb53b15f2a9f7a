"""Events become Ollama's lines and bodies, as the clients that read them need it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.context import Conversation, unpack_context
from gateway.codecs.events import Event, Failure, Finish, Text, Thinking, ToolCall, Usage
from gateway.codecs.ollama_writer import CHAT, GENERATE, Clocks, JsonBody, NdjsonWriter, Shape, load_reply
from gateway.errors import TranslationError

WALL_NS = 1_767_225_600_123_456_789
CREATED = "2026-01-01T00:00:00.123456Z"
CALL = ToolCall("call_1", "f", '{"x":1}', 0)


def clocks() -> Clocks:
    return Clocks(started_ns=100, asked_ns=105, first_ns=125, ended_ns=225)


def lines(shape: Shape, *events: Event, sse: bool = False) -> list[dict[str, Any]]:
    written = NdjsonWriter(shape, "m", clocks(), sse=sse).write(list(events), WALL_NS)
    return [json.loads(line) for line in written.splitlines()]


def test_a_chat_stream_is_lines_that_end_with_one_done_line() -> None:
    assert lines(CHAT, Text("Hi"), Usage(3, 2), Finish("stop")) == [
        {"model": "m", "created_at": CREATED, "message": {"role": "assistant", "content": "Hi"}, "done": False},
        {
            "model": "m",
            "created_at": CREATED,
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "total_duration": 125,
            "load_duration": 5,
            "prompt_eval_count": 3,
            "prompt_eval_duration": 20,
            "eval_count": 2,
            "eval_duration": 100,
        },
    ]


def test_a_generate_stream_has_a_response_in_every_line() -> None:
    first, second, last = lines(GENERATE, Thinking("hm"), Text("Hi"), Finish("length"))
    assert (first["response"], first["thinking"]) == ("", "hm")
    assert (second["response"], second["done"]) == ("Hi", False)
    assert (last["response"], last["done"], last["done_reason"]) == ("", True, "length")


def test_content_is_a_string_beside_thinking_and_tool_calls() -> None:
    thinking, called, _ = lines(CHAT, Thinking("hm"), CALL, Finish("tool_calls"))
    assert thinking["message"] == {"role": "assistant", "content": "", "thinking": "hm"}
    assert called["message"] == {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}}],
    }


@pytest.mark.parametrize(
    ("finish_reason", "done_reason"),
    [("stop", "stop"), ("tool_calls", "stop"), ("content_filter", "stop"), ("length", "length")],
)
def test_every_finish_reason_but_length_is_stop(finish_reason: str, done_reason: str) -> None:
    assert lines(CHAT, Finish(finish_reason))[0]["done_reason"] == done_reason


def test_what_the_backend_did_not_count_is_left_out() -> None:
    done = lines(CHAT, Usage(None, 0), Finish("stop"))[0]
    assert "prompt_eval_count" not in done
    assert "eval_count" not in done


def test_the_backends_own_durations_win() -> None:
    done = lines(CHAT, Usage(1, 1, 7, 9), Finish("stop"))[0]
    assert (done["prompt_eval_duration"], done["eval_duration"]) == (7, 9)


@pytest.mark.parametrize(
    "odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\n", "é", "🙂", '"', "\\"]
)
def test_a_line_is_ascii_and_one_line_whatever_the_text(odd: str) -> None:
    written = NdjsonWriter(CHAT, f"m{odd}", clocks()).write([Text(odd), Thinking(odd)], WALL_NS)
    assert written.isascii()
    assert written.endswith(b"\n")
    first, second = (json.loads(line) for line in written.decode().splitlines())
    assert (first["message"]["content"], second["message"]["thinking"], first["model"]) == (odd, odd, f"m{odd}")


def test_a_batch_without_output_writes_nothing() -> None:
    assert NdjsonWriter(CHAT, "m", clocks()).write([Usage(1, 1)], WALL_NS) == b""


def test_logprobs_stand_in_the_line_of_their_text() -> None:
    entry = {
        "token": "a",
        "logprob": -0.5,
        "bytes": [97],
        "top_logprobs": [{"token": "b", "logprob": -1.0, "bytes": None}],
    }
    line = lines(CHAT, Text("a", (entry,)))[0]
    assert line["logprobs"] == [
        {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1.0}]}
    ]


def test_server_sent_events_carry_the_same_objects() -> None:
    writer = NdjsonWriter(CHAT, "m", clocks(), sse=True)
    written = writer.write([Text("Hi"), Finish("stop")], WALL_NS)
    events = written.split(b"\n\n")
    assert events.pop() == b""
    assert all(event.startswith(b"data: ") for event in events)
    assert [json.loads(event[6:]) for event in events] == lines(CHAT, Text("Hi"), Finish("stop"))
    assert writer.content_type == "text/event-stream"
    assert writer.fail(TranslationError("broke"), "r1").startswith(b'data: {"error":"broke"')
    assert writer.fail(TranslationError("broke"), "r1").endswith(b"\n\n")


def test_a_failure_is_kept_and_becomes_one_last_line_with_the_request_id() -> None:
    writer = NdjsonWriter(CHAT, "m", clocks())
    error = TranslationError("broke")
    assert json.loads(writer.write([Text("Hi"), Failure(error)], WALL_NS))["message"]["content"] == "Hi"
    assert writer.failure is error
    line = writer.fail(error, "r1")
    assert json.loads(line) == {"error": "broke", "request_id": "r1"}
    assert line.count(b"\n") == 1


def test_a_plain_body_is_what_the_stream_says_in_one_object() -> None:
    entry = {"token": "H", "logprob": -0.5}
    body = JsonBody(CHAT, "m", clocks())
    body.add([Thinking("h"), Thinking("m"), Text("H", (entry,))])
    body.add([Text("i"), CALL, Usage(3, 2), Finish("tool_calls")])
    answer = json.loads(body.body(WALL_NS))
    assert answer["message"] == {
        "role": "assistant",
        "content": "Hi",
        "thinking": "hm",
        "tool_calls": [{"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}}],
    }
    assert (answer["done"], answer["done_reason"], answer["eval_count"]) == (True, "stop", 2)
    assert answer["logprobs"] == [{"token": "H", "logprob": -0.5}]


def test_a_plain_body_leaves_out_what_is_empty() -> None:
    body = JsonBody(GENERATE, "m", clocks())
    body.add([Finish("stop")])
    answer = json.loads(body.body(WALL_NS))
    assert answer["response"] == ""
    assert not {"thinking", "logprobs", "error", "eval_count"} & answer.keys()


def test_a_plain_body_raises_what_failed() -> None:
    with pytest.raises(TranslationError):
        JsonBody(CHAT, "m", clocks()).add([Failure(TranslationError("broke"))])


def test_generate_hands_its_context_back_at_the_end_of_both_forms() -> None:
    conversation = Conversation([], system="", prompt="hi")
    writer = NdjsonWriter(GENERATE, "m", clocks(), conversation=conversation)
    first, _, last = writer.write([Text("a"), Text("b"), Finish("stop")], WALL_NS).splitlines()
    assert "context" not in json.loads(first)
    assert unpack_context(json.loads(last)["context"]) == [("user", "hi"), ("assistant", "ab")]
    body = JsonBody(GENERATE, "m", clocks(), conversation=conversation)
    body.add([Thinking("hm"), Text("a"), Text("b"), Finish("stop")])
    assert json.loads(body.body(WALL_NS))["context"] == json.loads(last)["context"]


@pytest.mark.parametrize(("unload", "reason"), [(False, "load"), (True, "unload")])
def test_loading_is_answered_without_counts(unload: bool, reason: str) -> None:
    assert json.loads(load_reply(GENERATE, "m", WALL_NS, unload=unload)) == {
        "model": "m",
        "created_at": CREATED,
        "response": "",
        "done": True,
        "done_reason": reason,
    }


EVENTS = st.lists(st.one_of(st.text().map(Text), st.text().map(Thinking), st.just(CALL)), max_size=8)


@given(events=EVENTS)
def test_the_plain_body_is_the_concatenation_of_the_stream(events: list[Event]) -> None:
    ending: list[Event] = [*events, Usage(1, 2), Finish("stop")]
    streamed = [line["message"] for line in lines(CHAT, *ending)]
    body = JsonBody(CHAT, "m", clocks())
    body.add(ending)
    plain = json.loads(body.body(WALL_NS))["message"]
    assert plain["content"] == "".join(message["content"] for message in streamed)
    assert plain.get("thinking", "") == "".join(message.get("thinking", "") for message in streamed)
    assert plain.get("tool_calls", []) == [call for message in streamed for call in message.get("tool_calls", [])]
