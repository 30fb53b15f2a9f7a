"""`remote_model`: the name of the model that answered, where the client named another."""

import json
from typing import Any

import pytest

from gateway.backends.profiles import GENERIC
from gateway.codecs.contract import BackendReader, Target
from gateway.codecs.events import End, Finish, Text
from gateway.codecs.names import is_same_model
from gateway.codecs.ollama_questions import ChatQuestion
from gateway.codecs.ollama_writer import CHAT, Clocks, JsonBody, NdjsonWriter
from gateway.schemas.ollama import ChatRequest


def reader(asked: str = "m", stand_in: str = "", named: str = "n") -> BackendReader:
    question = ChatQuestion(ChatRequest.model_validate({"model": named, "messages": [{"role": "user"}]}))
    return question.reader(Target("main", asked, GENERIC, stand_in=stand_in), 0)


def chunk(model: object = None, **fields: Any) -> bytes:
    said = {"choices": [{"delta": fields}]} | ({"model": model} if model is not None else {})
    return b"data: " + json.dumps(said).encode() + b"\n\n"


FINISH = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def answered(read: BackendReader, *pieces: bytes) -> str:
    """Return the model that the last event of a stream names."""
    events = [event for piece in (*pieces, FINISH) for event in read.feed(piece, 0)]
    last = events[-1]
    assert isinstance(last, Finish)
    return last.model


@pytest.mark.parametrize(
    ("asked", "said", "other"),
    [
        ("gpt-4o", "gpt-4o", False),
        ("GPT-4o:latest", "gpt-4o", False),
        ("openai/gpt-4o", "gpt-4o", False),
        ("gpt-4o", "openai/gpt-4o", False),
        ("tiny", "/models/tiny.gguf", False),
        ("tiny", "C:\\models\\Tiny.gguf", False),
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("a/m", "b/m", True),
        ("claude", "claude@20250514", True),
        ("m:free", "m", True),
        ("auto", "gpt-4o", True),
    ],
)
def test_a_name_differs_when_more_than_its_case_tag_or_path_does(asked: str, said: str, other: bool) -> None:
    assert is_same_model(asked, said) is not other
    assert answered(reader(asked), chunk(said, content="x")) == (said if other else "")


@pytest.mark.parametrize("revision", ["main", "master", "0123456789abcdef0123456789abcdef01234567"])
def test_a_revision_of_the_model_is_no_other_model(revision: str) -> None:
    assert answered(reader("org/m"), chunk(f"org/m@{revision}", content="x")) == ""
    assert answered(reader(f"m@{revision}"), chunk(f"m@{revision}", content="x")) == ""
    assert answered(reader("m"), chunk(f"other@{revision}", content="x")) == f"other@{revision}"


@pytest.mark.parametrize("said", [None, "", 7, "m"])
def test_nothing_is_added_when_the_backend_names_no_other(said: object) -> None:
    assert answered(reader(), chunk(said, content="x")) == ""


def test_the_default_model_is_named_where_it_stood_in_for_another_name() -> None:
    assert answered(reader("real", "default", named="unknown"), chunk("real", content="x")) == "real"
    assert answered(reader("real", "default", named="unknown"), chunk("real-2024", content="x")) == "real-2024"
    assert answered(reader("real", "default", named="default"), chunk("real", content="x")) == ""


def test_the_name_is_looked_for_up_to_the_first_output() -> None:
    assert answered(reader(), chunk("", role="assistant"), chunk("other", content="x")) == "other"
    assert answered(reader(), chunk("m", content="x"), chunk("other", content="y")) == ""
    assert answered(reader(), chunk(content="x"), chunk(content="y"), chunk("late", content="z")) == ""


def test_a_plain_answer_is_asked_for_the_name_too() -> None:
    read = reader()
    read.feed(b'{"model":"other","choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}', 0)
    assert read.finish(End.CLEAN, 0)[-1] == Finish("stop", "other")


def test_the_name_stands_on_the_last_line_and_in_the_whole_body() -> None:
    events: list[Any] = [Text("x"), Finish("stop", "o\u00e9")]
    lines = NdjsonWriter(CHAT, "m", Clocks(0, 0)).write(events, 0).splitlines()
    assert [json.loads(line).get("remote_model") for line in lines] == [None, "o\u00e9"]
    body = JsonBody(CHAT, "m", Clocks(0, 0))
    body.add(events)
    whole = json.loads(body.body(0))
    assert (whole["model"], whole["remote_model"]) == ("m", "o\u00e9")
    assert b"remote_model" not in NdjsonWriter(CHAT, "m", Clocks(0, 0)).write([Finish("stop")], 0)
