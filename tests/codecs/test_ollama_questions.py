"""What `/api/*` asks becomes a request of OpenAI's API, with only what was asked and what the backend takes."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.profiles import GENERIC, LLAMACPP, OPENAI, VLLM
from gateway.codecs.contract import Profile, Target
from gateway.codecs.ollama_questions import ChatQuestion, GenerateQuestion
from gateway.codecs.requests import read_request
from gateway.errors import OptionError, ProxyException, RequestError, UpstreamStatusError
from gateway.schemas.ollama import ChatRequest, GenerateRequest

HI = [{"role": "user", "content": "hi"}]


def chat(**fields: Any) -> ChatQuestion:
    question = ChatQuestion(ChatRequest.model_validate({"model": "m", "messages": HI, **fields}))
    question.settle()
    return question


def generate(**fields: Any) -> GenerateQuestion:
    question = GenerateQuestion(GenerateRequest.model_validate({"model": "m", "prompt": "hi", **fields}))
    question.settle()
    return question


def body(question: ChatQuestion | GenerateQuestion, profile: Profile = GENERIC, **more: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(question.encode(Target("b", "backend-m", profile), **more).body)
    return decoded


def path(question: ChatQuestion | GenerateQuestion) -> str:
    return question.encode(Target("b", "x", GENERIC)).path


def test_the_least_chat_asks_for_a_stream_with_usage_and_nothing_more() -> None:
    assert body(chat()) == {
        "model": "backend-m",
        "messages": HI,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_plain_chat_is_asked_plainly_where_it_may_not_be_streamed() -> None:
    question = chat(stream=False)
    assert question.whole
    direct = msgspec.structs.replace(GENERIC, streams_plain=False)
    target = Target("main", "backend-m", direct)
    assert not question.streams(target)
    assert json.loads(question.encode(target).body) == {"model": "backend-m", "messages": HI, "stream": False}


def test_a_plain_chat_is_asked_as_a_stream_where_nothing_is_lost_by_it() -> None:
    question = chat(stream=False)
    target = Target("main", "backend-m", GENERIC)
    assert body(question) == body(chat())
    without_usage = frozenset({"stream_options"})
    assert not question.streams(target, without_usage)
    assert json.loads(question.encode(target, without_usage).body)["stream"] is False
    forced = Target("main", "backend-m", msgspec.structs.replace(GENERIC, streams_plain=False, always_streams=True))
    assert question.streams(forced, without_usage)


def test_empty_fields_of_older_clients_are_left_out() -> None:
    empty: dict[str, Any] = {"tools": [], "format": "", "options": {"temperature": None}, "keep_alive": None}
    assert body(chat(**empty)) == body(chat())


def test_options_go_out_under_openais_names() -> None:
    options = {"temperature": 0.5, "num_predict": 9, "stop": ["x"], "seed": 1, "top_k": 40, "num_ctx": 4096}
    sent = body(chat(options=options))
    assert {key: sent[key] for key in ("temperature", "max_tokens", "stop", "seed")} == {
        "temperature": 0.5,
        "max_tokens": 9,
        "stop": ["x"],
        "seed": 1,
    }
    assert not {"top_k", "num_ctx", "num_predict"} & sent.keys()
    assert body(chat(options=options), VLLM)["top_k"] == 40
    assert body(chat(options=options), OPENAI)["max_completion_tokens"] == 9


def test_what_a_backend_was_learnt_to_refuse_is_left_out() -> None:
    question = chat(options={"temperature": 0.5, "seed": 1})
    assert "temperature" not in body(question, dropped=frozenset({"temperature"}))
    assert "seed" in body(question, dropped=frozenset({"temperature"}))


def test_a_wrong_option_is_ollamas_own_500_and_comes_only_when_settled() -> None:
    question = ChatQuestion(ChatRequest.model_validate({"model": "m", "messages": HI, "options": {"seed": "x"}}))
    with pytest.raises(OptionError, match='option "seed" must be of type integer'):
        question.settle()


def test_formats_become_response_formats() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert body(chat(format="json"))["response_format"] == {"type": "json_object"}
    assert body(chat(format=schema))["response_format"]["json_schema"]["schema"] == schema


def test_tools_keep_every_key_of_their_schema() -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "f",
            "parameters": {"type": "object", "additionalProperties": False, "oneOf": []},
            "strict": True,
        },
    }
    assert body(chat(tools=[tool]))["tools"] == [tool]


def test_a_tool_without_a_type_is_a_function() -> None:
    assert body(chat(tools=[{"function": {"name": "f"}}]))["tools"] == [{"type": "function", "function": {"name": "f"}}]


def test_logprobs_are_asked_for() -> None:
    sent = body(chat(logprobs=True, top_logprobs=3))
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 3)
    assert "top_logprobs" not in body(chat(logprobs=True))


def test_generate_is_a_chat_of_one_message() -> None:
    assert body(generate(system="be brief"))["messages"] == [{"role": "system", "content": "be brief"}, *HI]
    assert path(generate()) == "/chat/completions"


def test_generate_goes_on_with_the_conversation_of_its_context() -> None:
    first = generate(system="be brief")
    assert first.conversation is not None
    context = json.loads(first.conversation.context("hello"))
    assert body(generate(prompt="and?", context=context))["messages"] == [
        {"role": "system", "content": "be brief"},
        *HI,
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "and?"},
    ]
    assert body(generate(context=[1, 2, 3])) == body(generate())


def test_raw_and_suffix_have_no_context() -> None:
    assert generate(raw=True).conversation is None
    assert generate(suffix="x").conversation is None


def test_raw_and_suffix_go_to_completions() -> None:
    assert body(generate(raw=True)) == {
        "model": "backend-m",
        "prompt": "hi",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert body(generate(suffix="end", stream=False))["suffix"] == "end"
    assert path(generate(raw=True)) == path(generate(suffix="x")) == "/completions"


def test_raw_forbids_what_ollama_says_it_forbids() -> None:
    with pytest.raises(RequestError, match="raw mode does not support template, system, or context"):
        generate(raw=True, system="x").check_capabilities(Target("b", "m", GENERIC))


TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("question", "denied", "message"),
    [
        (chat(think=True), "thinking", '"m" does not support thinking'),
        (chat(think="low"), "thinking", '"m" does not support thinking'),
        (chat(), "completion", '"m" does not support chat'),
        (generate(), "completion", '"m" does not support generate'),
        (chat(tools=[TOOL]), "tools", "registry.ollama.ai/library/m:latest does not support tools"),
        (generate(suffix="x"), "insert", "registry.ollama.ai/library/m:latest does not support insert"),
    ],
)
def test_what_the_backend_says_a_model_cannot_do_is_refused(question: Any, denied: str, message: str) -> None:
    with pytest.raises(RequestError) as refused:
        question.check_capabilities(Target("b", "m", GENERIC, denied=(denied,)))
    assert refused.value.message == message


@pytest.mark.parametrize("question", [chat(think=False), chat(), generate(), chat(tools=[TOOL], think=True)])
def test_what_is_not_known_is_not_refused(question: Any) -> None:
    question.check_capabilities(Target("b", "m", GENERIC, denied=("vision",)))


@pytest.mark.parametrize(
    ("fields", "worded"),
    [({}, False), ({"truncate": True}, False), ({"truncate": False}, True), ({"shift": False}, True)],
)
def test_a_prompt_that_may_not_be_cut_is_refused_in_ollamas_words(fields: dict[str, Any], worded: bool) -> None:
    refusal = UpstreamStatusError(400, "maximum context length is 8 tokens")
    said = chat(**fields).worded(refusal).message
    assert said.startswith("the prompt is longer than the context length") is worded
    other = UpstreamStatusError(400, "no such thing")
    assert chat(**fields).worded(other) is other


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a b", "invalid model name"),
        ("m:", "invalid model name"),
        ("m:local:cloud", 'use either :local or :cloud, not both: "m:local:cloud"'),
        ("m:cloud", "model 'm:cloud' not found"),
    ],
)
def test_an_unknown_name_that_is_none_is_told_so(name: str, message: str) -> None:
    assert chat(model=name).unknown_model().message == message
    assert generate(model=name).unknown_model().message == message


@pytest.mark.parametrize(("keep_alive", "reason"), [(None, "load"), (0, "unload"), ("0", "unload"), ("5m", "load")])
def test_a_question_without_a_prompt_is_answered_here(keep_alive: Any, reason: str) -> None:
    for question in (chat(messages=[], keep_alive=keep_alive), generate(prompt="", keep_alive=keep_alive)):
        reply = question.local_reply(0)
        assert reply is not None
        assert json.loads(reply)["done_reason"] == reason
    assert chat().local_reply(0) is None


def test_unknown_and_missing_models_are_told_apart() -> None:
    assert chat().unknown_model().message == "model 'm' not found"
    assert isinstance(chat(model="").unknown_model(), RequestError)
    assert chat(model="").unknown_model().message == "model is required"
    assert (generate(model="").unknown_model().status, generate(model="").unknown_model().message) == (
        404,
        "model '' not found",
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"top_logprobs": 21}, "top_logprobs must be between 0 and 20"),
        ({"think": "x"}, "invalid think value"),
        ({"keep_alive": "5"}, "missing unit in duration"),
        ({"model": "a\x00b"}, "invalid model name"),
    ],
)
def test_what_concerns_the_body_is_refused_at_once(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        ChatQuestion(ChatRequest.model_validate({"model": "m", "messages": HI, **fields}))


VALUES = st.one_of(
    st.none(), st.text(max_size=5), st.integers(), st.booleans(), st.floats(allow_nan=False), st.just([])
)
NAMES = ["temperature", "seed", "stop", "num_predict", "top_k", "mirostat", "x"]


@given(
    messages=st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["user", "tool", "assistant", "x"]), "content": st.text(max_size=9)}
        )
    ),
    options=st.dictionaries(st.sampled_from(NAMES), VALUES),
    think=VALUES,
    form=VALUES,
)
def test_encoding_never_fails_on_what_validated(messages: Any, options: Any, think: Any, form: Any) -> None:
    raw = json.dumps({"model": "m", "messages": messages, "options": options, "think": think, "format": form})
    try:
        question = ChatQuestion(read_request(ChatRequest, raw.encode()))
        question.settle()
    except ProxyException:
        return
    for profile in (GENERIC, LLAMACPP, OPENAI):
        assert body(question, profile)["model"] == "backend-m"
