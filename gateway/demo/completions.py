"""Plain completions: the demo goes on with a prompt, or fills the gap between a prompt and a suffix."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from gateway.demo import tokens
from gateway.demo.arithmetic import solve
from gateway.demo.chat import FINGERPRINT, cut_at
from gateway.demo.models import DemoModel, check_context, require
from gateway.demo.requests import CompletionRequest

_PYTHON_FUNCTION = re.compile(r"^([ \t]*)def \w+\(([^()]*)\)[^:\n]*:\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TextReply:
    """The whole answer as tokens; an echoed prompt comes before them and is not counted."""

    model: str
    echoed: str
    words: tuple[str, ...]
    finish_reason: str
    prompt_tokens: int
    alternatives: int | None
    id: str = field(default_factory=lambda: f"cmpl-{uuid4().hex}")
    created_s: int = field(default_factory=lambda: int(time.time()))

    @property
    def usage(self) -> dict[str, Any]:
        """OpenAI's usage object."""
        return tokens.usage(self.prompt_tokens, len(self.words))

    def logprobs(self, words: tuple[str, ...], offset: int) -> dict[str, Any] | None:
        """The log probabilities of these words, the first of which begins at `offset`."""
        return None if self.alternatives is None else tokens.text_logprobs(words, self.alternatives, offset)


def text_reply_to(request: CompletionRequest, model: DemoModel) -> TextReply:
    """Plans the completion."""
    require(model, "completion")
    prompt = request.prompt[0]
    prompt_tokens = tokens.count([prompt, request.suffix or ""])
    check_context(prompt_tokens, param="prompt")
    words = tokens.split(cut_at(continuation(prompt, request.suffix), request.stop))
    whole = request.max_tokens is None or len(words) <= request.max_tokens
    return TextReply(
        model=model.id,
        echoed=prompt if request.echo else "",
        words=tuple(words[: request.max_tokens]),
        finish_reason="stop" if whole else "length",
        prompt_tokens=prompt_tokens,
        alternatives=request.logprobs,
    )


def continuation(prompt: str, suffix: str | None = None) -> str:
    """What follows the prompt: a function's body, a sum's result, or a sentence that knows what it continues."""
    functions = list(_PYTHON_FUNCTION.finditer(prompt))
    if functions and functions[-1].end() == len(prompt):
        return _body(functions[-1], on_new_line=prompt.endswith("\n"))
    if suffix:
        before, after = prompt.split() or ["nothing"], suffix.split() or ["nothing"]
        return f' leads from "{before[-1]}" to "{after[0]}" and so to '
    result = solve(prompt.rstrip(" =?\n")[-80:])
    if result and prompt.rstrip().endswith("="):
        return f" {result.rpartition('= ')[2]}"
    number = len(prompt.split())
    told = f"{number} word" if number == 1 else f"{number} words"
    return f" and that is where the demo model goes on, {told} into the text."


def _body(function: re.Match[str], *, on_new_line: bool) -> str:
    """A body that adds up the function's parameters."""
    indent, parameters = function[1], function[2]
    names = [re.split(r"[:=]", parameter)[0].strip(" *") for parameter in parameters.split(",")]
    total = " + ".join(name for name in names if name and name not in {"self", "cls", "/"})
    return f"{'' if on_new_line else '\n'}{indent}    return {total or None}\n"


def text_body(reply: TextReply) -> dict[str, Any]:
    """The completion in one piece."""
    choice = {
        "index": 0,
        "text": reply.echoed + "".join(reply.words),
        "logprobs": reply.logprobs(reply.words, len(reply.echoed)),
        "finish_reason": reply.finish_reason,
    }
    return {**_envelope(reply), "choices": [choice], "usage": reply.usage}


def text_chunks(reply: TextReply, *, include_usage: bool) -> Iterator[str]:
    """The completion as the JSON texts of a stream: an echo, each word, the finish, and the usage when asked for."""
    envelope = _envelope(reply)
    if include_usage:
        envelope["usage"] = None
    if reply.echoed:
        yield _chunk(envelope, reply.echoed)
    offset = len(reply.echoed)
    for word in reply.words:
        yield _chunk(envelope, word, reply.logprobs((word,), offset))
        offset += len(word)
    yield _chunk(envelope, "", finish_reason=reply.finish_reason)
    if include_usage:
        yield json.dumps({**envelope, "choices": [], "usage": reply.usage})


def _chunk(
    envelope: dict[str, Any], text: str, logprobs: dict[str, Any] | None = None, finish_reason: str | None = None
) -> str:
    choice = {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": finish_reason}
    return json.dumps({**envelope, "choices": [choice]})


def _envelope(reply: TextReply) -> dict[str, Any]:
    return {
        "id": reply.id,
        "object": "text_completion",
        "created": reply.created_s,
        "model": reply.model,
        "system_fingerprint": FINGERPRINT,
    }
