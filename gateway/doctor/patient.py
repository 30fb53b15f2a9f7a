"""Patient: one model being asked; what it refuses is left out of the questions that follow."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from gateway.codecs.chat_reader import ChatReader
from gateway.codecs.contract import BackendReader, Profile
from gateway.codecs.embed_reader import EmbedReader
from gateway.codecs.options import without
from gateway.codecs.refusals import ESSENTIAL, refused_parameter
from gateway.doctor.line import Line, Reply
from gateway.errors import ProxyException

ROOM = 24
"""Tokens for an answer of a few words."""
MORE_ROOM = 96
"""Tokens for a call or a small JSON object."""
THINKING_ROOM = 256
"""More, where a model thinks first and cannot be stopped."""
GREETING = "Say hello."

_MOST_REFUSALS = 12


class Patient:
    """One model of one backend. `refused`: parameters that it was seen (or is known) to refuse.

    `calm` are parameters that stop its thinking, found while asking; `thinks_always`: it thinks and nothing stops it.
    """

    def __init__(self, line: Line, model: str, profile: Profile, refused: Collection[str] = ()) -> None:
        self._line = line
        self.model = model
        self.profile = profile
        self.refused = set(refused)
        self.calm: Mapping[str, Any] = {}
        self.thinks_always = False

    @property
    def secrets(self) -> list[str]:
        """What no text about it may hold."""
        return self._line.secrets

    async def chat(
        self,
        fields: Mapping[str, Any] | None = None,
        *,
        content: str | list[dict[str, Any]] = GREETING,
        room: int = ROOM,
        essential: bool = True,
    ) -> Reply:
        """Ask one question of one message. `essential`: without `fields` the question would be pointless."""
        asked = dict(fields or {})
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            self.profile.max_tokens: room + (THINKING_ROOM if self.thinks_always else 0),
            **self.calm,
            **asked,
        }
        return await self._ask("/chat/completions", body, frozenset(asked if essential else ()))

    async def embed(self, texts: list[str], fields: Mapping[str, Any] | None = None) -> Reply:
        """Ask for the vectors of `texts`; one text goes as a string."""
        asked = dict(fields or {})
        body = {"model": self.model, "input": texts if len(texts) > 1 else texts[0], **asked}
        return await self._ask("/embeddings", body, frozenset(asked), len(texts))

    async def _ask(self, path: str, body: Mapping[str, Any], kept: frozenset[str], vectors: int = 0) -> Reply:
        """Ask, and ask again without what is refused, as the gateway does. Raises ProxyException."""
        for _ in range(_MOST_REFUSALS):
            sent = without(body, self.refused - kept, self.profile)
            try:
                return await self._line.ask(path, sent, _reader(vectors))
            except ProxyException as error:
                refusal = refused_parameter(error, sent.keys())
                if refusal is None or any(name in kept or name in ESSENTIAL for name in refusal.parameters):
                    raise
                self.refused.update(refusal.parameters)
        return await self._line.ask(path, without(body, self.refused - kept, self.profile), _reader(vectors))


def _reader(vectors: int) -> Callable[[], BackendReader]:
    return partial(EmbedReader, vectors) if vectors else ChatReader
