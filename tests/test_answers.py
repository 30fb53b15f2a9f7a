"""Whole answers against aiohttp's own: the same bytes, written at once where that is possible."""

import re

import pytest
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict
from pytest_aiohttp.plugin import AiohttpServer

from gateway.answers import WholeAnswer
from tests.middlewares.application import talk

BODY = b'{"a": "\xc3\xa9"}'
HEADERS = {"X-Before": "1", "Content-Type": "application/json"}


def application(*, closes: bool = False) -> web.Application:
    """Return an application whose /theirs is answered by aiohttp's own class, and /ours with the same by ours."""

    async def theirs(request: web.Request) -> web.Response:
        return web.Response(body=body(request), headers=HEADERS, status=status(request))

    async def ours(request: web.Request) -> web.Response:
        return WholeAnswer(body(request), CIMultiDict(HEADERS), status=status(request))

    def body(request: web.Request) -> bytes:
        return BODY * int(request.query.get("times", "1"))

    def status(request: web.Request) -> int:
        return int(request.query.get("status", "200"))

    async def complete(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.pop(hdrs.SERVER, None)
        response.headers["X-After"] = "2"
        if closes:
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"

    app = web.Application()
    app.router.add_route("*", "/theirs", theirs)
    app.router.add_route("*", "/ours", ours)
    app.on_response_prepare.append(complete)
    return app


async def said(server: TestServer, request: str) -> bytes:
    """Return what is answered to a request for /theirs and for /ours, which must be the same but for the date."""
    port = server.port or 0
    theirs, ours = [await talk(port, request.replace("PATH", path).encode()) for path in ("/theirs", "/ours")]
    assert _dateless(ours) == _dateless(theirs)
    return ours


def _dateless(answer: bytes) -> bytes:
    return re.sub(rb"\r\nDate: [^\r]+", b"\r\nDate:", answer)


@pytest.mark.parametrize("times", [0, 1, 100_000])
async def test_an_answer_is_the_same_as_aiohttps_own(aiohttp_server: AiohttpServer, times: int) -> None:
    server = await aiohttp_server(application())
    kept = f"GET PATH?times={times} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = f"GET PATH?times={times} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = await said(server, kept + last)
    assert answer.count(b"HTTP/1.1 200 OK\r\nX-Before: 1\r\nContent-Type: application/json\r\nContent-Length: ") == 2
    assert answer.count(b"\r\nX-After: 2\r\n") == 2
    assert answer.endswith(b"\r\n\r\n" + BODY * times)


@pytest.mark.parametrize(
    "request_line", ["GET PATH?status=404 HTTP/1.1", "GET PATH?status=204 HTTP/1.1", "HEAD PATH HTTP/1.1"]
)
async def test_every_other_answer_goes_the_usual_way(aiohttp_server: AiohttpServer, request_line: str) -> None:
    server = await aiohttp_server(application())
    kept = f"{request_line}\r\nHost: localhost\r\n\r\n"
    assert await said(server, kept + kept.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))


@pytest.mark.parametrize("more", ["", "Connection: keep-alive\r\n"])
async def test_a_client_of_http_1_0_is_answered_in_it(aiohttp_server: AiohttpServer, more: str) -> None:
    server = await aiohttp_server(application(closes=True))
    assert b"\r\nConnection: close\r\n" in await said(server, f"GET PATH HTTP/1.0\r\n{more}\r\n")


async def test_a_hook_can_have_the_connection_closed(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(application(closes=True))
    answer = await said(server, "GET PATH HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.endswith(BODY)
    assert answer.count(b"\r\nConnection: close\r\n") == 1


async def test_an_answer_that_was_told_to_close_says_so(aiohttp_server: AiohttpServer) -> None:
    async def close(_: web.Request) -> web.Response:
        answer = WholeAnswer(BODY, CIMultiDict(HEADERS))
        answer.force_close()
        return answer

    app = web.Application()
    app.router.add_get("/", close)
    server = await aiohttp_server(app)
    answer = await talk(server.port or 0, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\n" + BODY)


@pytest.mark.parametrize(
    ("request_line", "more", "usual"),
    [
        ("GET /ours HTTP/1.1", "", 0),
        ("GET /ours?times=100000 HTTP/1.1", "", 0),
        ("GET /ours?status=404 HTTP/1.1", "", 1),
        ("HEAD /ours HTTP/1.1", "", 1),
        ("GET /ours HTTP/1.1", "Connection: close\r\n", 1),
        ("GET /ours HTTP/1.0", "", 1),
    ],
)
async def test_only_what_is_not_usual_takes_aiohttps_way(
    aiohttp_server: AiohttpServer, monkeypatch: pytest.MonkeyPatch, request_line: str, more: str, usual: int
) -> None:
    taken: list[str] = []
    start = web.Response._start

    async def watched(self: web.Response, request: web.BaseRequest) -> AbstractStreamWriter:
        if isinstance(self, WholeAnswer):
            taken.append(request.path)
        return await start(self, request)

    monkeypatch.setattr(web.Response, "_start", watched)
    server = await aiohttp_server(application())
    last = b"" if more or "1.0" in request_line else b"GET /theirs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    await talk(server.port or 0, f"{request_line}\r\nHost: localhost\r\n{more}\r\n".encode() + last)
    assert len(taken) == usual
