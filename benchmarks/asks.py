"""What is asked of a target, and how each of its answers is judged: all of the text, in the right form, to the end."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isclose
from typing import Any

from benchmarks.answers import Script, embeddings_body, text_after_mark, vector

MARK = b'" w'
"""Where a piece of text begins, in both dialects: each word of the backend does."""
_TEXT = re.compile(rb'" w([^"]*)"')
_DONE_LINE = re.compile(rb'"done":\s*true')
_USAGE = re.compile(rb'"usage":\s*\{')
TEXTS = 32

type Judge = Callable[[bytes], str]
"""Returns what is wrong with a whole body, "" for nothing."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One kind of request: `chunks` is how many pieces of text its answer has, 1 where it comes in one piece."""

    path: str
    body: bytes = field(repr=False)
    judge: Judge = field(repr=False)
    chunks: int = 1
    pace_ms: int = 0
    key: str = ""

    def request(self, host: str) -> bytes:
        """Return the bytes of the request; connections are kept."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
        lines += [f"Authorization: Bearer {self.key}"] if self.key else []
        return "\r\n".join([*lines, f"Content-Length: {len(self.body)}", "", ""]).encode() + self.body


def ask(path: str, script: Script, *, stream: bool = False) -> Ask:
    """Return the request to a path of either dialect."""
    if path in _EMBEDDINGS:
        texts = [f"the text with the number {number}, and some more words" for number in range(TEXTS)]
        body = json.dumps({"model": script.model, "input": texts}).encode()
        return Ask(path, body, _EMBEDDINGS[path](script))
    given: dict[str, Any] = {"model": script.model, "stream": stream}
    if path == "/api/generate":
        given["prompt"] = "hi there"
    else:
        given["messages"] = [{"role": "user", "content": "hi there"}]
    chunks = script.chunks if stream else 1
    return Ask(path, json.dumps(given).encode(), _text_judge(path, script, stream), chunks, script.pace_ms)


def reference(one: Ask, script: Script) -> Ask:
    """Return the request of `/v1` that asks for the same: what a target is asked that speaks nothing else."""
    path = "/v1/embeddings" if one.path in _EMBEDDINGS else "/v1/chat/completions"
    return ask(path, script, stream=one.chunks > 1)


def _text_judge(path: str, script: Script, stream: bool) -> Judge:
    chunks = script.chunks if stream else 1
    ends = _ends_well(path, stream)

    def judge(body: bytes) -> str:
        found = _TEXT.findall(body)
        if len(found) != chunks:
            return f"{len(found)} pieces of text instead of {chunks}"
        if script.pace_ms and stream:
            if sorted(found) != found:
                return "pieces of text in the wrong order"
        elif b" w".join(found) != text_after_mark(script):
            return "another text"
        return "" if ends(body) else "no proper end"

    return judge


def _ends_well(path: str, stream: bool) -> Callable[[bytes], bool]:
    if path.startswith("/api/"):
        return lambda body: _DONE_LINE.search(body, max(0, body.rfind(b"\n", 0, -2))) is not None
    if stream:
        return lambda body: body.endswith(b"data: [DONE]\n\n") and _USAGE.search(body, max(0, len(body) - 800)) is None
    return lambda body: body.startswith(b"{") and body.endswith(b"}")


def _openai_vectors(script: Script) -> Judge:
    right = {embeddings_body(script, TEXTS, base64=False), embeddings_body(script, TEXTS, base64=True)}
    return lambda body: "" if body in right else "other vectors"


def _ollama_vectors(script: Script) -> Judge:
    """Decode the first answer; later ones must have the same bytes of vectors, which costs the load nothing."""
    known: list[bytes] = []

    def judge(body: bytes) -> str:
        start, end = body.find(b'"embeddings"'), body.rfind(b"]]")
        vectors = body[start:end]
        if start < 0 or end < 0:
            return "no vectors"
        if vectors not in known:
            if not _are_right(json.loads(body)["embeddings"], script.dimensions):
                return "other vectors"
            known.append(vectors)
        return ""

    return judge


def _are_right(rows: list[list[float]], dimensions: int) -> bool:
    if [len(row) for row in rows] != [dimensions] * TEXTS:
        return False
    return all(
        isclose(got, wanted, rel_tol=1e-5, abs_tol=1e-7)
        for number, row in enumerate(rows)
        for got, wanted in zip(row, vector(dimensions, number), strict=True)
    )


_EMBEDDINGS: dict[str, Callable[[Script], Judge]] = {
    "/v1/embeddings": _openai_vectors,
    "/api/embed": _ollama_vectors,
}
