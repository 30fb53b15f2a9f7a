import pytest
from aiohttp import web
from multidict import CIMultiDict
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from gateway.answers import WholeAnswer
from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
from gateway.lifecycle import Lifecycle
from gateway.middlewares.headers import PAGE_POLICY, name_no_server
from gateway.stopping import say_close
from tests.middlewares.application import answering, build, raising, talk

SECURITY = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}


def streams(routes: RouteTable) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        before = request[EXCHANGE].prepared
        await response.prepare(request)
        await response.write(f"{before} {request[EXCHANGE].prepared}".encode())
        return response

    routes.add("GET", "/streams", stream, dialect=Dialect.OLLAMA)


async def test_streams_carry_the_request_id_and_no_server(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(streams))
    response = await client.get("/streams", headers={"X-Request-ID": "mine"})
    assert response.headers["X-Request-ID"] == "mine"
    assert "Server" not in response.headers


async def test_the_exchange_knows_that_the_answer_was_prepared(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(streams))
    assert await (await client.get("/streams")).text() == "False True"


async def test_whole_answers_and_errors_name_no_server(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering()))
    for path in ("/answers", "/nowhere"):
        assert "Server" not in (await client.get(path)).headers


async def test_an_answer_made_before_the_middlewares_is_left_in_peace(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(build(answering()))
    request = b"GET /answers HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\nConnection: close\r\n\r\n"
    answer = await talk(server.port or 0, request)
    assert answer.startswith(b"HTTP/1.1 417 ")
    assert b"server:" not in answer.lower()


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/streams", {}, 200),
        ("GET", "/answers", {}, 200),
        ("POST", "/fails", {}, 500),
        ("GET", "/nowhere", {}, 404),
        ("DELETE", "/answers", {}, 405),
        ("GET", "/answers", {"Origin": "https://example.com"}, 403),
        ("OPTIONS", "/answers", {"Origin": "http://localhost"}, 204),
        ("GET", "/answers", {"Expect": "tea"}, 417),
    ],
)
async def test_every_answer_carries_the_security_headers_once(
    aiohttp_client: AiohttpClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    client = await aiohttp_client(build(streams, answering(), raising(ValueError())))
    response = await client.request(method, path, headers=headers)
    assert response.status == status
    for name, value in SECURITY.items():
        assert response.headers.getall(name) == [value]


def pages(routes: RouteTable) -> None:
    async def page(request: web.Request) -> web.Response:
        own = {"Content-Security-Policy": request.query["policy"]} if "policy" in request.query else None
        return web.Response(text="<p>", content_type="text/html", headers=own)

    routes.add("GET", "/page", page, dialect=Dialect.OLLAMA)


async def test_a_page_has_a_policy_its_own_or_the_strict_one(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(pages, answering()))
    strict = (await client.get("/page")).headers
    assert strict["Content-Security-Policy"] == PAGE_POLICY
    assert "default-src 'none'" in PAGE_POLICY
    assert "frame-ancestors 'none'" in PAGE_POLICY
    assert "unsafe" not in PAGE_POLICY
    own = (await client.get("/page", params={"policy": "default-src 'self'"})).headers
    assert own.getall("Content-Security-Policy") == ["default-src 'self'"]
    assert "Content-Security-Policy" not in (await client.get("/answers")).headers


async def test_the_answer_to_broken_http_is_like_the_others(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(build(answering()))
    assert server.runner is not None
    assert server.runner.server is not None
    named = await talk(server.port or 0, b"nonsense\r\n\r\n")
    name_no_server(server.runner.server)
    nameless = await talk(server.port or 0, b"nonsense\r\n\r\n")
    assert b"\r\nServer: " in named
    assert nameless.startswith(b"HTTP/1.0 400 ")
    assert b"\r\nServer:" not in nameless
    for name, value in SECURITY.items():
        assert f"\r\n{name}: {value}\r\n".encode() in nameless
    served = b"GET /answers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert (await talk(server.port or 0, served)).startswith(b"HTTP/1.1 200 ")


def whole_and_other(routes: RouteTable) -> None:
    """Register the same answer twice: written at once, and as aiohttp writes any."""

    def asked(request: web.Request) -> CIMultiDict[str]:
        exchange = request[EXCHANGE]
        exchange.attempts, exchange.backend, exchange.backend_model, exchange.cache = 2, "main", "\u00fc\r\nX: y", "hit"
        return CIMultiDict({"Content-Type": "application/json"})

    async def whole(request: web.Request) -> web.Response:
        return WholeAnswer(b"{}", asked(request))

    async def other(request: web.Request) -> web.Response:
        return web.Response(body=b"{}", headers=asked(request))

    routes.add("POST", "/whole", whole, dialect=Dialect.OLLAMA)
    routes.add("POST", "/other", other, dialect=Dialect.OLLAMA)


@pytest.mark.parametrize("sent", [{}, {"Origin": "http://localhost"}, {"Connection": "close"}])
async def test_an_answer_that_is_written_at_once_carries_the_same(
    aiohttp_client: AiohttpClient, sent: dict[str, str]
) -> None:
    client = await aiohttp_client(build(whole_and_other))
    heads = []
    for path in ("/whole", "/other"):
        response = await client.post(path, headers={**sent, "X-Request-ID": "mine"})
        assert await response.read() == b"{}"
        heads.append([(name, value) for name, value in response.headers.items() if name != "Date"])
    assert heads[0] == heads[1]
    assert {"X-Request-ID", "X-Gateway-Attempts", "X-Cache"} <= dict(heads[0]).keys()


async def test_an_answer_that_is_written_at_once_hears_of_the_stop(aiohttp_client: AiohttpClient) -> None:
    lifecycle = Lifecycle()
    app = build(whole_and_other, lifecycle=lifecycle)
    app.on_response_prepare.append(say_close(lifecycle))
    client = await aiohttp_client(app)
    assert "Connection" not in (await client.post("/whole")).headers
    lifecycle.stopping = True
    assert (await client.post("/whole")).headers["Connection"] == "close"
