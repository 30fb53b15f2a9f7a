"""`/api/chat`: what a request may carry, and what answers look like."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from tests.conformance.case import Case, NotOurs, chat, user
from tests.conformance.client import Answer, Ask
from tests.conformance.recorder import Reply, call, delta, message, stream, usage

SECTION = "6 chat"
PNG = b64encode(b"\x89PNG\r\n\x1a\n" + bytes(9)).decode()
WAV = b64encode(b"RIFF\x24\0\0\0WAVEfmt ").decode()
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
LOGPROBS = {
    "content": [
        {
            "token": "Hi",
            "logprob": -0.5,
            "bytes": [72, 105],
            "top_logprobs": [{"token": "Ho", "logprob": -1.5, "bytes": [72, 111]}],
        }
    ]
}
CALLS = [call("weather", '{"city": "Rome", "at": "noon"}'), call("weather", "", index=1, call_id="call_two")]
ID = re.compile(r"call_[A-Za-z0-9_-]+")


def sent(name: str, fields: Mapping[str, Any], model: str = "llamacpp", **row: Any) -> Case:
    """A row about what the backend gets."""
    return Case(SECTION, name, chat(model=model, **fields), "recorder", **row)


def got(name: str, reply: Reply, *, streamed: bool = False, **row: Any) -> Case:
    """A row about what becomes of the backend's answer."""
    fields = {"tools": [TOOL]} if row.pop("tools", False) else {}
    return Case(SECTION, name, chat(model="llamacpp", stream=streamed, **fields), "recorder", reply=reply, **row)


def _content(body: Mapping[str, Any], number: int = -1) -> Any:
    return body["messages"][number]["content"]


def _fields() -> Sequence[Case]:
    in_schema = {"type": "json_schema", "json_schema": {"name": "schema", "schema": SCHEMA}}
    off = {"enable_thinking": False}
    thought = {"role": "assistant", "content": "Four.", "thinking": "Two and two."}
    return [
        sent("model", {}, sent={"model": "llamacpp"}),
        sent("messages", {}, sent_holds=lambda body: body["messages"] == [user("hi")]),
        sent("stream false", {"stream": False}, holds=lambda answer: answer.json["done"] is True),
        sent("stream true", {"stream": True}, sent={"stream": True, "stream_options": {"include_usage": True}}),
        sent('format "json"', {"format": "json"}, sent={"response_format": {"type": "json_object"}}),
        sent("format schema", {"format": SCHEMA}, sent={"response_format": in_schema}),
        sent('format ""', {"format": ""}, unsent=("response_format", "format")),
        sent("format null", {"format": None}, unsent=("response_format", "format")),
        *(
            sent(f"keep_alive {value!r}", {"keep_alive": value}, unsent=("keep_alive",))
            for value in (300, 0.5, -1, "10m", "1h30m", "-1m", "0", 0)
        ),
        sent("tools", {"tools": [TOOL]}, sent={"tools": [TOOL]}),
        sent("tools []", {"tools": []}, unsent=("tools",)),
        sent("options", {"options": {"temperature": 0.5}}, sent={"temperature": 0.5}, unsent=("options",)),
        sent("options {}", {"options": {}}, unsent=("options", "temperature", "top_p", "top_k")),
        sent("think unset", {}, unsent=("reasoning_effort", "chat_template_kwargs", "think")),
        sent("think false", {"think": False}, sent={"chat_template_kwargs": off}),
        sent("think true", {"think": True}, sent={"chat_template_kwargs": {"enable_thinking": True}}),
        *(
            sent(f"think {level}", {"think": level}, sent_holds=lambda body, level=level: level in str(body))
            for level in ("low", "medium", "high")
        ),
        sent("think max", {"think": "max"}, sent_holds=lambda body: "max" in str(body) or "high" in str(body)),
        sent("truncate", {"truncate": True}, unsent=("truncate",)),
        sent("shift", {"shift": False}, unsent=("shift",)),
        sent("logprobs", {"logprobs": True}, sent={"logprobs": True}),
        sent("top_logprobs", {"logprobs": True, "top_logprobs": 3}, sent={"logprobs": True, "top_logprobs": 3}),
        sent("no logprobs", {"logprobs": False, "top_logprobs": 3}, sent_holds=lambda body: not body.get("logprobs")),
        sent("message.thinking", {"messages": [user("2+2?"), thought, user("Sure?")]}, sent_holds=_keeps_the_answer),
    ]


def _keeps_the_answer(body: Mapping[str, Any]) -> object:
    return [item["role"] for item in body["messages"]] == ["user", "assistant", "user"] and _content(body, 1) == "Four."


def _messages() -> Sequence[Case]:
    url = f"data:image/png;base64,{PNG}"
    parts = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": url}}]
    sound = {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}
    odd_images: list[Any] = [None, PNG]
    system = [{"role": "system", "content": "Be brief."}, user("hi")]
    own_system = {"model": "virtual", "messages": [user("hi")], "stream": False}
    return [
        sent("images", {"messages": [user("What?", images=[PNG])]}, sent_holds=lambda body: _content(body) == parts),
        sent("images []", {"messages": [user("hi", images=[])]}, sent_holds=lambda body: _content(body) == "hi"),
        sent("images null", {"messages": [user("hi", images=None)]}, sent_holds=lambda body: _content(body) == "hi"),
        sent(
            "an image of null",
            {"messages": [user("What?", images=odd_images)]},
            sent_holds=lambda body: _content(body) == parts,
        ),
        sent("audio", {"messages": [user("Hm?", images=[WAV])]}, sent_holds=lambda body: _content(body)[1] == sound),
        sent("system", {"messages": system}, sent={"messages": system}),
        Case(
            SECTION,
            "the model's own system prompt",
            chat(**own_system),
            "virtual",
            sent_holds=lambda body: body["messages"][0] == {"role": "system", "content": "You are a ship's cook."},
        ),
        Case(
            SECTION,
            "a system message in place of the model's own",
            chat(**{**own_system, "messages": system}),
            "virtual",
            sent_holds=lambda body: (
                "cook" not in body["messages"][0]["content"] and "brief" in str(body["messages"][0])
            ),
        ),
    ]


def _history(answer: Mapping[str, Any], *results: Mapping[str, Any]) -> dict[str, Any]:
    return {"messages": [user("Weather?"), answer, *results], "tools": [TOOL]}


def _said(*calls: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [{"function": item, **fields} for item in calls]}


def _paired(body: Mapping[str, Any]) -> list[str]:
    """The results' contents in the order of the calls they answer."""
    calls = [item["id"] for item in body["messages"][1]["tool_calls"]]
    results = {item["tool_call_id"]: item["content"] for item in body["messages"][2:]}
    assert len(set(calls)) == len(calls)
    return [results[item] for item in calls]


def _calls_and_results() -> Sequence[Case]:
    rome, oslo = ({"name": "weather", "arguments": {"city": city}} for city in ("Rome", "Oslo"))
    news = {"name": "news", "arguments": {}}
    tool = {"role": "tool"}
    both_by_id = [{"id": "call_a", "function": rome}, {"id": "call_b", "function": oslo}]
    by_id = {"role": "assistant", "content": "", "tool_calls": both_by_id}
    return [
        sent(
            "results paired by id",
            _history(
                by_id,
                tool | {"tool_call_id": "call_b", "content": "O"},
                tool | {"tool_call_id": "call_a", "content": "R"},
            ),
            sent_holds=lambda body: _paired(body) == ["R", "O"] and "call_a" in str(body),
        ),
        sent(
            "results paired by name",
            _history(
                _said(rome, news),
                tool | {"tool_name": "news", "content": "N"},
                tool | {"tool_name": "weather", "content": "R"},
            ),
            sent_holds=lambda body: _paired(body) == ["R", "N"],
        ),
        sent(
            "results paired by order",
            _history(_said(rome, oslo), tool | {"content": "R"}, tool | {"content": "O"}),
            sent_holds=lambda body: _paired(body) == ["R", "O"],
        ),
        sent(
            "a call with a type and without content",
            _history(_said(rome, type="function"), tool | {"content": "R"}),
            sent_holds=lambda body: body["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"city":"Rome"}',
        ),
        Case(
            SECTION,
            "a broken tool is refused by name",
            chat(tools=[{"type": "function", "function": {"name": 5}}]),
            status=400,
            error=re.compile(r".*tools.*name.*"),
        ),
    ]


def _answers() -> Sequence[Case]:
    thinking = message("Hi", reasoning_content="Hm.")
    arguments = {"city": "Rome", "at": "noon"}

    def in_order(answer: Answer) -> object:
        return list(answer.json["message"]["tool_calls"][0]["function"]["arguments"]) == list(arguments)

    def functions(answer: Answer) -> list[dict[str, Any]]:
        return [item["function"] for line in answer.lines for item in line["message"].get("tool_calls", [])]

    whole = message(None, "tool_calls", tool_calls=CALLS)
    wanted = [
        {"index": 0, "name": "weather", "arguments": arguments},
        {"index": 1, "name": "weather", "arguments": {}},
    ]
    pieces = [
        delta(tool_calls=[{"index": 0, "id": "call_a", "function": {"name": "weather", "arguments": '{"city": "Ro'}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": 'me", "at": "noon"}'}}]),
        delta(tool_calls=[{"index": 1, "id": "call_b", "function": {"name": "weather", "arguments": ""}}]),
        delta("tool_calls"),
        usage(5, 2),
    ]
    return [
        got("model and created_at", message("Hi"), has={"model": "llamacpp", "done": True}),
        got("message.role and content", message("Hi"), has={"message": {"role": "assistant", "content": "Hi"}}),
        got("content of null", message(None), has={"message": {"role": "assistant", "content": ""}}),
        got("thinking", thinking, has={"message": {"role": "assistant", "content": "Hi", "thinking": "Hm."}}),
        got(
            "tool_calls",
            whole,
            tools=True,
            holds=lambda a: [c["function"] for c in a.json["message"]["tool_calls"]] == wanted,
        ),
        got("tool_calls keep the order of keys", whole, tools=True, holds=in_order),
        got(
            "tool_calls have ids",
            whole,
            tools=True,
            holds=lambda a: all(ID.fullmatch(c["id"]) for c in a.json["message"]["tool_calls"]),
        ),
        got("tool_calls end with stop", whole, tools=True, has={"done_reason": "stop"}),
        got(
            "tool_calls are whole in a stream",
            stream(*pieces),
            streamed=True,
            tools=True,
            holds=lambda a: functions(a) == wanted,
        ),
    ]


def _endings() -> Sequence[Case]:
    metrics = {"prompt_eval_count": 7, "eval_count": 3}
    timings = {"cache_n": 4, "prompt_n": 5, "prompt_ms": 1.5, "predicted_n": 6, "predicted_ms": 2.5}
    timed = {"id": "c", "object": "chat.completion.chunk", "created": 0, "choices": [], "timings": timings}
    from_timings = {
        "prompt_eval_count": 9,
        "prompt_eval_duration": 1_500_000,
        "eval_count": 6,
        "eval_duration": 2_500_000,
    }
    entry = LOGPROBS["content"][0]
    return [
        got("done_reason stop", message("Hi"), has={"done_reason": "stop"}),
        got("done_reason length", message("Hi", "length"), has={"done_reason": "length"}),
        got("done_reason of anything else", message("Hi", "content_filter"), has={"done_reason": "stop"}),
        got("metrics, whole", message("Hi"), has=metrics),
        got(
            "metrics, last line only",
            stream(delta(content="Hi"), delta("stop"), usage(7, 3)),
            streamed=True,
            has=metrics,
        ),
        got(
            "metrics of 0 are left out",
            stream(delta(content="Hi"), delta("stop")),
            streamed=True,
            holds=lambda a: "eval_count" not in a.last,
        ),
        got("metrics from timings", stream(delta(content="Hi"), delta("stop"), timed), streamed=True, has=from_timings),
        got("logprobs, whole", message("Hi", logprobs=LOGPROBS), has={"logprobs": [entry]}),
        got(
            "logprobs, with their chunk",
            stream(delta(content="Hi", logprobs=LOGPROBS), delta("stop")),
            streamed=True,
            holds=lambda a: a.lines[0]["logprobs"] == [entry] and "logprobs" not in a.last,
        ),
    ]


def _behaviour() -> Sequence[Case]:
    def thinking_first(answer: Answer) -> object:
        kinds = ["thinking" if "thinking" in line["message"] else "content" for line in answer.lines[:-1]]
        return kinds == sorted(kinds, reverse=True) and set(kinds) == {"thinking", "content"}

    def same(ask: Ask) -> None:
        whole, parts = (ask(chat(model="demo-thinking", stream=streamed)) for streamed in (False, True))
        for key in ("content", "thinking"):
            assert parts.joined("message", key) == whole.json["message"][key]
        counts = ("prompt_eval_count", "eval_count", "done_reason")
        assert {key: parts.last[key] for key in counts} == {key: whole.json[key] for key in counts}

    tags = stream(delta(content="<thi"), delta(content="nk>Hm.</th"), delta(content="ink>\n\nHi"), delta("stop"))
    both = stream(delta(content="Hi", reasoning_content="Hm."), delta("stop"))
    reasoning = stream(delta(reasoning="Hm."), delta(content="Hi"), delta("stop"))

    def split(answer: Answer) -> object:
        return (answer.joined("message", "thinking"), answer.joined("message", "content")) == ("Hm.", "Hi")

    return [
        Case(SECTION, "thinking comes first", chat(model="demo-thinking", stream=True), holds=thinking_first),
        Case(SECTION, "plain is the stream put together", play=same),
        got("reasoning", reasoning, streamed=True, holds=split),
        got("think tags cut across chunks", tags, streamed=True, holds=split),
        got("thinking beside content is split", both, streamed=True, holds=split),
        Case(
            SECTION,
            "think false drops what still arrives",
            chat(model="llamacpp", think=False),
            "recorder",
            reply=message("Hi", reasoning_content="Hm."),
            has={"message": {"role": "assistant", "content": "Hi"}},
        ),
        Case(SECTION, "load", chat(messages=[]), holds=lambda answer: _loaded(answer, "load")),
        Case(SECTION, "load, messages missing", chat(messages=None, stream=True), holds=lambda a: _loaded(a, "load")),
        Case(SECTION, "unload", chat(messages=[], keep_alive=0), holds=lambda answer: _loaded(answer, "unload")),
        Case(SECTION, 'unload, "0s"', chat(messages=[], keep_alive="0s"), holds=lambda a: _loaded(a, "unload")),
        Case(
            SECTION,
            "unload of a model that cannot chat",
            chat(model="demo-embed", messages=[], keep_alive=0),
            holds=lambda answer: _loaded(answer, "unload", "demo-embed"),
        ),
    ]


def _loaded(answer: Answer, reason: str, model: str = "demo") -> object:
    whole = {"model": model, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": reason}
    return {key: value for key, value in answer.json.items() if key != "created_at"} == whole


CASES: Sequence[Case] = (*_fields(), *_messages(), *_calls_and_results(), *_answers(), *_endings(), *_behaviour())

NOT_OURS: Sequence[NotOurs] = (
    NotOurs(SECTION, "_debug_render_only", "the template is applied behind the backend's API, where nobody can see it"),
    NotOurs(SECTION, "truncate drops the oldest messages", "only the backend has the tokenizer that says what fits"),
    NotOurs(SECTION, "shift moves the context", "the context belongs to the backend's runner"),
    NotOurs(SECTION, "template", "backends apply their own template to messages"),
)
