"""aioresponses for small JSON answers, with responses that it can make of aiohttp 3.14.

Its release of the day leaves out what aiohttp's response wants since then. What streams, breaks or waits is tested over
real sockets (`tests.support.backend`): a mock of it would tell of the mock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import Mock

from aiohttp import ClientResponse
from aioresponses import aioresponses


class _Response(ClientResponse):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"stream_writer": Mock(), **options})


class Answers:
    """What is answered to whom; `asked` are the addresses that were asked, in order."""

    def __init__(self, mock: aioresponses) -> None:
        self._mock = mock

    def get(self, url: str, payload: object, *, status: int = 200) -> None:
        """Answer the next GET of `url` with JSON."""
        self._mock.get(url, payload=payload, status=status, response_class=_Response)

    @property
    def asked(self) -> list[str]:
        """The addresses that were asked."""
        return [str(url) for (_, url), calls in self._mock.requests.items() for _ in calls]


@contextmanager
def mocked_answers() -> Iterator[Answers]:
    """Have every request of any session be answered from here: nothing leaves the process."""
    with aioresponses() as mock:
        yield Answers(mock)
