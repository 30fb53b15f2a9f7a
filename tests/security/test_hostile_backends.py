"""A backend that sends the right names with wrong values of every kind: no decoder raises what it does not say."""

import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs.backend_errors import error_from_status, retry_after_s
from gateway.codecs.chat_reader import ChatReader
from gateway.codecs.contract import BackendReader
from gateway.codecs.embed_reader import EmbedReader
from gateway.codecs.events import End, Failure, Finish
from gateway.codecs.framing_reader import FramingReader
from gateway.codecs.metadata import metadata_questions, read_facts
from gateway.codecs.models import read_models, unlisted_model
from gateway.errors import TranslationError

NAMES = """
    id object created model choices index delta message messages role content reasoning reasoning_content tool_calls
    function name arguments type text finish_reason stop_reason usage prompt_tokens completion_tokens total_tokens
    error code param status detail loc msg logprobs top_logprobs token logprob bytes data embedding models details
    family n_ctx max_model_len context_length meta status args
    architecture input_modalities default_generation_settings
"""
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**62, 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["stop", "tool_calls", "error", "1e999", "\ud800", "<think>", "{", "[DONE]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=5),
    max_leaves=12,
)
CHUNKS = st.fixed_dictionaries(
    {},
    optional={
        "choices": VALUES
        | st.lists(
            st.fixed_dictionaries({}, optional={"delta": VALUES, "message": VALUES, "finish_reason": VALUES}),
            max_size=2,
        ),
        "usage": VALUES,
        "error": VALUES,
        "data": VALUES,
        "model": VALUES,
        "id": VALUES,
    },
)
FRAMES = st.sampled_from(["data: %s\n\n", "data:%s\r\n\r\n", ": %s\n\n", "event: error\ndata: %s\n\n", "%s\n", "%s"])
STREAMS = st.lists(st.tuples(FRAMES, CHUNKS), max_size=5).map(
    lambda events: "".join(frame % json.dumps(chunk) for frame, chunk in events).encode("utf-8", "surrogatepass")
)
BODIES = (VALUES | CHUNKS).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=80) | STREAMS


def new_reader(kind: str) -> BackendReader:
    """Return a reader of this kind."""
    if kind == "chat":
        return ChatReader()
    return EmbedReader(1) if kind == "embed" else FramingReader(hide_usage=True, whole=kind == "whole")


@settings(deadline=None)
@given(
    data=BODIES,
    cuts=st.lists(st.integers(0, 400), max_size=4),
    kind=st.sampled_from(["chat", "embed", "framing", "whole"]),
    end=st.sampled_from(list(End)),
)
def test_a_reader_never_raises_whatever_the_backend_says(data: bytes, cuts: list[int], kind: str, end: End) -> None:
    reader = new_reader(kind)
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    events = [event for a, b in pairwise(places) for event in reader.feed(data[a:b], 1)]
    events += reader.finish(end, 2)
    assert sum(isinstance(event, Failure | Finish) for event in events) <= 1


@settings(deadline=None)
@given(data=BODIES)
def test_a_list_of_models_is_read_or_said_to_be_none(data: bytes) -> None:
    with suppress(TranslationError):
        assert all(model.id for model in read_models(data))


@settings(deadline=None)
@given(data=BODIES, path=st.sampled_from(["/props", "/api/show", "/model/info", "/api/v0/models", "/info", "/slots"]))
def test_metadata_is_read_or_left(data: bytes, path: str) -> None:
    for question in metadata_questions([unlisted_model("m")], path):
        assert isinstance(read_facts(question, data), dict)


@settings(deadline=None)
@given(
    data=BODIES,
    status=st.integers(400, 599),
    content_type=st.sampled_from(["application/json", "text/html", "", "x"]),
    wait=st.text(max_size=12) | st.integers().map(str) | st.floats().map(str),
)
def test_an_error_becomes_a_text_of_bounded_length(data: bytes, status: int, content_type: str, wait: str) -> None:
    asked_s = retry_after_s({"Retry-After": wait}, 1_700_000_000.0)
    assert asked_s is None or asked_s >= 0
    error = error_from_status(status, content_type, data, asked_s)
    assert 400 <= error.status <= 599
    assert isinstance(error.message, str)
    assert error.message
