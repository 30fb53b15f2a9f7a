"""What a wire sends and receives: the same as aiohttp's own client, over connections kept or closed as there."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from gateway.backends.responses import Response
from gateway.backends.sessions import create_session
from gateway.backends.wire import Wire
from gateway.config import BackendConfig
from tests.support.backend import LONG_S, Call, ScriptedBackend, close, end, hang, head, raw, reached, reset, send, wait

NEVER = aiohttp.ClientTimeout(total=None)
LARGE = b"[" + b" " * 200_000 + b"]"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """The session that a gateway asks with."""
    async with create_session(BackendConfig()) as session:
        yield session


def given(**more: str) -> CIMultiDict[str]:
    return CIMultiDict({"Content-Type": "application/json", "Accept-Encoding": "identity", **more})


async def ask(wire: Wire, backend: ScriptedBackend, body: bytes = b"{}", **headers: str) -> Response:
    url = URL(f"{backend.url}/chat/completions")
    return await wire.post(url, given(**headers), body, tls=True, connecting=NEVER, within_s=LONG_S)


async def body_of(response: Response) -> bytes:
    pieces = bytearray()
    while piece := await response.content.readany():
        pieces += piece
    return bytes(pieces)


async def noticed(session: aiohttp.ClientSession) -> None:
    """Wait until the session has seen that its connections were closed."""
    connector = session.connector
    assert connector is not None
    async with asyncio.timeout(LONG_S):
        while any(protocol.is_connected() for kept in connector._conns.values() for protocol, _ in kept):
            await asyncio.sleep(0.01)


def sent(call: Call) -> tuple[str, str, list[tuple[str, str]], bytes]:
    return call.method, call.path, sorted((name.lower(), value) for name, value in call.headers.items()), call.body


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("headers", [{}, {"User-Agent": "ours", "Authorization": "Bearer a-key"}])
async def test_a_backend_receives_what_aiohttp_sends(
    backend: ScriptedBackend, headers: dict[str, str], pooled: bool
) -> None:
    backend.play([head(), send(b"data"), end])
    url = URL(f"{backend.url}/chat/completions?version=1")
    async with create_session(BackendConfig(), pooled=pooled) as session:
        async with session.post(url, data=b'{"a":1}', headers=given(**headers), allow_redirects=False) as by_aiohttp:
            await by_aiohttp.read()
        ours = await Wire(session).post(url, given(**headers), b'{"a":1}', tls=True, connecting=NEVER, within_s=LONG_S)
        assert await body_of(ours) == b"data"
    assert sent(backend.calls[1]) == sent(backend.calls[0])


async def test_a_connection_goes_back_with_the_last_byte(
    backend: ScriptedBackend, session: aiohttp.ClientSession
) -> None:
    backend.play([head(length=4), raw(b"data")])
    wire = Wire(session)
    for _ in range(3):
        response = await ask(wire, backend)
        assert await body_of(response) == b"data"
        response.close()  # too late to close what was given back
    assert {call.connection for call in backend.calls} == {backend.calls[0].connection}


async def test_a_connection_is_closed_with_an_answer_that_was_not_read(
    backend: ScriptedBackend, session: aiohttp.ClientSession
) -> None:
    backend.play([head(), send(b"some")])
    wire = Wire(session)
    (await ask(wire, backend)).close()
    (await ask(wire, backend)).release()
    for call in backend.calls:
        await call.left()
    assert backend.calls[0].connection != backend.calls[1].connection


async def test_a_connection_is_closed_when_nobody_waits_any_longer(
    backend: ScriptedBackend, session: aiohttp.ClientSession
) -> None:
    backend.play([wait(asyncio.Event())])
    asking = asyncio.create_task(ask(Wire(session), backend))
    call = await backend.call()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await call.left()


async def test_an_unpooled_session_makes_a_connection_for_each_request(backend: ScriptedBackend) -> None:
    backend.play([head(length=4), raw(b"data")])
    async with create_session(BackendConfig(), pooled=False) as session:
        wire = Wire(session)
        for _ in range(2):
            assert await body_of(await ask(wire, backend)) == b"data"
    first, second = backend.calls
    assert first.connection != second.connection
    assert first.headers["Connection"] == "close"


async def test_what_comes_before_the_answer_is_passed_over(
    backend: ScriptedBackend, session: aiohttp.ClientSession
) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    backend.play([raw(b"HTTP/1.1 100 Continue\r\n\r\n"), raw(early), head(201, length=4), raw(b"data")])
    response = await ask(Wire(session), backend)
    assert response.status == 201
    assert response.headers["Content-Length"] == "4"
    assert await body_of(response) == b"data"


async def test_a_body_without_a_length_ends_with_its_connection(
    backend: ScriptedBackend, session: aiohttp.ClientSession
) -> None:
    backend.play([head(close=True), raw(b"data"), close])
    assert await body_of(await ask(Wire(session), backend)) == b"data"


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_gives_its_connection_back(
    backend: ScriptedBackend, session: aiohttp.ClientSession, status: int
) -> None:
    backend.play([raw(b"HTTP/1.1 %d Whatever\r\n\r\n" % status)])
    wire = Wire(session)
    for _ in range(2):
        response = await ask(wire, backend)
        assert (response.status, await body_of(response)) == (status, b"")
    assert {call.connection for call in backend.calls} == {backend.calls[0].connection}


async def test_a_connection_that_speaks_something_else_from_now_on_is_never_asked_again(
    backend: ScriptedBackend, session: aiohttp.ClientSession
) -> None:
    backend.play([raw(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\nnoise")])
    response = await ask(Wire(session), backend)
    assert response.status == 101
    response.close()
    await backend.calls[0].left()


@pytest.mark.parametrize("first", [LARGE, b"{}"])
async def test_a_redirect_is_an_answer_like_others(
    backend: ScriptedBackend, session: aiohttp.ClientSession, first: bytes
) -> None:
    backend.play([head(307, length=0, headers={"Location": "/elsewhere"})])
    response = await ask(Wire(session), backend, first)
    assert response.status == 307
    response.close()
    assert len(backend.calls) == 1


async def test_a_large_body_arrives_whole_and_may_be_refused_before(
    backend: ScriptedBackend, session: aiohttp.ClientSession
) -> None:
    backend.play([head(413, length=4), raw(b"data")])
    response = await ask(Wire(session), backend, LARGE)
    assert (response.status, await body_of(response)) == (413, b"data")
    assert backend.calls[0].body == LARGE


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (raw(b"garbage\r\n\r\n"), aiohttp.ClientPayloadError),
        (raw(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 40_000 + b"\r\n\r\n"), aiohttp.ClientPayloadError),
        (close, aiohttp.ServerDisconnectedError),
        (reset, aiohttp.ClientOSError),
    ],
)
async def test_what_is_no_answer_is_an_error_of_the_client(
    backend: ScriptedBackend, session: aiohttp.ClientSession, answer: object, error: type[Exception]
) -> None:
    backend.play([answer])  # type: ignore[list-item]
    with pytest.raises(error):
        await ask(Wire(session), backend)


async def test_a_header_cannot_end_its_line(backend: ScriptedBackend, session: aiohttp.ClientSession) -> None:
    reached_it = asyncio.Event()
    backend.play([reached(reached_it)])
    with pytest.raises(ValueError, match="control"):
        await ask(Wire(session), backend, b"{}", **{"X-Request-ID": "a\r\nX-Other: b"})
    assert not reached_it.is_set()
    assert not backend.calls


async def test_nobody_is_asked_through_a_session_that_is_closed(backend: ScriptedBackend) -> None:
    async with create_session(BackendConfig()) as session:
        wire = Wire(session)
    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(wire, backend)


async def test_places_that_are_gone_are_not_kept_for_ever(
    backend: ScriptedBackend, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.backends.wire._MOST_PLACES", 3)
    backend.play([head(length=0)])
    wire = Wire(session)
    for number in range(8):
        url = URL(f"{backend.url}/{number}")
        (await wire.post(url, given(), b"{}", tls=True, connecting=NEVER, within_s=LONG_S)).close()
        assert len(wire._places) <= 3
    assert [call.path for call in backend.calls] == [f"/v1/{number}" for number in range(8)]


@pytest.mark.parametrize("body", [b"{}", LARGE])
async def test_an_answer_that_does_not_begin_in_time_is_not_waited_for(
    backend: ScriptedBackend, session: aiohttp.ClientSession, body: bytes
) -> None:
    backend.play([hang])
    url = URL(f"{backend.url}/chat/completions")
    with pytest.raises(TimeoutError) as caught:
        await Wire(session).post(url, given(), body, tls=True, connecting=NEVER, within_s=0.05)
    assert not isinstance(caught.value, aiohttp.ClientError)
    await backend.calls[0].left()


async def test_a_body_may_take_longer_than_its_head(backend: ScriptedBackend, session: aiohttp.ClientSession) -> None:
    go_on = asyncio.Event()
    backend.play([head(length=4), wait(go_on), raw(b"data")])
    url = URL(f"{backend.url}/chat/completions")
    wire = Wire(session)
    response = await wire.post(url, given(), b"{}", tls=True, connecting=NEVER, within_s=0.3)
    await asyncio.sleep(0.4)
    go_on.set()
    assert await body_of(response) == b"data"
    assert await body_of(await ask(wire, backend)) == b"data"
    assert backend.calls[0].connection == backend.calls[1].connection, "the clock of the head ended with it"


async def test_a_connection_that_is_not_made_is_told_apart(session: aiohttp.ClientSession) -> None:
    connecting = aiohttp.ClientTimeout(total=None, sock_connect=0.05)
    errors: list[TimeoutError] = []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as nobody_accepts:
        url = URL(f"http://127.0.0.1:{nobody_accepts.getsockname()[1]}/v1")
        for _ in range(5):  # the first ones are taken in by the system
            with pytest.raises(TimeoutError) as caught:
                await Wire(session).post(url, given(), b"{}", tls=True, connecting=connecting, within_s=0.3)
            errors.append(caught.value)
    assert isinstance(errors[-1], aiohttp.ConnectionTimeoutError)
    assert not isinstance(errors[0], aiohttp.ClientError)


async def test_connections_that_were_closed_or_kept_too_long_are_passed_over(backend: ScriptedBackend) -> None:
    backend.play([head(length=4), raw(b"data")])
    async with create_session(BackendConfig.model_validate({"KEEPALIVE_TIMEOUT": "0.05"})) as session:
        wire = Wire(session)
        for _ in range(2):
            assert await body_of(await ask(wire, backend)) == b"data"
            await asyncio.sleep(0.1)
        backend.play([head(length=4), raw(b"data"), close])
        assert await body_of(await ask(wire, backend)) == b"data"
        await backend.calls[2].left()
        await noticed(session)
        assert await body_of(await ask(wire, backend)) == b"data"
    assert len({call.connection for call in backend.calls}) == 4
