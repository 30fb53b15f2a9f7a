"""The SSE decoder gives the same events however the bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs import sse
from gateway.codecs.sse import EventTooLargeError, SseDecoder


def decode(*chunks: bytes) -> list[bytes]:
    decoder = SseDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.flush()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", [b"a", b"b"], id="lf"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"], id="crlf"),
        pytest.param(b"data: a\r\rdata: b\r\r", [b"a", b"b"], id="cr"),
        pytest.param(b"data:a\n\n", [b"a"], id="no space after the colon"),
        pytest.param(b"data:  a\n\n", [b" a"], id="only one space is dropped"),
        pytest.param(b"data: a\ndata: b\n\n", [b"a\nb"], id="several data lines"),
        pytest.param(b"data\n\n", [b""], id="a field without a colon"),
        pytest.param(b": ping\n\nevent: x\nid: 1\nretry: 5\ndata: a\n\n", [b"a"], id="comments and other fields"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [b"a"], id="byte order mark"),
        pytest.param(b"data: \xef\xbb\xbf\n\n", [b"\xef\xbb\xbf"], id="a mark inside is data"),
        pytest.param(b"data: a\n\ndata: b", [b"a", b"b"], id="no blank line at the end"),
        pytest.param(b"data: a\n\ndata: b\r", [b"a", b"b"], id="a lone CR at the end"),
        pytest.param(b"\n\n\n", [], id="blank lines alone"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_events_are_read_whole_and_byte_by_byte(stream: bytes, events: list[bytes]) -> None:
    assert decode(stream) == events
    assert decode(*[bytes([byte]) for byte in stream]) == events


@given(
    lines=st.lists(
        st.sampled_from([b"data: x", b"data:y", b"data", b": c", b"event: e", b"", b"data: \xe2\x82\xac", b"datax: 1"])
    ),
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_any_cut_gives_the_same_events(lines: list[bytes], end: bytes, cuts: list[int]) -> None:
    stream = end.join(lines) + end
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    pieces = [stream[a:b] for a, b in pairwise(places)]
    assert decode(*pieces) == decode(stream)


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    decoder = SseDecoder()
    with pytest.raises(EventTooLargeError):
        for _ in range(200):
            decoder.feed(b"x")


def test_many_data_lines_of_one_event_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    decoder = SseDecoder()
    with pytest.raises(EventTooLargeError):
        decoder.feed(b"data: xxxxxxxxxx\n" * 20)
