"""`/v1` bodies go out as they came; only the model's name and the request for usage are edited."""

import json
from typing import Any

import pytest

from gateway.backends.profiles import GENERIC
from gateway.codecs.contract import Profile, Target
from gateway.codecs.framing_reader import FramingReader
from gateway.codecs.openai_questions import PassThroughQuestion
from gateway.codecs.requests import read_openai_request
from gateway.errors import RequestError
from gateway.schemas.openai import ChatCompletionRequest, EmbeddingRequest

SAME = Target("b", "m", GENERIC)
OTHER = Target("b", "backend-m", GENERIC)


def question(raw: bytes, schema: Any = ChatCompletionRequest) -> PassThroughQuestion:
    return PassThroughQuestion("/chat/completions", raw, read_openai_request(schema, raw))


PLAIN = (
    b'{ "messages": [ {"role":"user","content":"h\\u00e9"} ], '
    b'"model":"m", "big": 12345678901234567890, "f": 1.0, "x":null }'
)


def test_a_body_that_needs_no_edit_goes_out_byte_for_byte() -> None:
    assert question(PLAIN).encode(SAME).body == PLAIN
    asked = PLAIN[:-1] + b', "stream": true, "stream_options": {"include_usage": true}}'
    assert question(asked).encode(SAME).body == asked


def test_a_new_model_name_leaves_every_other_value_its_bytes() -> None:
    sent = question(PLAIN).encode(OTHER).body
    assert json.loads(sent) == {**json.loads(PLAIN), "model": "backend-m"}
    for value in (b"12345678901234567890", b"1.0", b"h\\u00e9", b"null", b'[ {"role":"user"'):
        assert value in sent
    assert list(json.loads(sent)) == list(json.loads(PLAIN))


def test_a_stream_asks_for_usage_and_keeps_its_other_options() -> None:
    asked = b'{"model":"m","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_obfuscation":false}}'
    sent = json.loads(question(asked).encode(SAME).body)
    assert sent["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_a_backend_that_cannot_count_streams_is_not_asked_to() -> None:
    asked = b'{"model":"m","messages":[{"role":"user"}],"stream":true}'
    assert question(asked).encode(Target("b", "m", Profile("x", stream_usage=False))).body == asked


@pytest.mark.parametrize(
    "odd",
    [
        b'\xef\xbb\xbf{"model":"m","messages":[{"role":"user","content":"x"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\\ud83d"}]}',
    ],
    ids=["byte order mark", "lone surrogate"],
)
def test_bodies_a_strict_decoder_refuses_are_edited_too(odd: bytes) -> None:
    assert json.loads(question(odd).encode(OTHER).body)["model"] == "backend-m"


def test_dropped_parameters_are_left_out() -> None:
    assert "big" not in json.loads(question(PLAIN).encode(SAME, frozenset({"big"})).body)


def test_the_reader_hides_usage_only_when_the_client_did_not_ask() -> None:
    asked = b'{"model":"m","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage":true}}'
    for raw, hides in ((asked, False), (PLAIN, True)):
        reader = question(raw).reader(SAME, 0)
        assert isinstance(reader, FramingReader)
        reader.feed(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n', 0)
        events = reader.feed(b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n', 0)
        assert (events == []) is hides


def test_embeddings_are_never_streamed() -> None:
    asked = question(b'{"model":"m","input":"a","stream":true}', EmbeddingRequest)
    assert asked.whole
    assert not asked.streams(SAME)


def test_a_missing_model_is_a_bad_request() -> None:
    error = question(b'{"messages":[{"role":"user"}]}').unknown_model()
    assert isinstance(error, RequestError)
    assert (error.message, error.param) == ("model is required", "model")
    assert question(PLAIN).unknown_model().code == "model_not_found"
