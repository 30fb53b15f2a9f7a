"""`/api/embed` and the older `/api/embeddings`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tests.conformance.case import Case, NotOurs, embed, post
from tests.conformance.client import Answer, Ask, Request
from tests.conformance.recorder import VECTOR, error

SECTION = "8 embeddings"
_NO_INPUTS: Sequence[object] = (None, "", [])
EMBED, OLD = "/api/embed", "/api/embeddings"


def _old(**fields: Any) -> Request:
    return post(OLD, {"model": "generic", **fields})


def _sent(name: str, fields: Mapping[str, Any], **row: Any) -> Case:
    return Case(SECTION, f"{EMBED} {name}", embed(model="llamacpp", **fields), "recorder", **row)


def _unit(answer: Answer) -> object:
    return all(math.isclose(math.hypot(*vector), 1, rel_tol=1e-5) for vector in answer.json["embeddings"])


def _close(found: Sequence[float], wanted: Sequence[float]) -> bool:
    return len(found) == len(wanted) and all(
        math.isclose(*pair, abs_tol=1e-6) for pair in zip(found, wanted, strict=True)
    )


def _count(number: int) -> Any:
    return lambda answer: len(answer.json["embeddings"]) == number


def _in_order(ask: Ask) -> None:
    texts = [f"number {index}" for index in range(7)]
    together = ask(embed(texts)).json["embeddings"]
    alone = [ask(embed(text)).json["embeddings"][0] for text in texts]
    assert all(_close(one, other) for one, other in zip(together, alone, strict=True))


def _shorter(ask: Ask) -> None:
    answer = ask(embed("two words", dimensions=8))
    assert [len(vector) for vector in answer.json["embeddings"]] == [8]
    assert _unit(answer)


def _cut_here(ask: Ask) -> None:
    answer = ask(embed(model="llamacpp", dimensions=1))
    assert _close(answer.json["embeddings"][0], [1.0])


CASES: Sequence[Case] = (
    Case(SECTION, f"{EMBED} model", embed(), has={"model": "demo-embed"}),
    _sent("input, a string", {"input": "hi"}, sent_holds=lambda body: body["input"] in ("hi", ["hi"])),
    _sent("input, a list", {"input": ["a", "b"]}, sent={"input": ["a", "b"]}),
    *(
        Case(SECTION, f"{EMBED} input {value!r} only loads", embed(value), has={"embeddings": []})
        for value in _NO_INPUTS
    ),
    Case(SECTION, f"{EMBED} one empty text", embed([""]), holds=_count(1)),
    Case(SECTION, f"{EMBED} one vector an input", embed(["a", "b", "c"]), holds=_count(3)),
    Case(SECTION, f"{EMBED} a long list", embed([f"text {index}" for index in range(300)]), holds=_count(300)),
    Case(SECTION, f"{EMBED} the order of inputs", play=_in_order),
    Case(
        SECTION,
        f"{EMBED} is normalised",
        embed(model="generic"),
        "recorder",
        holds=lambda answer: _unit(answer) and _close(answer.json["embeddings"][0][:2], [0.6, 0.8]),
    ),
    Case(SECTION, f"{EMBED} is normalised, base64", embed(model="llamacpp"), "recorder", holds=_unit),
    Case(SECTION, f"{EMBED} dimensions by the backend", play=_shorter),
    Case(SECTION, f"{EMBED} dimensions cut here", server="recorder", play=_cut_here),
    _sent("dimensions 0", {"dimensions": 0}, unsent=("dimensions",)),
    _sent("truncate", {"truncate": True}, unsent=("truncate",)),
    Case(SECTION, f"{EMBED} truncate cuts what is too long", embed(["short", "word " * 9000]), holds=_count(2)),
    _sent("keep_alive", {"keep_alive": 0}, unsent=("keep_alive",)),
    _sent("options", {"options": {"temperature": 1, "num_ctx": 512}}, unsent=("options", "temperature", "num_ctx")),
    Case(
        SECTION,
        f"{EMBED} prompt in place of input",
        post(EMBED, {"model": "demo-embed", "prompt": "hi"}),
        holds=_count(1),
    ),
    Case(
        SECTION,
        f"{EMBED} metrics",
        embed(["a", "b"]),
        holds=lambda answer: answer.json["prompt_eval_count"] > 0 and answer.json["total_duration"] > 0,
    ),
    Case(
        SECTION,
        f"{OLD} answers one vector and no more",
        _old(prompt="hi"),
        "recorder",
        holds=lambda answer: list(answer.json) == ["embedding"],
    ),
    Case(
        SECTION,
        f"{OLD} is not normalised",
        _old(prompt="hi"),
        "recorder",
        holds=lambda answer: _close(answer.json["embedding"], VECTOR),
    ),
    Case(SECTION, f"{OLD} empty prompt", _old(prompt=""), "recorder", has={"embedding": []}),
    Case(SECTION, f"{OLD} prompt missing", _old(), "recorder", has={"embedding": []}),
    Case(SECTION, f"{OLD} input in place of prompt", _old(input="hi"), "recorder", holds=lambda a: a.json["embedding"]),
    Case(
        SECTION,
        f"{OLD} a list gets embeddings too",
        _old(prompt=["a", "b"]),
        "recorder",
        holds=lambda answer: len(answer.json["embeddings"]) == 2 and answer.json["embedding"],
    ),
    Case(SECTION, f"{OLD} keep_alive and options", _old(prompt="hi", keep_alive="1m", options={"seed": 1}), "recorder"),
    Case(
        SECTION,
        f"{OLD} failure",
        _old(prompt="hi"),
        "recorder",
        status=500,
        error="it broke",
        reply=error(500, "it broke"),
    ),
)

NOT_OURS: Sequence[NotOurs] = ()
