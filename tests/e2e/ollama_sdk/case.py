"""What a case is, and the client it is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import ollama

from tests.e2e.both_kinds import answered, streamed


@dataclass(slots=True)
class Recorder:
    """A `Client` or `AsyncClient` that notes which of its methods were called."""

    _client: Any
    called: set[str] = field(default_factory=set)

    def __getattr__(self, name: str) -> Any:
        self.called.add(name)
        return getattr(self._client, name)

    def another(self, *, host: str) -> tuple["Recorder", Any]:
        """A second client of the same kind: its recorder, which shares the notes, and itself."""
        client = type(self._client)(host=host)
        return Recorder(client, self.called), client


type Body = Callable[[Recorder], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """A case and the feature it needs, which not every version has."""

    body: Body
    feature: str | None

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self.body, "__name__", repr(self.body))


CASES: list[Case] = []


def case(feature: str | None = None) -> Callable[[Body], Body]:
    """Adds a function to the cases."""

    def add(body: Body) -> Body:
        CASES.append(Case(body, feature))
        return body

    return add


async def refused(call: Callable[[], Any]) -> ollama.ResponseError:
    """The error that a call ends with, at once or while its stream is read."""
    try:
        result = await answered(call())
        if not isinstance(result, dict) and (hasattr(result, "__anext__") or hasattr(result, "__next__")):
            result = await streamed(result)
    except ollama.ResponseError as error:
        return error
    raise AssertionError(f"was answered: {result!r}")
