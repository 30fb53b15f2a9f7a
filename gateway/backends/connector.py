"""The connector to backends: aiohttp's own, but for what it repeats with every piece of a stream."""

from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler


class _Reading(ResponseHandler):
    """The receiving side of a connection.

    aiohttp 3.14 wakes parser and transport after each piece that was taken out of a body, whether or not they were
    stopped; a stream of tokens has one for each token. Here they are woken where they had been stopped.
    """

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on after a pause."""
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)


class Connector(aiohttp.TCPConnector):
    """A TCPConnector, with its arguments."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        make: type[ResponseHandler] = _Reading
        self._factory = partial(make, loop=self._loop)
