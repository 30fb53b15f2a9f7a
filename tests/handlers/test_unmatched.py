import json

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
from tests.handlers.serving import API_KEY
from tests.middlewares.application import build, talk


def routes(table: RouteTable) -> None:
    async def echo(request: web.Request) -> web.Response:
        body = await request.text()
        label = request[EXCHANGE].route
        return web.json_response([label, body, dict(request.match_info), request.query_string])

    table.add("POST", "/api/chat", echo, dialect=Dialect.OLLAMA)
    table.add("GET", "/api/tags", echo, dialect=Dialect.OLLAMA)
    table.add("GET", "/v1/models/{id:.+}", echo, dialect=Dialect.OPENAI)
    table.add("GET", "/v1/models", echo, dialect=Dialect.OPENAI)
    table.add("GET", "/", echo, dialect=Dialect.OLLAMA)


async def send(port: int | None, method: str, target: str, body: str = "") -> tuple[int, str, str]:
    """Return status, headers and body of one request, whose target is sent as it is."""
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    answer = await talk(port or 0, (head + body).encode())
    headers, _, content = answer.decode().partition("\r\n\r\n")
    return int(headers.split()[1]), headers, content


@pytest.mark.parametrize("target", ["//api/chat", "/api//chat", "///api///chat"])
async def test_a_doubled_slash_works_and_keeps_the_body(aiohttp_server: AiohttpServer, target: str) -> None:
    server = await aiohttp_server(build(routes))
    body = "x" * 900
    status, _, content = await send(server.port, "POST", target, body)
    assert status == 200
    assert json.loads(content)[:2] == ["/api/chat", body]


async def test_a_doubled_slash_keeps_variables_and_query(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(build(routes))
    _, _, content = await send(server.port, "GET", "//v1/models/a%2Fb/c?x=1")
    assert json.loads(content) == ["/v1/models/{id}", "", {"id": "a/b/c"}, "x=1"]


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", "///", 200), ("GET", "//nowhere", 404), ("GET", "//api/chat", 405), ("POST", "//api/chat", 200)],
)
async def test_a_doubled_slash_changes_no_status(
    aiohttp_server: AiohttpServer, method: str, target: str, status: int
) -> None:
    server = await aiohttp_server(build(routes))
    assert (await send(server.port, method, target))[0] == status


async def test_a_wrong_method_behind_a_doubled_slash_names_the_right_ones(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(build(routes))
    assert "\r\nAllow: POST\r\n" in (await send(server.port, "GET", "//api/chat"))[1]


@pytest.mark.parametrize(
    ("method", "target", "status", "location"),
    [
        ("GET", "/api/tags/", 301, "/api/tags"),
        ("GET", "/api/tags/?a=%20b&c", 301, "/api/tags?a=%20b&c"),
        ("GET", "/v1/models/", 301, "/v1/models"),
        ("POST", "/api/chat/", 307, "/api/chat"),
        ("GET", "//api//tags/", 301, "/api/tags"),
    ],
)
async def test_a_slash_at_the_end_is_redirected_and_the_method_kept(
    aiohttp_server: AiohttpServer, method: str, target: str, status: int, location: str
) -> None:
    server = await aiohttp_server(build(routes))
    answered, headers, _ = await send(server.port, method, target, "{}")
    assert answered == status
    assert f"\r\nLocation: {location}\r\n" in headers


@pytest.mark.parametrize("target", ["/nowhere/", "//example.com/", "//example.com/%2e%2e/", "/api/", "/api/chat/"])
async def test_nothing_is_redirected_where_no_route_is(aiohttp_server: AiohttpServer, target: str) -> None:
    server = await aiohttp_server(build(routes))
    status, headers, _ = await send(server.port, "GET", target)
    assert status == 404
    assert "Location:" not in headers


async def test_a_redirect_wants_a_key_as_any_unknown_path(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(routes, api_keys=[API_KEY]))
    assert (await client.get("/api/tags/", allow_redirects=False)).status == 401


async def test_a_redirected_client_arrives(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(routes))
    response = await client.post("/api/chat/", data="hello")
    assert (await response.json())[:2] == ["/api/chat", "hello"]
