"""What real backends send and clients stumble over: each situation is a model of the golden backend, with its name."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.golden.backend import ASKED, Answer

SEPARATORS = "\u2028\u2029\u0085\x0b\x0c\x1c\x1d\x1e"
"""Every character but CR and LF at which Python's clients split lines."""
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
TOKENS = (11, 7)
QUESTION = [{"role": "user", "content": "Say it."}]
WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TIME_TOOL = {
    "type": "function",
    "function": {"name": "get_time", "description": "The time", "parameters": {"type": "object", "properties": {}}},
}

type Calls = tuple[tuple[str, dict[str, Any]], ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What must reach a client: `tokens` of prompt and completion, `status` of an error (-1: within the stream)."""

    text: str = ""
    thinking: str = ""
    calls: Calls = ()
    tokens: tuple[int, int] | None = TOKENS
    reason: str = "stop"
    error: str = ""
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """A backend's answer, the question that gets it, and what a client must read. `whole`: where plain differs."""

    name: str
    answer: Answer
    said: Said
    asks: dict[str, Any] = field(default_factory=dict)
    whole: Said | None = None

    @property
    def said_whole(self) -> Said:
        """What the answer in one piece says."""
        return self.whole or self.said

    @property
    def is_for_generate(self) -> bool:
        """Whether `/api/generate` can be asked the same: without tools and without a conversation."""
        return not self.said.calls and not {"messages", "tools"} & self.asks.keys()


def event(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    """One chunk of a stream, not escaped more than JSON demands; without a delta it has no choice."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return f"data: {_json({**_HEAD, 'object': 'chat.completion.chunk', 'choices': choices, **more})}\n\n".encode()


def whole(message: dict[str, Any], finish: str = "stop", **more: Any) -> bytes:
    """An answer in one piece."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return _json({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE, **more}).encode()


def call(index: int | None, arguments: Any, name: str | None = None, call_id: str | None = None) -> dict[str, Any]:
    """A delta with a piece of a tool call; keys without a value are left out."""
    function = {"name": name, "arguments": arguments} if name is not None else {"arguments": arguments}
    piece = {"index": index, "id": call_id, "type": "function" if call_id else None, "function": function}
    return {"tool_calls": [{key: value for key, value in piece.items() if value is not None}]}


def called(name: str, arguments: Any, call_id: str) -> dict[str, Any]:
    """A whole tool call."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_HEAD = {"id": "chatcmpl-1", "created": 1_790_000_000, "model": ASKED}
_START = event({"role": "assistant", "content": ""})
_USED = event(None, usage=USAGE)
_END = (event({}, "stop"), _USED, DONE)
_CALLED = (event({}, "tool_calls"), _USED, DONE)
_PARIS = {"city": "Paris"}
_WITH_TOOLS = {"tools": [WEATHER_TOOL, TIME_TOOL]}
_TOLD = "Clear in Paris, rain in Oslo."
_ROUNDS = [
    {"role": "user", "content": "How is the weather in Paris and Oslo?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}},
            {"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}},
        ],
    },
    {"role": "tool", "content": "clear"},
    {"role": "tool", "content": "rain"},
]
_EMPTY_OPTIONS = {"temperature": None, "stop": None, "num_ctx": None, "seed": None, "top_p": None}


def _plain(text: str) -> Answer:
    return Answer((_START, event({"content": text}), *_END), whole({"content": text}))


LINES = (
    Situation(
        "line-separators",
        Answer(
            (
                event({"role": "assistant", "reasoning_content": f"one{SEPARATORS}two"}),
                event({"content": f"three{SEPARATORS}"}),
                event({"content": "four \u00e9\U0001f600\r\nfive"}),
                *_END,
            ),
            whole(
                {
                    "reasoning_content": f"one{SEPARATORS}two",
                    "content": f"three{SEPARATORS}four \u00e9\U0001f600\r\nfive",
                }
            ),
        ),
        Said(f"three{SEPARATORS}four \u00e9\U0001f600\r\nfive", f"one{SEPARATORS}two"),
        {"think": True},
    ),
    Situation(
        "line-separators-in-a-call",
        Answer(
            (
                _START,
                event(call(0, _json({"city": f"Pa{SEPARATORS}ris"}), "get_weather", "call_a")),
                *_CALLED,
            ),
            whole({"tool_calls": [called("get_weather", _json({"city": f"Pa{SEPARATORS}ris"}), "call_a")]}),
        ),
        Said(calls=(("get_weather", {"city": f"Pa{SEPARATORS}ris"}),)),
        _WITH_TOOLS,
    ),
    Situation(
        "comments-and-blank-lines",
        Answer(
            (
                b": PROCESSING\n\n\n\n",
                _START.replace(b"\n", b"\r\n"),
                b"retry: 500\n\n: still here\r\n\r\n",
                b"event: message\nid: 7\n" + event({"content": "Hello"}),
                event({"content": " there"}),
                b":\n\n",
                *_END,
            ),
            b"\n\n  " + whole({"content": "Hello there"}) + b"\n",
        ),
        Said("Hello there"),
    ),
)
"""What would break clients that read line by line."""

MESSAGES = (
    Situation(
        "no-content",
        Answer(
            (
                event({"role": "assistant", "content": None}),
                event({"content": None, "reasoning_content": "I need a tool."}),
                event({"content": None, **call(0, '{"city":"Paris"}', "get_weather", "call_a")}),
                *_CALLED,
            ),
            whole(
                {
                    "content": None,
                    "reasoning_content": "I need a tool.",
                    "tool_calls": [called("get_weather", '{"city":"Paris"}', "call_a")],
                },
                "tool_calls",
            ),
        ),
        Said(thinking="I need a tool.", calls=(("get_weather", _PARIS),)),
        {**_WITH_TOOLS, "think": True},
    ),
    Situation(
        "no-role",
        Answer(
            (event({"content": "No"}), event({"role": "", "content": " role"}), event({"role": "Assistant"}), *_END),
            whole({"role": None, "content": "No role"}),
        ),
        Said("No role"),
    ),
    Situation(
        "empty-fields",
        Answer(
            tuple(
                event(
                    {
                        "role": "assistant",
                        "content": text,
                        "reasoning_content": "",
                        "reasoning": None,
                        "tool_calls": calls,
                        "refusal": None,
                    },
                    error=None,
                    usage=None,
                )
                for text, calls in (("Hello", []), ("", []), (" there", None))
            )
            + _END,
            whole({"content": "Hello there", "reasoning_content": "", "tool_calls": [], "refusal": None}, error=None),
        ),
        Said("Hello there"),
        {"think": True},
    ),
    Situation(
        "thought-with-content",
        Answer(
            (
                event({"role": "assistant", "reasoning_content": "First "}),
                event({"reasoning_content": "thoughts.", "content": "Then "}),
                event({"content": "words."}),
                *_END,
            ),
            whole({"reasoning_content": "First thoughts.", "content": "Then words."}),
        ),
        Said("Then words.", "First thoughts."),
        {"think": True},
    ),
    Situation(
        "text-with-the-finish",
        Answer(
            (_START, event({"content": "All of"}), event({"content": " it."}, "stop", usage=USAGE), DONE),
            whole({"content": "All of it."}),
        ),
        Said("All of it."),
    ),
)
"""What a chunk's message holds."""

TOOL_CALLS = (
    Situation(
        "split-call",
        Answer(
            (
                _START,
                event(call(0, "", "get_weather", "call_a")),
                *(event(call(0, piece)) for piece in ('{"ci', 'ty"', ": ", '"Par', 'is"}')),
                *_CALLED,
            ),
            whole(
                {"content": None, "tool_calls": [called("get_weather", '{"city": "Paris"}', "call_a")]}, "tool_calls"
            ),
        ),
        Said(calls=(("get_weather", _PARIS),)),
        _WITH_TOOLS,
    ),
    Situation(
        "interleaved-calls",
        Answer(
            (
                _START,
                event({"content": "Both."}),
                event(call(0, "", "get_weather", "call_a")),
                event(call(1, "", "get_time", "call_b")),
                event(call(0, '{"city"')),
                event(call(1, "{}")),
                event(call(0, ':"Paris"}')),
                *_CALLED,
            ),
            whole(
                {
                    "content": "Both.",
                    "tool_calls": [
                        called("get_weather", '{"city":"Paris"}', "call_a"),
                        called("get_time", "{}", "call_b"),
                    ],
                },
                "tool_calls",
            ),
        ),
        Said("Both.", calls=(("get_weather", _PARIS), ("get_time", {}))),
        _WITH_TOOLS,
    ),
    Situation(
        "arguments-as-an-object",
        Answer(
            (_START, event(call(0, _PARIS, "get_weather", "call_a")), *_CALLED),
            whole({"tool_calls": [called("get_weather", _PARIS, "call_a")]}, "tool_calls"),
        ),
        Said(calls=(("get_weather", _PARIS),)),
        _WITH_TOOLS,
    ),
    Situation(
        "no-arguments",
        Answer(
            (_START, event(call(0, "", "get_time", "call_a")), *_CALLED),
            whole({"tool_calls": [called("get_time", "", "call_a")]}, "tool_calls"),
        ),
        Said(calls=(("get_time", {}),)),
        _WITH_TOOLS,
    ),
    Situation(
        "call-with-the-finish",
        Answer(
            (_START, event(call(0, '{"city":"Paris"}', "get_weather"), "tool_calls", usage=USAGE), DONE),
            whole({"tool_calls": [called("get_weather", '{"city":"Paris"}', "")]}, "tool_calls"),
        ),
        Said(calls=(("get_weather", _PARIS),)),
        _WITH_TOOLS,
    ),
)
"""How a call of a tool comes: in pieces, mixed with others, as an object, with nothing, without an id."""

ENDS = (
    Situation(
        "no-done-marker",
        Answer(
            (_START, event({"content": "It ends."}), event({}, "stop", usage=USAGE)), whole({"content": "It ends."})
        ),
        Said("It ends."),
    ),
    Situation(
        "no-usage",
        Answer(
            (_START, event({"content": "Uncounted."}), event({}, "stop"), DONE),
            whole({"content": "Uncounted."}, usage=None),
        ),
        Said("Uncounted.", tokens=None),
    ),
    Situation(
        "usage-on-every-chunk",
        Answer(
            (
                event({"role": "assistant", "content": "One"}, usage={"prompt_tokens": 11, "completion_tokens": 1}),
                event({"content": " two"}, usage={"prompt_tokens": 11.0, "completion_tokens": 4.0}),
                event({"content": "."}, "stop", usage={**USAGE, "completion_tokens": 7.0, "total_tokens": None}),
                _USED,
                DONE,
            ),
            whole({"content": "One two."}, usage={"prompt_tokens": 11.0, "completion_tokens": 7.0}),
        ),
        Said("One two."),
    ),
    Situation(
        "measured-durations",
        Answer(
            (
                _START,
                event({"content": "Measured."}),
                event({}, "stop", timings={"prompt_n": 6, "cache_n": 5, "prompt_ms": 2.5, "predicted_n": 7}),
                DONE,
            ),
            whole(
                {"content": "Measured."},
                usage=None,
                timings={"prompt_n": 6, "cache_n": 5, "prompt_ms": 2.5, "predicted_n": 7, "predicted_ms": 0.75},
            ),
        ),
        Said("Measured."),
    ),
    Situation(
        "cut-by-its-length",
        Answer(
            (_START, event({"content": "Once upon"}), event({}, "length"), _USED, DONE),
            whole({"content": "Once upon"}, "length"),
        ),
        Said("Once upon", reason="length"),
    ),
    Situation(
        "answered-by-another",
        Answer(
            (
                event({"role": "assistant", "content": "Not me."}, model="another-7b"),
                event({}, "stop", model="another-7b"),
                event(None, usage=USAGE, model="another-7b"),
                DONE,
            ),
            whole({"content": "Not me."}, model="another-7b"),
        ),
        Said("Not me."),
    ),
    Situation(
        "stopped-by-a-filter",
        Answer(
            (_START, event({"content": "I will"}), event({}, "content_filter"), _USED, DONE),
            whole({"content": "I will"}, "content_filter"),
        ),
        Said("I will"),
    ),
)
"""How an answer ends, and what it counts."""

ERRORS = (
    Situation(
        "refused",
        Answer(
            (), _json({"error": {"message": "temperature is too high", "type": "x", "code": None}}).encode(), False, 400
        ),
        Said(error="temperature is too high", status=400, tokens=None),
    ),
    Situation(
        "broken-midway",
        Answer(
            (_START, event({"content": "So far"}), event(None, error={"message": f"out of{SEPARATORS}memory"})),
            _json({"error": {"message": f"out of{SEPARATORS}memory", "code": 500}}).encode(),
        ),
        Said("So far", error=f"out of{SEPARATORS}memory", status=-1, tokens=None),
        whole=Said(error=f"out of{SEPARATORS}memory", status=500, tokens=None),
    ),
    Situation(
        "cut-midway",
        Answer((_START, event({"content": "So far"})), whole({"content": "So far"}), cut=True),
        Said(
            "So far",
            error="the backend closed the connection before its answer was complete",
            status=-1,
            tokens=None,
        ),
        whole=Said("So far"),
    ),
)
"""What goes wrong before the first word and after it."""

REQUESTS = (
    Situation("tool-results", _plain(_TOLD), Said(_TOLD), {"messages": _ROUNDS, **_WITH_TOOLS}),
    Situation(
        "empty-request-fields",
        _plain("Nothing was set."),
        Said("Nothing was set."),
        {
            "messages": [{**QUESTION[0], "images": []}],
            "tools": [],
            "format": "",
            "options": _EMPTY_OPTIONS,
            "keep_alive": None,
        },
    ),
)
"""What clients send: results without ids, and fields with nothing in them."""

SITUATIONS = (*LINES, *MESSAGES, *TOOL_CALLS, *ENDS, *ERRORS, *REQUESTS)
BY_NAME = {situation.name: situation for situation in SITUATIONS}
