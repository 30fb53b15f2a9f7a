"""A chat answer: planned once as a row of pieces, then told whole or piece by piece, so that both say the same."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from gateway.demo import tokens
from gateway.demo.answers import answer, thoughts
from gateway.demo.images import image_at
from gateway.demo.models import DemoModel, check_context, require
from gateway.demo.requests import ChatRequest
from gateway.demo.tools import Call, choose_calls

FINGERPRINT = "fp_demo"


@dataclass(frozen=True, slots=True)
class Thought:
    """A token of reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class Word:
    """A token of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStart:
    """A tool call's name, which counts as one token."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallPart:
    """A token of a tool call's arguments."""

    index: int
    text: str


type Piece = Thought | Word | CallStart | CallPart


@dataclass(frozen=True, slots=True)
class ChatReply:
    """The whole answer as pieces; one piece is one token and one chunk of the stream."""

    model: str
    pieces: tuple[Piece, ...]
    finish_reason: str
    prompt_tokens: int
    alternatives: int | None
    """How many alternatives each token shows; None without log probabilities."""
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid4().hex}")
    created_s: int = field(default_factory=lambda: int(time.time()))

    @property
    def usage(self) -> dict[str, Any]:
        """OpenAI's usage object."""
        reasoning = sum(isinstance(piece, Thought) for piece in self.pieces)
        return tokens.usage(self.prompt_tokens, len(self.pieces), reasoning)

    def logprobs(self, pieces: tuple[Piece, ...]) -> dict[str, Any] | None:
        """The log probabilities of the words among these pieces."""
        words = [piece.text for piece in pieces if isinstance(piece, Word)]
        if self.alternatives is None or not words:
            return None
        return tokens.chat_logprobs(words, self.alternatives)


def reply_to(request: ChatRequest, model: DemoModel) -> ChatReply:
    """Plans the answer; raises DemoError for an image, a tool choice or a schema that cannot be served."""
    require(model, "completion")
    prompt_tokens = tokens.count(request.texts)
    check_context(prompt_tokens, param="messages")
    pictures = _pictures(request, model)
    pieces: list[Piece] = []
    if "thinking" in model.capabilities:
        pieces += map(Thought, tokens.split(thoughts(request)))
    calls = choose_calls(request)
    if calls:
        pieces += _call_pieces(calls)
    else:
        pieces += map(Word, tokens.split(cut_at(answer(request, pictures), request.stop)))
    whole = request.limit is None or len(pieces) <= request.limit
    return ChatReply(
        model=model.id,
        pieces=tuple(pieces[: request.limit]),
        finish_reason=("tool_calls" if calls else "stop") if whole else "length",
        prompt_tokens=prompt_tokens,
        alternatives=(request.top_logprobs or 0) if request.logprobs else None,
    )


def cut_at(text: str, stops: list[str]) -> str:
    """The text before the first of the stop strings; an empty one stops nothing."""
    return text[: min((text.index(stop) for stop in stops if stop and stop in text), default=len(text))]


def _pictures(request: ChatRequest, model: DemoModel) -> list[str]:
    """Every image is read, so that a bad one is refused; only those sent last are described."""
    pictures = []
    for param, url, is_newest in request.images():
        require(model, "vision", param=param)
        image = image_at(url, param=param)
        if is_newest:
            pictures.append(str(image))
    return pictures


def _call_pieces(calls: list[Call]) -> Iterator[Piece]:
    for index, call in enumerate(calls):
        yield CallStart(index, f"call_{uuid4().hex[:24]}", call.name)
        for token in tokens.split(call.arguments):
            yield CallPart(index, token)


def chat_body(reply: ChatReply) -> dict[str, Any]:
    """The answer in one piece."""
    choice = {
        "index": 0,
        "message": _message(reply),
        "logprobs": reply.logprobs(reply.pieces),
        "finish_reason": reply.finish_reason,
    }
    return {**_envelope(reply, "chat.completion"), "choices": [choice], "usage": reply.usage}


def _message(reply: ChatReply) -> dict[str, Any]:
    reasoning = "".join(piece.text for piece in reply.pieces if isinstance(piece, Thought))
    calls = _calls(reply.pieces)
    content = "".join(piece.text for piece in reply.pieces if isinstance(piece, Word))
    message: dict[str, Any] = {"role": "assistant", "content": None if calls else content}
    if reasoning:
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = calls
    return message


def _calls(pieces: tuple[Piece, ...]) -> list[dict[str, Any]]:
    calls = []
    for start in pieces:
        if isinstance(start, CallStart):
            parts = (part.text for part in pieces if isinstance(part, CallPart) and part.index == start.index)
            function = {"name": start.name, "arguments": "".join(parts)}
            calls.append({"id": start.id, "type": "function", "function": function})
    return calls


def chat_chunks(reply: ChatReply, *, include_usage: bool) -> Iterator[str]:
    """The answer as the JSON texts of a stream: the role, each piece, the finish, and the usage when asked for."""
    envelope = _envelope(reply, "chat.completion.chunk")
    if include_usage:
        envelope["usage"] = None
    yield _chunk(envelope, {"role": "assistant", "content": ""})
    for piece in reply.pieces:
        yield _chunk(envelope, _delta(piece), reply.logprobs((piece,)))
    yield _chunk(envelope, {}, finish_reason=reply.finish_reason)
    if include_usage:
        yield json.dumps({**envelope, "choices": [], "usage": reply.usage})


def _chunk(
    envelope: Mapping[str, Any],
    delta: Mapping[str, Any],
    logprobs: Mapping[str, Any] | None = None,
    finish_reason: str | None = None,
) -> str:
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
    return json.dumps({**envelope, "choices": [choice]})


def _delta(piece: Piece) -> dict[str, Any]:
    match piece:
        case Thought(text):
            return {"reasoning_content": text}
        case Word(text):
            return {"content": text}
        case CallStart(index, call_id, name):
            function = {"name": name, "arguments": ""}
            return {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}
        case CallPart(index, text):
            return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


def _envelope(reply: ChatReply, kind: str) -> dict[str, Any]:
    return {
        "id": reply.id,
        "object": kind,
        "created": reply.created_s,
        "model": reply.model,
        "system_fingerprint": FINGERPRINT,
    }
