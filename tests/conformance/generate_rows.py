"""`/api/generate`: fields, load and unload, context, answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.conformance.case import Case, NotOurs, generate, post
from tests.conformance.chat_rows import LOGPROBS, PNG, SCHEMA
from tests.conformance.client import Answer, Ask
from tests.conformance.recorder import Reply, delta, message, stream, usage

SECTION = "7 generate"


def sent(name: str, fields: Mapping[str, Any], model: str = "llamacpp", **row: Any) -> Case:
    """A row about what the backend gets."""
    return Case(SECTION, name, generate(model=model, **fields), "recorder", **row)


def got(name: str, reply: Reply, *, streamed: bool = False, **row: Any) -> Case:
    """A row about what becomes of the backend's answer."""
    return Case(SECTION, name, generate(model="llamacpp", stream=streamed), "recorder", reply=reply, **row)


def _texts(body: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(item["role"], item["content"]) for item in body["messages"]]


def _fields() -> Sequence[Case]:
    url = f"data:image/png;base64,{PNG}"
    parts = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": url}}]
    system = [("system", "Be brief."), ("user", "hi")]
    in_schema = {"type": "json_schema", "json_schema": {"name": "schema", "schema": SCHEMA}}
    own = [("system", "You are a ship's cook."), ("user", "hi")]
    return [
        sent("model and prompt", {}, sent={"model": "llamacpp"}, sent_holds=lambda b: _texts(b) == [("user", "hi")]),
        sent("system", {"system": "Be brief."}, sent_holds=lambda body: _texts(body) == system),
        sent("system empty", {"system": ""}, sent_holds=lambda body: _texts(body) == [("user", "hi")]),
        Case(
            SECTION,
            "the model's own system prompt",
            generate(model="virtual"),
            "virtual",
            sent_holds=lambda body: [item for item in _texts(body) if item in own] == own,
        ),
        Case(
            SECTION,
            "system in place of the model's own",
            generate(model="virtual", system="Be brief."),
            "virtual",
            sent_holds=lambda body: "cook" not in str(body["messages"][0]) and _texts(body)[0] == system[0],
        ),
        sent("template empty", {"template": ""}, unsent=("template",)),
        sent("images", {"images": [PNG]}, sent_holds=lambda body: body["messages"][-1]["content"] == parts),
        sent("images []", {"images": []}, sent_holds=lambda body: _texts(body) == [("user", "hi")]),
        sent("format", {"format": SCHEMA}, sent={"response_format": in_schema}),
        sent('format ""', {"format": ""}, unsent=("response_format",)),
        sent("options", {"options": {"seed": 3}}, sent={"seed": 3}),
        sent("think false", {"think": False}, sent={"chat_template_kwargs": {"enable_thinking": False}}),
        sent("keep_alive", {"keep_alive": "5m"}, unsent=("keep_alive",)),
        sent("truncate and shift", {"truncate": False, "shift": False}, unsent=("truncate", "shift")),
        sent("logprobs", {"logprobs": True, "top_logprobs": 2}, sent={"logprobs": True, "top_logprobs": 2}),
        sent("width, height, steps", {"width": 64, "height": 64, "steps": 4}, unsent=("width", "height", "steps")),
        sent("stream true", {"stream": True}, sent={"stream": True, "stream_options": {"include_usage": True}}),
        Case(
            SECTION,
            "raw sends the prompt untouched",
            generate("<s>hi", model="llamacpp", raw=True),
            "recorder",
            sent={"prompt": "<s>hi"},
            unsent=("messages",),
        ),
        sent("suffix", {"suffix": "there"}, sent={"prompt": "hi", "suffix": "there"}, unsent=("messages",)),
    ]


def _loads() -> Sequence[Case]:
    def loaded(reason: str) -> Any:
        whole = {"model": "demo", "response": "", "done": True, "done_reason": reason}
        return lambda answer: {key: value for key, value in answer.json.items() if key != "created_at"} == whole

    return [
        Case(SECTION, "load", generate(""), holds=loaded("load")),
        Case(SECTION, "load, prompt missing", post("/api/generate", {"model": "demo"}), holds=loaded("load")),
        Case(SECTION, "unload", generate("", keep_alive=0, stream=True), holds=loaded("unload")),
    ]


def _context(ask: Ask) -> None:
    first = ask(generate("My name is Ada.")).json
    assert first["context"], "the last object has no context"
    again = ask(generate("And now?", context=first["context"])).json
    assert "3 messages" in again["response"], again["response"]
    assert len(again["context"]) > 0
    streamed = ask(generate("Go on.", context=again["context"], stream=True))
    assert [("context" in line) for line in streamed.lines].count(True) == 1
    assert "context" in streamed.last


def _foreign_context(answer: Answer) -> object:
    return "1 message" in answer.json["response"]


def _answers() -> Sequence[Case]:
    entry = LOGPROBS["content"][0]
    whole = {"response": "Hi", "done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}
    parts = stream(delta(content="H"), delta(content="i"), delta("stop"), usage(7, 3))
    return [
        got("response, whole", message("Hi"), has=whole),
        got(
            "response in every chunk",
            parts,
            streamed=True,
            holds=lambda a: [x["response"] for x in a.lines] == ["H", "i", ""],
        ),
        got("the last chunk", parts, streamed=True, has={**whole, "response": ""}),
        got("thinking", message("Hi", reasoning_content="Hm."), has={"response": "Hi", "thinking": "Hm."}),
        got("done_reason length", message("Hi", "length"), has={"done_reason": "length"}),
        got("logprobs of the answer", message("Hi", logprobs=LOGPROBS), has={"logprobs": [entry]}),
        Case(SECTION, "context goes on", play=_context),
        Case(SECTION, "context of another server", generate(context=[1, 2, 3]), holds=_foreign_context),
        Case(SECTION, "context []", generate(context=[]), holds=_foreign_context),
        Case(
            SECTION,
            "no context in raw mode",
            generate("<s>hi", model="llamacpp", raw=True),
            "recorder",
            holds=lambda answer: "context" not in answer.json and answer.json["response"],
        ),
    ]


CASES: Sequence[Case] = (*_fields(), *_loads(), *_answers())

NOT_OURS: Sequence[NotOurs] = (
    NotOurs(
        SECTION, "template in Go's syntax", "backends apply their own template; there is nothing to override it with"
    ),
    NotOurs(SECTION, "_debug_render_only", "the template is applied behind the backend's API, where nobody can see it"),
    NotOurs(SECTION, "truncate and shift change the prompt", "only the backend has the tokenizer that says what fits"),
)
