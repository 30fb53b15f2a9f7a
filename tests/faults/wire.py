"""What the misbehaving backend says when it is well: two texts of sixty words, as events and as one object."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_MAIN = (
    "A good gateway is dull on a fine day: words go through it and nobody looks. Its worth shows when the line breaks, "
    "when a server naps, or when half of a reply never comes. Then it must say what is true, ask somebody else, and "
    "never pass a naïve fragment off as the answer — not even once. ☂"
)
_SPARE = (
    "Here speaks the other one, kept for days when the first does not: smaller, slower, seldom praised, yet awake. It "
    "knows nothing of what was said before, so it starts again from the very beginning, finishes all of its own "
    "sentences, leaves its own name below them, counts its own tokens and claims none from anybody else. Good — done."
)
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Voice:
    """Who answers: the text, word by word, and the tokens of a question to it."""

    text: str
    prompt_tokens: int

    @property
    def words(self) -> list[str]:
        """The text in sixty pieces, which joined are the text."""
        first, *others = self.text.split(" ")
        return [first, *(f" {word}" for word in others)]

    @property
    def usage(self) -> tuple[int, int]:
        """The counts of a whole answer: prompt and completion."""
        return self.prompt_tokens, len(self.words)


PRIMARY = Voice(_MAIN, 21)
SPARE = Voice(_SPARE, 34)
SPARE_MODEL = "spare"
"""The name of the model that everything falls back to."""


@dataclass(frozen=True, slots=True)
class Speech:
    """One answer under way: as whom, under which model's name."""

    voice: Voice
    model: str
    number: int = 0

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        """Return one event of a stream."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return b"data: %b\n\n" % json.dumps(self._frame("chat.completion.chunk", [choice])).encode()

    def opening(self) -> bytes:
        """Return the event with the role, which is no output."""
        return self.chunk({"role": "assistant", "content": ""})

    def tokens(self) -> Iterator[bytes]:
        """Yield the sixty events of the text."""
        for word in self.voice.words:
            yield self.chunk({"content": word})

    def closing(self) -> bytes:
        """Return the events after the text: finish reason and usage."""
        usage = {**self._frame("chat.completion.chunk", []), "usage": self.usage()}
        return self.chunk({}, "stop") + b"data: %b\n\n" % json.dumps(usage).encode()

    def stream(self) -> bytes:
        """Return all events."""
        return b"".join([self.opening(), *self.tokens(), self.closing(), DONE])

    def plain(self) -> bytes:
        """Return the answer in one piece."""
        message = {"role": "assistant", "content": self.voice.text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return json.dumps({**self._frame("chat.completion", [choice]), "usage": self.usage()}).encode()

    def usage(self) -> dict[str, int]:
        """Return the counts as OpenAI writes them."""
        prompt, completion = self.voice.usage
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    def _frame(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        number, created = f"chatcmpl-{self.number}", int(time.time())
        return {"id": number, "object": kind, "created": created, "model": self.model, "choices": choices}


def error_body(message: str, code: str | None = None, kind: str = "server_error") -> bytes:
    """Return an error as OpenAI writes it."""
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()
