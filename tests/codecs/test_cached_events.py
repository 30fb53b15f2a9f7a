"""What may be kept of an answer, and how it is written down."""

import json

import pytest

from gateway.codecs.cached_events import Recording, is_repeatable, unpack
from gateway.codecs.contract import Encoded
from gateway.codecs.events import Event, Failure, Finish, Raw, Text, Texts, Thinking, ToolCall, Usage, Vectors
from gateway.errors import UpstreamConnectionError

KEY = b"k" * 32
LOGPROBS = ({"token": "h", "logprob": -0.5, "bytes": [104], "top_logprobs": [{"token": "x", "logprob": -2.25}]},)


def packed(*events: Event, plain: bool = False, max_bytes: int = 10_000) -> bytes | None:
    recording = Recording(max_bytes)
    for event in events:
        recording.add([event])
    return recording.pack(KEY, plain=plain)


def replayed(*events: Event) -> list[tuple[type, object]]:
    data = packed(*events)
    assert data is not None
    entry = unpack(data, KEY)
    assert entry is not None
    return [
        (type(event).__mro__[1], {name: getattr(event, name) for name in event.__struct_fields__})
        for event in entry.events
    ]


def test_every_event_comes_back_as_what_it_was() -> None:
    events: list[Event] = [
        Thinking("Hm\u2028"),
        Text("Hé", LOGPROBS),
        Texts(["several", "at once"]),
        ToolCall("call_1", "add", '{"a":1}', 2),
        Vectors([[0.1, -1e-300], "AACAPw=="]),
        Usage(7, 12),
        Finish("stop", "other"),
    ]
    expected = [(type(event), {name: getattr(event, name) for name in event.__struct_fields__}) for event in events]
    assert replayed(*events) == expected


def test_pieces_that_came_together_weigh_as_much_as_pieces() -> None:
    apart = [Text("word")] * 100
    least = next(size for size in range(100, 100_000, 100) if packed(*apart, Finish("stop"), max_bytes=size))
    assert packed(Texts(["word"] * 100), Finish("stop"), max_bytes=least)
    assert packed(Texts(["word"] * 100), Finish("stop"), max_bytes=least - 200) is None


def test_the_durations_of_the_backend_are_not_kept() -> None:
    assert replayed(Usage(7, 12, 1_000, 2_000), Finish("stop"))[0][1] == {
        "prompt_tokens": 7,
        "completion_tokens": 12,
        "prompt_ns": None,
        "eval_ns": None,
        "reasoning_tokens": None,
    }


def test_the_pieces_of_a_raw_body_are_joined() -> None:
    events = replayed(Raw(b"a", content=False), Raw(b"b"), Usage(1), Finish("stop"))
    assert [kind for kind, _ in events] == [Raw, Usage, Finish]
    assert events[0][1] == {"data": b"ab", "content": True}


def test_whether_the_body_was_plain_is_kept() -> None:
    for plain in (True, False):
        entry = unpack(packed(Raw(b"{}"), Finish("stop"), plain=plain) or b"", KEY)
        assert entry is not None
        assert entry.plain is plain


@pytest.mark.parametrize(
    "events",
    [
        [],
        [Text("cut")],
        [Text("broken"), Failure(UpstreamConnectionError("cut", phase="cut"))],
        [Failure(UpstreamConnectionError("cut", phase="cut")), Finish("stop")],
        [Text("\ud800"), Finish("stop")],
        [Text("a", ({"token": "a", "bytes": [2**70]},)), Finish("stop")],
    ],
    ids=["nothing", "cut", "broken", "broken-first", "surrogate", "number"],
)
def test_what_is_not_complete_or_cannot_be_written_is_not_kept(events: list[Event]) -> None:
    assert packed(*events) is None


@pytest.mark.parametrize(
    "event",
    [
        Raw(b"x" * 5000),
        Text("x" * 5000),
        Text("x", LOGPROBS * 100),
        Thinking("x" * 5000),
        ToolCall("1", "f", "x" * 5000),
        Vectors([[0.5] * 5000]),
        Vectors(["A" * 5000]),
    ],
    ids=["raw", "text", "logprobs", "thinking", "call", "floats", "base64"],
)
def test_what_is_too_large_is_not_kept(event: Event) -> None:
    assert packed(event, Finish("stop"), max_bytes=4000) is None


def test_what_turns_out_too_large_once_it_is_written_is_not_kept() -> None:
    floats = Vectors([[0.123456789] * 500])
    assert packed(floats, Finish("stop"), max_bytes=1000) is None
    assert packed(floats, Finish("stop"), max_bytes=5000) is not None


def test_nothing_is_read_back_under_another_key_or_from_other_bytes() -> None:
    data = packed(Text("hi"), Finish("stop"))
    assert data is not None
    assert unpack(data, KEY) is not None
    assert unpack(data, b"z" * 32) is None
    for broken in (
        b"",
        data[:-1],
        data[:10],
        data + b"x",
        b"\x93" * 5000,
        b"\xc1",
        b"null",
        data.replace(b"text", b"next"),
    ):
        assert unpack(broken, KEY) is None


def test_an_entry_without_its_end_is_not_given() -> None:
    data = packed(Text("hi"), Finish("stop"))
    assert data is not None
    assert (
        unpack(data.replace(b"\x92\x92\xa4text", b"\x91\x92\xa4text", 1)[: data.index(b"\x93\xa6finish")], KEY) is None
    )


SURE = {"temperature": 0, "seed": 1}


@pytest.mark.parametrize(
    ("body", "repeatable"),
    [
        (SURE, True),
        ({"temperature": 0, "random_seed": 1}, True),
        ({"temperature": 0.0, "seed": 0, "n": 1, "stream": True}, True),
        ({**SURE, "n": None, "store": False, "plugins": []}, True),
        ({"temperature": 0}, False),
        ({"seed": 1}, False),
        ({"temperature": 0, "seed": None}, False),
        ({"temperature": 0.1, "seed": 1}, False),
        ({"temperature": None, "seed": 1}, False),
        ({"temperature": False, "seed": 1}, False),
        ({"temperature": "0", "seed": 1}, False),
        ({**SURE, "n": 2}, False),
        ({**SURE, "store": True}, False),
        ({**SURE, "web_search_options": {}}, False),
        ({**SURE, "plugins": [{"id": "web"}]}, False),
        ([], False),
    ],
)
def test_only_temperature_0_with_a_seed_is_repeatable(body: object, repeatable: bool) -> None:
    for path in ("/chat/completions", "/completions"):
        assert is_repeatable(Encoded(path, {}, json.dumps(body).encode())) is repeatable


def test_embeddings_are_always_repeatable_and_what_cannot_be_read_never_is() -> None:
    assert is_repeatable(Encoded("/embeddings", {}, b'{"input":"x"}'))
    assert not is_repeatable(Encoded("/chat/completions", {}, b'\xef\xbb\xbf{"temperature":0,"seed":1}'))
    assert not is_repeatable(Encoded("/chat/completions", {}, b'{"temperature":0,"seed":1'))
