"""WholeAnswer: an answer whose bytes are all known, written at once: without what aiohttp asks of every other."""

from collections.abc import Callable

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpVersion11
from aiohttp.http_writer import StreamWriter, _serialize_headers
from multidict import CIMultiDict

_STATUS_LINE = "HTTP/1.1 200 OK"


class WholeAnswer(web.Response):
    """A body of `bytes` under `headers`, which name its type and become the answer's own.

    Nearly all are of status 200, to HTTP/1.1, on a connection that is kept: their heads are written with their bodies.
    Every other one goes aiohttp's way. The headers are the same in both, and in the same order, but for `Server`.
    """

    more: Callable[[], str] | None = None
    """Returns the rest of the head, each line with its end, where `on_response_prepare` would add nothing else."""
    _body: bytes
    _status = 200
    _reason = "OK"

    def __init__(self, body: bytes, headers: CIMultiDict[str], *, status: int = 200) -> None:
        # What aiohttp's own does besides is to find out what the body is.
        self._state = {}
        self._headers = headers
        self._body = body
        if status != self._status:
            self._set_status(status, None)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the answer, all of it where that is possible: then `write_eof` has nothing left to do."""
        message, writer = request._message, request.writer
        if (
            self._status != 200
            or message.should_close
            or message.version != HttpVersion11
            or message.method == hdrs.METH_HEAD
            or self._keep_alive is not None
            or self._payload_writer is not None
            or self._eof_sent
            or not isinstance(writer, StreamWriter)
        ):
            return await super().prepare(request)
        self._keep_alive = True
        writer._write((await self._head(request)) + self._body)
        writer._eof = self._eof_sent = True
        self._body_length = writer.output_size
        await writer.drain()
        return None

    async def _head(self, request: web.BaseRequest) -> bytes:
        headers, length = self._headers, str(len(self._body))
        if self.more is None:
            headers[hdrs.CONTENT_LENGTH] = length
            headers[hdrs.DATE] = rfc822_formatted_time()
            await request._prepare_hook(self)
            return _serialize_headers(_STATUS_LINE, headers)
        rest = f"Content-Length: {length}\r\nDate: {rfc822_formatted_time()}\r\n{self.more()}\r\n"
        return _serialize_headers(_STATUS_LINE, headers)[:-2] + rest.encode()
