"""What a healthy backend says, and whole scripts made of it."""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.backend import JSON, SSE, Step, close, end, head, send

DONE = b"data: [DONE]\n\n"
WORDS = tuple(f"word{number} " for number in range(12))
TEXT = "".join(WORDS)


def event(value: object) -> bytes:
    """Return one event of a stream."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(**fields: Any) -> bytes:
    """Return a chat chunk."""
    return event(
        {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": fields}]}
    )


def token(text: str) -> bytes:
    """Return a chat chunk with a piece of text."""
    return delta(content=text)


ROLE = delta(role="assistant", content="")


def finish(reason: str = "stop") -> bytes:
    """Return the chunk with the finish reason."""
    return event({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


def usage(prompt: int = 7, completion: int = 12) -> bytes:
    """Return the chunk with the counts."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return event({"id": "c1", "model": "m", "choices": [], "usage": counts})


def whole_stream() -> bytes:
    """Return a whole stream of TEXT."""
    return b"".join([ROLE, *(token(word) for word in WORDS), finish(), usage(), DONE])


def stream(*events: bytes) -> list[Step]:
    """Send a stream, TEXT if no events are given, and end it properly."""
    return [head(200, SSE), send(*(events or (whole_stream(),))), end]


def completion(text: str = TEXT, **fields: Any) -> dict[str, Any]:
    """Return a plain answer."""
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 12, "total_tokens": 19},
        **fields,
    }


def embeddings(*vectors: list[float]) -> dict[str, Any]:
    """Return a plain answer to a request for embeddings."""
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return {"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 5, "total_tokens": 5}}


def body(
    data: bytes, *, status: int = 200, content_type: str | None = JSON, headers: Mapping[str, str] | None = None
) -> list[Step]:
    """Send a whole body."""
    return [head(status, content_type, length=len(data), headers=headers or {}), send(data)]


def plain(value: object | None = None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> list[Step]:
    """Send a JSON body: a completion of TEXT if no value is given."""
    return body(json.dumps(completion() if value is None else value).encode(), status=status, headers=headers)


def error(
    status: int, message: str = "it broke", *, headers: Mapping[str, str] | None = None, **fields: Any
) -> list[Step]:
    """Send an error as OpenAI does."""
    detail = {"message": message, "type": "some_type", "param": None, "code": None, **fields}
    return plain({"error": detail}, status=status, headers=headers)


def until_closed(data: bytes, content_type: str = SSE) -> list[Step]:
    """Send a body that ends with the connection: nobody can tell whether it was cut."""
    return [head(200, content_type, close=True), send(data), close]
