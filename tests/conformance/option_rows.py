"""Options, and the parameters they become: one row an option and kind of backend."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.backends.profiles import OPENAI, OPENROUTER
from gateway.codecs.contract import Profile, Target
from gateway.codecs.ollama_questions import ChatQuestion
from gateway.schemas.ollama import ChatRequest
from tests.conformance.case import Case, NotOurs, chat, embed, generate, user
from tests.conformance.client import Ask

SECTION = "15 options"
KINDS = ("generic", "vllm", "llamacpp")
"""Kinds a process can meet here; OpenAI and OpenRouter are known by their host, so for them the question is encoded."""

EVERYWHERE: Mapping[str, tuple[Any, str]] = {
    "temperature": (0.5, "temperature"),
    "top_p": (0.75, "top_p"),
    "num_predict": (17, "max_tokens"),
    "stop": (["END", "\n\n"], "stop"),
    "seed": (42, "seed"),
    "presence_penalty": (0.5, "presence_penalty"),
    "frequency_penalty": (0.25, "frequency_penalty"),
}
"""Options that OpenAI has too: a value, and the parameter."""

BY_KIND: Mapping[str, tuple[Any, dict[str, str]]] = {
    "top_k": (20, {"vllm": "top_k", "openrouter": "top_k", "llamacpp": "top_k"}),
    "min_p": (0.125, {"vllm": "min_p", "openrouter": "min_p", "llamacpp": "min_p"}),
    "repeat_penalty": (
        1.5,
        {"vllm": "repetition_penalty", "openrouter": "repetition_penalty", "llamacpp": "repeat_penalty"},
    ),
    "repeat_last_n": (32, {"llamacpp": "repeat_last_n"}),
    "typical_p": (0.5, {"llamacpp": "typical_p"}),
    "mirostat": (2, {"llamacpp": "mirostat"}),
    "mirostat_tau": (4.5, {"llamacpp": "mirostat_tau"}),
    "mirostat_eta": (0.25, {"llamacpp": "mirostat_eta"}),
    "num_keep": (8, {"llamacpp": "n_keep"}),
}
"""Options that only some kinds take: where nothing is named, nothing is sent."""

NOWHERE: dict[str, Any] = {
    "tfs_z": 0.5,
    "penalize_newline": True,
    "num_ctx": 2048,
    "num_batch": 64,
    "num_gpu": 1,
    "main_gpu": 0,
    "num_thread": 4,
    "use_mmap": True,
    "draft_num_predict": 2,
    "numa": True,
    "low_vram": False,
    "f16_kv": True,
    "logits_all": True,
    "vocab_only": False,
    "use_mlock": True,
    "embedding_only": False,
}
"""Settings of a runner, and options that Ollama dropped: taken, and sent nowhere."""

_PARAMETERS = {
    *(parameter for _, parameter in EVERYWHERE.values()),
    *(parameter for _, kinds in BY_KIND.values() for parameter in kinds.values()),
    *BY_KIND,
    *NOWHERE,
    "max_completion_tokens",
    "options",
}


def becomes(name: str, value: object, kind: str, wanted: Mapping[str, Any], *, note: str = "") -> Case:
    """An option goes out as `wanted`, and as nothing else."""
    rest = tuple(sorted(_PARAMETERS - wanted.keys()))
    request = chat(model=kind, options={name: value})
    return Case(SECTION, f"{name}{note}, {kind}", request, "recorder", sent=wanted, unsent=rest)


def _encodes(name: str, value: object, profile: Profile, wanted: Mapping[str, Any]) -> Case:
    """The same for a backend that no process can meet here."""

    def play(_ask: Ask) -> None:
        question = ChatQuestion(
            ChatRequest.model_validate({"model": "m", "messages": [user("hi")], "options": {name: value}})
        )
        question.settle()
        body = msgspec.json.decode(question.encode(Target("main", "m", profile)).body)
        assert {key: body[key] for key in body if key in _PARAMETERS} == wanted

    return Case(SECTION, f"{name}, {profile.name}", play=play)


def _hosted() -> Sequence[Case]:
    """OpenAI refuses every key it does not know; newer models of its own take another bound of tokens."""
    named = {"num_predict": "max_completion_tokens"}
    both = (OPENAI, OPENROUTER)
    return [
        *(
            _encodes(name, value, profile, {named.get(name, key) if profile is OPENAI else key: value})
            for name, (value, key) in EVERYWHERE.items()
            for profile in both
        ),
        *(
            _encodes(name, value, profile, {kinds[profile.name]: value} if profile.name in kinds else {})
            for name, (value, kinds) in BY_KIND.items()
            for profile in both
        ),
        *(_encodes(name, value, profile, {}) for name, value in NOWHERE.items() for profile in both),
    ]


def _table() -> Sequence[Case]:
    return [
        *(
            becomes(name, value, kind, {parameter: value})
            for name, (value, parameter) in EVERYWHERE.items()
            for kind in KINDS
        ),
        *(
            becomes(name, value, kind, {kinds[kind]: value} if kind in kinds else {})
            for name, (value, kinds) in BY_KIND.items()
            for kind in KINDS
        ),
        *(becomes(name, value, kind, {}) for name, value in NOWHERE.items() for kind in KINDS),
    ]


def _values() -> Sequence[Case]:
    kind = "llamacpp"
    return [
        becomes("num_predict", -1, kind, {}, note=" -1"),
        becomes("num_predict", -2, kind, {}, note=" -2"),
        becomes("seed", -1, kind, {}, note=" -1"),
        becomes("repeat_last_n", -1, kind, {}, note=" -1"),
        becomes("stop", [], kind, {}, note=" []"),
        becomes("seed", 0, kind, {"seed": 0}, note=" 0"),
        becomes("temperature", 0, kind, {"temperature": 0}, note=" 0"),
        becomes("temperature", 1, kind, {"temperature": 1}, note=" as an integer"),
        becomes("top_k", 20.9, kind, {"top_k": 20}, note=" as a float"),
        becomes("num_predict", 5.0, kind, {"max_tokens": 5}, note=" as a float"),
        *(becomes(name, None, kind, {}, note=" null") for name in (*EVERYWHERE, *BY_KIND)),
    ]


def _together() -> Sequence[Case]:
    kind = "llamacpp"
    return [
        Case(
            SECTION,
            "nothing by default",
            chat(model=kind),
            "recorder",
            unsent=tuple(sorted(_PARAMETERS)),
        ),
        Case(
            SECTION,
            "every option at once",
            chat(
                model=kind,
                options={name: value for name, (value, _) in (*EVERYWHERE.items(), *BY_KIND.items())} | NOWHERE,
            ),
            "recorder",
            sent={"temperature": 0.5, "max_tokens": 17, "repeat_penalty": 1.5, "n_keep": 8},
        ),
        Case(
            SECTION,
            "options of /api/generate",
            generate(model=kind, options={"temperature": 0.5, "num_predict": 9}),
            "recorder",
            sent={"temperature": 0.5, "max_tokens": 9},
        ),
        Case(
            SECTION,
            "options of raw mode",
            generate(model=kind, raw=True, options={"temperature": 0.5, "num_predict": 9, "top_k": 3}),
            "recorder",
            sent={"temperature": 0.5, "max_tokens": 9, "top_k": 3},
        ),
        Case(
            SECTION,
            "options of /api/embed",
            embed(model=kind, options=dict(NOWHERE)),
            "recorder",
            unsent=tuple(sorted(_PARAMETERS)),
        ),
        Case(
            SECTION,
            "the request's options before the model's own",
            chat(model="virtual", options={"temperature": 0.75}),
            "virtual",
            sent={"temperature": 0.75, "seed": 7, "stop": ["END"]},
        ),
    ]


def _thinking_and_format() -> Sequence[Case]:
    kwargs = {"chat_template_kwargs": {"enable_thinking": False}}
    in_json = {"response_format": {"type": "json_object"}}
    probabilities = {"logprobs": True, "top_logprobs": 2}

    def row(name: str, kind: str, fields: Mapping[str, Any], **more: Any) -> Case:
        return Case(SECTION, f"{name}, {kind}", chat(model=kind, **fields), "recorder", **more)

    return [
        row(
            "think false",
            "vllm",
            {"think": False},
            sent={"chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
        ),
        row("think false", "llamacpp", {"think": False}, sent=kwargs),
        row("think false", "generic", {"think": False}, unsent=("chat_template_kwargs", "think")),
        row("think high", "vllm", {"think": "high"}, sent={"reasoning_effort": "high"}),
        row("think high", "llamacpp", {"think": "high"}, sent_holds=lambda body: "high" in str(body)),
        *(row("format", kind, {"format": "json"}, sent=in_json) for kind in KINDS),
        *(row("logprobs", kind, probabilities, sent=probabilities) for kind in KINDS),
        *(row("keep_alive", kind, {"keep_alive": "5m"}, unsent=("keep_alive",)) for kind in KINDS),
        row("usage asked for", "generic", {"stream": True}, sent={"stream_options": {"include_usage": True}}),
    ]


CASES: Sequence[Case] = (*_table(), *_hosted(), *_values(), *_together(), *_thinking_and_format())

NOT_OURS: Sequence[NotOurs] = (
    NotOurs(
        SECTION, "Ollama's defaults", "an option that is not sent has the backend's own default, as the contract says"
    ),
    NotOurs(SECTION, "a runner's settings take effect", "the backend's runner has been set up by whoever runs it"),
)
