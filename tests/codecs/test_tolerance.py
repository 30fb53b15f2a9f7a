"""A batch of chunks decoded at once is what its chunks are one by one, or is left to be read so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.tolerance import read_chunk, read_chunks
from gateway.errors import TranslationError

SOUND = [
    b'{"choices":[{"index":0,"delta":{"content":"a"}}]}',
    b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
    b' {"choices": [{"delta": {"content": "\\u00e4"}, "finish_reason": "stop"}], "timings": {"prompt_n": 3}} ',
]


@given(st.lists(st.sampled_from(SOUND), max_size=6))
def test_sound_chunks_are_what_each_is_alone(payloads: list[bytes]) -> None:
    assert read_chunks(payloads) == [read_chunk(payload) for payload in payloads]


@pytest.mark.parametrize(
    "payloads",
    [
        [*SOUND, b""],
        [*SOUND, b"[DONE]", *SOUND],
        [*SOUND, b'{"error":{"message":"no"}}'],
        [*SOUND, b'{"detail":"no"}'],
        [b'{"choices":[', b"]}"],
        [b'{"choices":[]},{"choices":[]}'],
        [b'{"choices":[{"delta":{"content":7}}]}', SOUND[0]],
        [b'{"choices":[{"delta":{"content":"\\ud83d"}}]}', SOUND[0]],
        [b"\xff", SOUND[0]],
    ],
    ids=["blank", "done", "error", "detail", "halves", "two-in-one", "wrong-type", "surrogate", "no-text"],
)
def test_a_batch_with_an_odd_one_is_read_one_by_one(payloads: list[bytes]) -> None:
    assert read_chunks(payloads) is None


@given(
    st.lists(
        st.sampled_from([*SOUND, b'{"choices":[', b"]}", b"{}", b"1", b"[", b"]", b'{"choices":[]},{}']), max_size=5
    )
)
def test_what_is_decoded_at_once_is_never_what_would_be_refused_alone(payloads: list[bytes]) -> None:
    at_once = read_chunks(payloads)
    if at_once is None:
        return
    try:
        alone = [read_chunk(payload) for payload in payloads]
    except TranslationError:
        pytest.fail(f"{payloads} would have been refused")
    assert at_once == alone
