import re

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from gateway.exchange import Dialect
from gateway.handlers.routing import RouteTable
from tests.middlewares.application import answering, build, raising, talk

LOCAL = {"Origin": "http://localhost:3000"}
FOREIGN = {"Origin": "https://example.com"}


def streams(routes: RouteTable) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        return response

    routes.add("GET", "/streams", stream, dialect=Dialect.OLLAMA)


async def test_an_allowed_origin_is_named_on_every_kind_of_answer(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering(), streams, raising(ValueError(), path="/fails")))
    for method, path, status in (
        ("GET", "/answers", 200),
        ("GET", "/streams", 200),
        ("POST", "/fails", 500),
        ("GET", "/nowhere", 404),
        ("DELETE", "/answers", 405),
    ):
        response = await client.request(method, path, headers=LOCAL)
        assert response.status == status
        assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
        assert response.headers.getall("Vary") == ["Origin"]
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Access-Control-Expose-Headers" not in response.headers


async def test_a_foreign_origin_is_refused_with_an_empty_403(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering()))
    for method in ("GET", "OPTIONS"):
        response = await client.request(method, "/answers", headers=FOREIGN)
        assert (response.status, await response.read()) == (403, b"")
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_no_origin_and_the_own_origin_are_not_cors(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering()))
    for headers in (
        {},
        {"Host": "gateway.local:1", "Origin": "http://gateway.local:1"},
        {"Host": "gateway.local:1", "Origin": "https://gateway.local:1"},
    ):
        response = await client.get("/answers", headers=headers)
        assert response.status == 200
        assert "Access-Control-Allow-Origin" not in response.headers
        assert "Vary" not in response.headers


async def test_the_own_name_on_another_port_is_another_origin(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering()))
    headers = {"Host": "gateway.local:1", "Origin": "http://gateway.local:2"}
    assert (await client.get("/answers", headers=headers)).status == 403


@pytest.mark.parametrize("path", ["/answers", "/nowhere"])
async def test_a_preflight_is_answered_204_with_ollamas_lists(aiohttp_client: AiohttpClient, path: str) -> None:
    client = await aiohttp_client(build(answering("POST"), api_keys=["a-key-of-ours"]))
    response = await client.options(path, headers={**LOCAL, "Access-Control-Request-Method": "POST"})
    assert (response.status, await response.read()) == (204, b"")
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert response.headers["Access-Control-Allow-Methods"] == "GET,POST,PUT,PATCH,DELETE,HEAD"
    assert response.headers["Access-Control-Max-Age"] == "43200"
    assert response.headers["Vary"] == "Origin"
    listed = {name.lower() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
    stainless = (
        "arch async custom-poll-interval helper-method lang os package-version poll-helper retry-count runtime "
        "runtime-version timeout"
    )
    assert listed == {
        "authorization", "content-type", "user-agent", "accept", "x-requested-with", "openai-beta", "x-api-key",
        "x-request-id", *(f"x-stainless-{name}" for name in stainless.split()),
    }  # fmt: skip


async def test_when_all_origins_are_allowed_the_answer_says_so_and_echoes_none(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering(), origins=["*"]))
    for method, status in (("GET", 200), ("OPTIONS", 204)):
        response = await client.request(method, "/answers", headers=FOREIGN)
        assert response.status == status
        assert response.headers.getall("Access-Control-Allow-Origin") == ["*"]
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:1", "192.168.1.5", "app.localhost", "x.internal"])
async def test_a_host_of_this_machine_is_served_on_loopback(aiohttp_client: AiohttpClient, host: str) -> None:
    client = await aiohttp_client(build(answering()))
    assert (await client.get("/answers", headers={"Host": host})).status == 200


async def test_a_foreign_host_is_refused_on_loopback_with_an_empty_403(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering()))
    for path in ("/answers", "/nowhere"):
        response = await client.get(path, headers={"Host": "rebound.example.com"})
        assert (response.status, await response.read()) == (403, b"")


async def test_a_foreign_host_that_is_its_own_origin_is_refused_too(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering()))
    headers = {"Host": "rebound.example.com", "Origin": "http://rebound.example.com"}
    assert (await client.get("/answers", headers=headers)).status == 403


async def test_hosts_are_not_looked_at_when_bound_to_other_addresses(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering(), listen_host="0.0.0.0"))
    assert (await client.get("/answers", headers={"Host": "gateway.example.com"})).status == 200


async def test_options_on_a_local_name_is_a_204_and_on_an_address_goes_on(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering()))
    assert (await client.options("/answers", headers={"Host": "localhost"})).status == 204
    assert (await client.options("/answers", headers={"Host": "127.0.0.1"})).status == 405


@pytest.mark.parametrize(
    "head",
    [
        b"GET /answers HTTP/1.1\r\nHost: localhost\r\nHost: example.com\r\n",
        b"GET /answers HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n",
        b"GET http://example.com/answers HTTP/1.1\r\nHost: localhost\r\n",
        b"GET http://localhost:2/answers HTTP/1.1\r\nHost: localhost:1\r\n",
        b"GET http://localhost/answers HTTP/1.1\r\nHost: local host:x\r\n",
        b"POST /answers HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n",
        b"POST /answers HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n",
    ],
)
@pytest.mark.parametrize("listen_host", ["127.0.0.1", "0.0.0.0"])
async def test_an_ambiguous_request_is_refused_and_the_connection_ends(
    aiohttp_server: AiohttpServer, head: bytes, listen_host: str
) -> None:
    server = await aiohttp_server(build(answering(), answering("POST"), listen_host=listen_host))
    smuggled = b"0\r\n\r\nGET /answers HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = await talk(server.port or 0, head + b"\r\n" + smuggled)
    assert re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", answer) == [b"400"]


async def test_an_absolute_target_for_the_same_host_is_served(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(build(answering()))
    request = b"GET http://LOCALHOST:80/answers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert (await talk(server.port or 0, request)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("target", [b"OPTIONS *", b"CONNECT localhost:80"])
async def test_a_target_that_is_no_path_is_no_route(aiohttp_server: AiohttpServer, target: bytes) -> None:
    server = await aiohttp_server(build(answering()))
    answer = await talk(server.port or 0, target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")


async def test_a_request_without_a_host_is_served(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(build(answering()))
    assert (await talk(server.port or 0, b"GET /answers HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 200 ")
