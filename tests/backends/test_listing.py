"""Reading the list of a backend, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from yarl import URL

from gateway.backends.backend import Backend
from gateway.backends.listing import ATTEMPTS, MAX_LIST_BYTES, ModelLister
from gateway.errors import (
    ProxyException,
    TranslationError,
    UpstreamConnectionError,
    UpstreamStatusError,
    UpstreamTimeoutError,
)

OWN_KEY = "backend-key-1234567"
CLIENT_KEY = "client-key-1234567"

type Reply = Callable[[web.Request], web.StreamResponse]


class ListServer:
    """Answers `GET /v1/models` with each of `replies` in turn, the last for ever; remembers what was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [lambda _: web.json_response({"data": [{"id": "a"}]})]
        self.requests: list[web.Request] = []
        self.held = asyncio.Event()
        self.held.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        await self.held.wait()
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply(request)


@pytest.fixture
async def listing() -> ListServer:
    return ListServer()


@pytest.fixture
async def base_url(listing: ListServer) -> AsyncIterator[URL]:
    app = web.Application()
    app.router.add_get("/v1/models", listing.answer)
    async with TestServer(app) as server:
        yield server.make_url("/v1")
        listing.held.set()


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession(
        connector=TCPConnector(limit=2), timeout=ClientTimeout(total=None, sock_connect=5)
    ) as session:
        yield session


def backend_at(url: URL, *, key: str | None = OWN_KEY) -> Backend:
    secret = SecretStr(key) if key is not None else None
    return Backend("main", url, api_key=secret, pass_client_key=key is None)


async def failure(lister: ModelLister, client_key: str | None = None) -> ProxyException:
    with pytest.raises(ProxyException) as raised:
        await lister.fetch(client_key)
    return raised.value


async def test_the_list_is_asked_for_with_the_backends_own_key(
    listing: ListServer, base_url: URL, session: ClientSession
) -> None:
    models = await ModelLister(session, backend_at(base_url), 10).fetch(CLIENT_KEY)
    assert [model.id for model in models] == ["a"]
    (request,) = listing.requests
    assert request.headers["Authorization"] == f"Bearer {OWN_KEY}"
    assert request.headers["Accept-Encoding"] == "identity"
    assert "Content-Type" not in request.headers


async def test_the_list_is_asked_for_with_the_clients_key_where_the_gateway_has_none(
    listing: ListServer, base_url: URL, session: ClientSession
) -> None:
    lister = ModelLister(session, backend_at(base_url, key=None), 10)
    await lister.fetch(CLIENT_KEY)
    await lister.fetch(None)
    assert [request.headers.get("Authorization") for request in listing.requests] == [f"Bearer {CLIENT_KEY}", None]


async def test_a_list_of_thousands_is_read(listing: ListServer, base_url: URL, session: ClientSession) -> None:
    body = json.dumps([{"id": f"model-{number}", "about": "x" * 100} for number in range(5000)]).encode()
    listing.replies = [lambda _: web.Response(body=body)]
    assert len(await ModelLister(session, backend_at(base_url), 30).fetch(None)) == 5000


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_failing_backend_is_asked_again(
    status: int, listing: ListServer, base_url: URL, session: ClientSession
) -> None:
    listing.replies.insert(0, lambda _: web.Response(status=status, text="busy"))
    assert len(await ModelLister(session, backend_at(base_url), 10).fetch(None)) == 1
    assert len(listing.requests) == 2


async def test_a_backend_that_goes_on_failing_is_asked_a_few_times_and_its_error_passes(
    listing: ListServer, base_url: URL, session: ClientSession
) -> None:
    listing.replies = [lambda _: web.json_response({"error": {"message": "loading", "code": "busy"}}, status=503)]
    error = await failure(ModelLister(session, backend_at(base_url), 10))
    assert isinstance(error, UpstreamStatusError)
    assert (error.status, error.message, error.code) == (503, "loading", "busy")
    assert len(listing.requests) == ATTEMPTS


async def test_a_backend_that_says_when_to_come_back_is_not_asked_again_at_once(
    listing: ListServer, base_url: URL, session: ClientSession
) -> None:
    listing.replies = [lambda _: web.Response(status=429, headers={"Retry-After": "7"}, text="slow down")]
    error = await failure(ModelLister(session, backend_at(base_url), 10))
    assert isinstance(error, UpstreamStatusError)
    assert (error.status, error.retry_after_s, error.headers["Retry-After"]) == (429, 7, "7")
    assert len(listing.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_a_refusal_is_not_asked_again(
    status: int, listing: ListServer, base_url: URL, session: ClientSession
) -> None:
    listing.replies = [lambda _: web.json_response({"error": {"message": "no"}}, status=status)]
    error = await failure(ModelLister(session, backend_at(base_url), 10))
    assert isinstance(error, UpstreamStatusError)
    assert (error.status, error.message) == (status, "no")
    assert len(listing.requests) == 1


async def test_refused_answers_with_large_unread_bodies_do_not_use_up_the_two_connections(
    listing: ListServer, base_url: URL, session: ClientSession
) -> None:
    listing.replies = [lambda _: web.Response(status=503, body=b"x" * 4_000_000)]
    lister = ModelLister(session, backend_at(base_url), 30)
    for _ in range(3):
        assert (await failure(lister)).status == 503


async def test_keys_never_stand_in_an_error(listing: ListServer, base_url: URL, session: ClientSession) -> None:
    quoting = {
        "error": {"message": f"bad key {OWN_KEY} {CLIENT_KEY}", "type": OWN_KEY, "param": OWN_KEY, "code": OWN_KEY}
    }
    listing.replies = [lambda _: web.json_response(quoting, status=401)]
    error = await failure(ModelLister(session, backend_at(base_url), 10), CLIENT_KEY)
    assert isinstance(error, UpstreamStatusError)
    assert error.message.startswith("bad key ***")
    shown = [error.message, error.error_type, error.param, error.code]
    assert not [text for text in shown if text is None or OWN_KEY in text or CLIENT_KEY in text]


async def test_a_redirect_is_an_error_and_is_not_followed(
    listing: ListServer, base_url: URL, session: ClientSession
) -> None:
    listing.replies = [lambda request: web.Response(status=302, headers={"Location": str(request.url)})]
    error = await failure(ModelLister(session, backend_at(base_url), 10))
    assert isinstance(error, TranslationError)
    assert "302" in error.message
    assert len(listing.requests) == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (lambda _: web.Response(text="<html>hello</html>", content_type="text/html"), "HTML"),
        (lambda _: web.Response(body=b""), "nothing"),
        (lambda _: web.json_response({"hello": 1}), "not a list"),
    ],
)
async def test_an_answer_that_is_no_list_is_an_error_that_says_so(
    reply: Reply, reason: str, listing: ListServer, base_url: URL, session: ClientSession
) -> None:
    listing.replies = [reply]
    error = await failure(ModelLister(session, backend_at(base_url), 10))
    assert isinstance(error, TranslationError)
    assert reason in error.message
    assert len(listing.requests) == 1


async def test_an_endless_list_is_refused(listing: ListServer, base_url: URL, session: ClientSession) -> None:
    listing.replies = [lambda _: web.Response(body=b"[" + b" " * MAX_LIST_BYTES + b"]")]
    error = await failure(ModelLister(session, backend_at(base_url), 60))
    assert isinstance(error, TranslationError)
    assert "larger than" in error.message


async def test_a_silent_backend_is_a_timeout_and_is_asked_once(
    listing: ListServer, base_url: URL, session: ClientSession
) -> None:
    listing.held.clear()
    error = await failure(ModelLister(session, backend_at(base_url), 0.05))
    assert isinstance(error, UpstreamTimeoutError)
    assert error.clock == "total"
    assert len(listing.requests) <= 1


async def test_an_unreachable_backend_is_a_connection_error(session: ClientSession) -> None:
    async with TestServer(web.Application()) as server:
        url = server.make_url("/v1")
    error = await failure(ModelLister(session, backend_at(url), 10))
    assert isinstance(error, UpstreamConnectionError)
    assert error.phase == "connect"
    assert str(url.port) not in error.message


async def test_a_list_that_is_cut_is_a_connection_error(session: ClientSession) -> None:
    async def cut(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"data":[')
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await failure(ModelLister(session, backend_at(URL(f"http://127.0.0.1:{port}/v1")), 10))
    assert isinstance(error, UpstreamConnectionError)
    assert error.phase == "cut"


async def test_a_connection_that_is_closed_unanswered_is_tried_again(session: ClientSession) -> None:
    connections = 0

    async def close_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        if connections > 2:  # aiohttp itself asks a second time, at once
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n[{"id":"a"}]')
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(close_twice, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        models = await ModelLister(session, backend_at(URL(f"http://127.0.0.1:{port}")), 10).fetch(None)
    assert [model.id for model in models] == ["a"]
    assert connections == 3


async def test_the_session_stays_open_for_its_owner(base_url: URL, session: ClientSession) -> None:
    await ModelLister(session, backend_at(base_url), 10).fetch(None)
    assert not session.closed
