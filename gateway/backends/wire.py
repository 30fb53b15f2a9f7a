"""Wire: one POST to a backend over the connections of a session, and the head of what comes back.

aiohttp's `ClientSession.post` costs three times its server: for every request it builds anew what redirects, cookies,
proxies, traces and uploads may need, and a backend is asked with none of them. Here the same connector gives the
connection and the same parser reads the answer; the head is written with the body, at once.
"""

import asyncio
import ssl
from io import BytesIO
from typing import Any, Final

import aiohttp
from aiohttp import hdrs
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_writer import _serialize_headers
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from gateway.backends.responses import Response
from gateway.backends.sessions import READING, Connector

_AT_ONCE_BYTES: Final = 64 * 1024
_MOST_PLACES: Final = 1024
_SWITCHED: Final = 101
"""The one status below 200 that is not followed by another: the connection speaks something else from then on."""


class Wire:
    """Asks over the connections of one session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._places: dict[tuple[URL, ssl.SSLContext | bool], _Place] = {}

    async def post(
        self,
        url: URL,
        headers: CIMultiDict[str],
        body: bytes,
        *,
        tls: ssl.SSLContext | bool,
        connecting: aiohttp.ClientTimeout,
        within_s: float,
    ) -> Response:
        """Send `body`, return the answer once its head is there. Redirects are answers like others.

        Raises aiohttp.ClientError or ConnectionError, and TimeoutError where no head comes within `within_s`. What
        `connecting` bounds is how long a new connection takes: aiohttp.ConnectionTimeoutError.
        """
        if len(body) > _AT_ONCE_BYTES:
            # Piece by piece, while the answer is awaited already: a backend may refuse it before it is all there.
            data = aiohttp.BytesIOPayload(BytesIO(body))
            async with asyncio.timeout(within_s):
                return await self._session.post(
                    url, data=data, headers=headers, allow_redirects=False, ssl=tls, timeout=connecting
                )
        loop = asyncio.get_running_loop()
        due_s = loop.time() + within_s
        place = self._place(url, tls)
        connector = self._session.connector
        if connector is None:
            raise aiohttp.ClientConnectionError("the session is closed")
        connection = connector.kept(place.connection_key) if isinstance(connector, Connector) else None
        if connection is None:
            async with asyncio.timeout_at(due_s):
                connection = await _connected(connector, place, connecting)
        try:
            _send(connection, place.head(headers, len(body), closing=connector.force_close) + body)
            return await _received(connection, loop, due_s)
        except BaseException:
            connection.close()
            raise

    def _place(self, url: URL, tls: ssl.SSLContext | bool) -> "_Place":
        place = self._places.get((url, tls))
        if place is None:
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            place = self._places[url, tls] = _Place(url, tls, self._session)
        return place


class _Place(aiohttp.ClientRequest):
    """What a connector wants to know of where it connects to: never sent itself, and the same for all that are."""

    def __init__(self, url: URL, tls: ssl.SSLContext | bool, session: aiohttp.ClientSession) -> None:
        super().__init__(hdrs.METH_POST, url, ssl=tls, session=session, headers=session.headers)
        self._key = super().connection_key
        self._line = f"{hdrs.METH_POST} {url.raw_path_qs} HTTP/1.1"
        names = hdrs.HOST, *session.headers
        self._always: CIMultiDict[str] = CIMultiDict((name, self.headers[name]) for name in names)

    @property
    def connection_key(self) -> Any:
        """Which connections lead there."""
        return self._key

    def head(self, headers: CIMultiDict[str], length: int, *, closing: bool) -> bytes:
        """Return line and headers of a request with a body of `length` bytes, up to the empty line."""
        sent = self._always.copy()
        sent.update(headers)
        sent[hdrs.CONTENT_LENGTH] = str(length)
        if closing:
            sent[hdrs.CONNECTION] = "close"
        return _serialize_headers(self._line, sent)


class _Received:
    """An answer whose head is there; its connection goes back with the last byte of the body."""

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(
        self, connection: Connection, status: int, headers: CIMultiDictProxy[str], content: aiohttp.StreamReader
    ) -> None:
        self._connection: Connection | None = connection
        self.status = status
        self.headers = headers
        self.content = content
        content.on_eof(self.release)

    def release(self) -> None:
        """Give the connection back; one whose body was not read to its end is closed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    def close(self) -> None:
        """Close the connection, unless it was given back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _send(connection: Connection, data: bytes) -> None:
    """Write a whole request; what does not fit into the socket's buffer follows by itself."""
    protocol = connection.protocol
    transport = connection.transport
    if protocol is None or transport is None or transport.is_closing():
        raise aiohttp.ClientConnectionResetError("the connection was closed before the request was sent")
    protocol.set_response_params(read_until_eof=True, **READING)
    transport.write(data)


async def _connected(connector: aiohttp.BaseConnector, place: _Place, connecting: aiohttp.ClientTimeout) -> Connection:
    try:
        return await connector.connect(place, [], connecting)
    except TimeoutError as error:
        raise aiohttp.ConnectionTimeoutError("the connection was not made in time") from error


async def _received(connection: Connection, loop: asyncio.AbstractEventLoop, due_s: float) -> _Received:
    """Return the answer, but for its body. One timer, which wakes the reading: no task has to be cancelled."""
    protocol = connection.protocol
    if protocol is None:
        raise aiohttp.ClientConnectionResetError("the connection was closed before the answer")
    timer = loop.call_at(due_s, protocol.set_exception, TimeoutError("no answer in time"))
    try:
        message, content = await protocol.read()
        while message.code < 200 and message.code != _SWITCHED:
            message, content = await protocol.read()
    except HttpProcessingError as error:
        raise aiohttp.ClientPayloadError("the answer is broken HTTP") from error
    finally:
        timer.cancel()
    return _Received(connection, message.code, message.headers, content)
