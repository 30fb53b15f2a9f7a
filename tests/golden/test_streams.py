"""What the gateway writes, to the byte, and what each form of it protects clients from."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.golden.situations import BY_NAME, ERRORS, SITUATIONS, TOKENS, Situation
from tests.golden.streams import STREAMS, WAYS, Reply, Way, asked, golden, masked, send, ways_of

pytestmark = pytest.mark.e2e

CHAT, CHAT_WHOLE, GENERATE, _ = WAYS
COUNTS = ("prompt_eval_count", "eval_count")
METRICS = (*COUNTS, "total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
FINE = [situation for situation in SITUATIONS if situation not in ERRORS]

each_situation = pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
each_fine_one = pytest.mark.parametrize("situation", FINE, ids=lambda situation: situation.name)


@pytest.fixture(scope="module")
def replies(golden_url: str) -> dict[tuple[str, Way], Reply]:
    """Every answer, asked for once."""
    return {
        (situation.name, way): asked(golden_url, situation, way)
        for situation in SITUATIONS
        for way in ways_of(situation)
    }


type Replies = dict[tuple[str, Way], Reply]


def streams_of(replies: Replies, situation: Situation) -> Iterator[Reply]:
    """The streamed answers to a situation."""
    return (replies[situation.name, way] for way in ways_of(situation) if way.streamed)


def chunks_of(replies: Replies, situation: Situation) -> list[dict[str, Any]]:
    """The chunks of both streams, and the bodies that came whole."""
    bodies = [replies[situation.name, way] for way in ways_of(situation)]
    return [chunk for body in bodies for chunk in body.lines if "error" not in chunk]


def messages_of(replies: Replies, name: str, way: Way = CHAT) -> list[dict[str, Any]]:
    """The messages of a chat."""
    return [chunk["message"] for chunk in replies[name, way].lines]


def keys_in(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of an object with its value, at any depth but a tool call's arguments."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, item
            if key != "arguments":
                yield from keys_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys_in(item)


@each_situation
def test_the_bytes_of_each_answer_are_the_golden_ones(situation: Situation, golden_url: str) -> None:
    assert golden(golden_url, situation) == (STREAMS / f"{situation.name}.txt").read_text("utf-8")


@each_fine_one
def test_an_answer_in_one_piece_is_the_same_when_it_is_made_of_a_stream(
    situation: Situation, golden_url_streaming: str
) -> None:
    assert golden(golden_url_streaming, situation) == (STREAMS / f"{situation.name}.txt").read_text("utf-8")


def test_an_answer_in_one_piece_that_is_cut_is_an_error(golden_url_streaming: str) -> None:
    reply = asked(golden_url_streaming, BY_NAME["cut-midway"], CHAT_WHOLE)
    assert (reply.status, reply.json) == (502, {"error": BY_NAME["cut-midway"].said.error})


def test_there_is_no_golden_file_without_a_situation() -> None:
    assert {path.stem for path in STREAMS.iterdir()} == BY_NAME.keys()


@each_situation
def test_no_character_of_an_answer_splits_its_lines_in_clients(situation: Situation, replies: Replies) -> None:
    for way in ways_of(situation):
        body = replies[situation.name, way].body
        assert body.isascii()
        assert body.decode().splitlines() == [line.decode() for line in body.removesuffix(b"\n").split(b"\n")]


@each_situation
def test_a_stream_has_neither_blank_lines_nor_prefixes_and_ends_with_its_last_line(
    situation: Situation, replies: Replies
) -> None:
    for reply in streams_of(replies, situation):
        if reply.status == 200:
            assert reply.headers["content-type"] == "application/x-ndjson"
            assert reply.body.endswith(b"}\n")
            assert all(line.startswith(b"{") for line in reply.body.removesuffix(b"\n").split(b"\n"))


@each_situation
def test_content_and_response_are_strings_in_every_chunk(situation: Situation, replies: Replies) -> None:
    for chunk in chunks_of(replies, situation):
        assert isinstance(chunk["message"]["content"] if "message" in chunk else chunk["response"], str)


@each_situation
def test_every_message_is_the_assistants(situation: Situation, replies: Replies) -> None:
    chunks = chunks_of(replies, situation)
    assert {chunk["message"]["role"] for chunk in chunks if "message" in chunk} <= {"assistant"}


@each_situation
def test_arguments_of_tool_calls_are_whole_objects(situation: Situation, replies: Replies) -> None:
    for way in (CHAT, CHAT_WHOLE):
        said = situation.said if way.streamed else situation.said_whole
        messages = [chunk.get("message", {}) for chunk in replies[situation.name, way].lines]
        calls = [call["function"] for message in messages for call in message.get("tool_calls", [])]
        assert [(call["name"], call["arguments"]) for call in calls] == list(said.calls)


@each_situation
def test_empty_fields_are_left_out(situation: Situation, replies: Replies) -> None:
    for chunk in chunks_of(replies, situation):
        empty = [key for key, value in keys_in(chunk) if value in (None, [], {}, "") and key != "arguments"]
        assert set(empty) <= {"content", "response"}
        assert "error" not in chunk


@each_situation
def test_thinking_and_content_never_share_a_chunk(situation: Situation, replies: Replies) -> None:
    for reply in streams_of(replies, situation):
        for chunk in reply.lines:
            message = chunk.get("message", chunk)
            text = message.get("content") or message.get("response")
            assert not (text and (message.get("thinking") or message.get("tool_calls")))


def test_thoughts_that_come_with_content_are_said_before_it(replies: Replies) -> None:
    told = [
        ("thinking", message["thinking"]) if "thinking" in message else ("content", message["content"])
        for message in messages_of(replies, "thought-with-content")[:-1]
    ]
    assert told == [("thinking", "First "), ("thinking", "thoughts."), ("content", "Then "), ("content", "words.")]


@each_fine_one
def test_nothing_is_said_by_the_line_that_ends_a_stream(situation: Situation, replies: Replies) -> None:
    for reply in streams_of(replies, situation):
        last = reply.lines[-1]
        assert last.get("message", {"role": "assistant", "content": ""}) == {"role": "assistant", "content": ""}
        assert last.get("response", "") == ""


def test_text_that_comes_with_the_finish_has_a_line_of_its_own(replies: Replies) -> None:
    assert [chunk["response"] for chunk in replies["text-with-the-finish", GENERATE].lines] == ["All of", " it.", ""]
    contents = [message["content"] for message in messages_of(replies, "text-with-the-finish")]
    assert contents == ["All of", " it.", ""]


@each_fine_one
def test_every_answer_ends_with_one_done_line(situation: Situation, replies: Replies) -> None:
    for way in ways_of(situation):
        done = [chunk["done"] for chunk in replies[situation.name, way].lines]
        assert done == [False] * (len(done) - 1) + [True]


@pytest.mark.parametrize("path", ["/api/pull", "/api/push"])
def test_every_progress_ends_with_success(path: str, golden_url: str) -> None:
    reply = send(golden_url, "POST", path, {"model": "no-usage"})
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert reply.body.endswith(b"\n")
    assert reply.lines[-1]["status"] == "success"
    assert [line["status"] for line in reply.lines].count("success") == 1
    whole = send(golden_url, "POST", path, {"model": "no-usage", "stream": False})
    assert whole.json["status"] == "success"


@each_fine_one
def test_counts_and_durations_are_whole_numbers_and_stand_on_the_last_line_only(
    situation: Situation, replies: Replies
) -> None:
    for way in ways_of(situation):
        *chunks, last = replies[situation.name, way].lines
        assert not [key for chunk in chunks for key, _ in keys_in(chunk) if key in METRICS]
        assert all(type(last[key]) is int and last[key] > 0 for key in METRICS if key in last)
        tokens = situation.said.tokens
        assert [last.get(key) for key in COUNTS] == ([None, None] if tokens is None else list(tokens))


def test_durations_a_backend_measured_are_given_in_nanoseconds(replies: Replies) -> None:
    last = replies["measured-durations", CHAT_WHOLE].json
    assert (last["prompt_eval_duration"], last["eval_duration"]) == (2_500_000, 750_000)
    assert (last["prompt_eval_count"], last["eval_count"]) == TOKENS


@each_fine_one
def test_an_answer_with_tool_calls_says_stop_and_no_other_reason(situation: Situation, replies: Replies) -> None:
    for way in ways_of(situation):
        *chunks, last = replies[situation.name, way].lines
        assert last["done_reason"] == situation.said.reason
        assert not any("done_reason" in chunk for chunk in chunks)


@each_fine_one
def test_only_another_model_that_answered_is_named_and_on_the_last_line(situation: Situation, replies: Replies) -> None:
    for way in ways_of(situation):
        *chunks, last = replies[situation.name, way].lines
        assert {chunk["model"] for chunk in [*chunks, last]} == {situation.name}
        assert not any("remote_model" in chunk for chunk in chunks)
        assert last.get("remote_model") == ("another-7b" if situation.name == "answered-by-another" else None)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.title)
def test_an_error_is_a_string_in_json_with_a_real_status(way: Way, replies: Replies) -> None:
    reply = replies["refused", way]
    assert reply.status == 400
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.json == {"error": "temperature is too high"}


@pytest.mark.parametrize("name", ["broken-midway", "cut-midway"])
@pytest.mark.parametrize("way", [CHAT, GENERATE], ids=lambda way: way.title)
def test_a_failure_midway_is_one_last_line_without_a_done(name: str, way: Way, replies: Replies) -> None:
    *chunks, last = replies[name, way].lines
    assert last["error"] == BY_NAME[name].said.error
    assert "done" not in last
    assert [chunk["done"] for chunk in chunks] == [False]


@each_situation
def test_no_chunk_has_a_type(situation: Situation, replies: Replies) -> None:
    for way in ways_of(situation):
        assert not any("type" in chunk for chunk in replies[situation.name, way].lines)


@each_situation
def test_tool_calls_have_an_id_and_their_place(situation: Situation, replies: Replies) -> None:
    for way in (CHAT, CHAT_WHOLE):
        messages = [chunk.get("message", {}) for chunk in replies[situation.name, way].lines]
        calls = [call for message in messages for call in message.get("tool_calls", [])]
        assert [call["function"]["index"] for call in calls] == list(range(len(calls)))
        assert all(set(call) == {"id", "function"} and call["id"].startswith("call_") for call in calls)
        assert len({call["id"] for call in calls}) == len(calls)


def test_a_mask_leaves_what_has_the_wrong_form() -> None:
    wrong = json.dumps({"created_at": "today", "eval_duration": 1.5, "context": [], "load_duration": -1})
    assert masked(wrong.encode()) == wrong.encode()
