import base64
from collections.abc import Mapping
from io import BytesIO

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from gateway.callers import AUTHENTICATED
from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
from tests.middlewares.application import answering, build

KEY = "key-one-of-the-gateway"
OTHER = "key-two-of-the-gateway"
KEYS = [KEY, OTHER]


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def shows(routes: RouteTable) -> None:
    async def show(request: web.Request) -> web.Response:
        return web.json_response([request[AUTHENTICATED], request[EXCHANGE].client_key])

    for method in ("GET", "HEAD", "POST"):
        routes.add(method, "/open", show, dialect=Dialect.OLLAMA, exempt=True)
        routes.add(method, "/closed", show, dialect=Dialect.OLLAMA)


@pytest.mark.parametrize(
    "headers",
    [
        bearer(KEY),
        bearer(OTHER),
        {"Authorization": f"bearer   {KEY} "},
        basic(KEY),
        {"x-api-key": KEY},
        {"Authorization": "Bearer ", "x-api-key": KEY},
        {"Authorization": "Bearer wrong-key", "x-api-key": OTHER},
        {"Authorization": "Basic !!!", "x-api-key": OTHER},
    ],
)
async def test_a_valid_key_opens_in_any_of_its_forms(aiohttp_client: AiohttpClient, headers: dict[str, str]) -> None:
    client = await aiohttp_client(build(shows, api_keys=KEYS))
    response = await client.get("/closed", headers=headers)
    assert response.status == 200
    # A key of ours is for us: it is never passed on.
    assert await response.json() == [True, None]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("wrong"),
        bearer(KEY + "x"),
        bearer(KEY[:-1]),
        bearer(KEY.upper()),
        bearer(f"{KEY},{OTHER}"),
        {"Authorization": KEY},
        {"Authorization": f"Digest {KEY}"},
        basic("wrong"),
        {"Authorization": "Basic " + base64.b64encode(KEY.encode()).decode()},
        {"Authorization": "Basic not-base64!"},
        {"x-api-key": ""},
        {"x-api-key": "é"},
    ],
)
async def test_no_key_an_empty_one_and_a_wrong_one_are_refused(
    aiohttp_client: AiohttpClient, headers: Mapping[str, str]
) -> None:
    client = await aiohttp_client(build(shows, api_keys=KEYS))
    response = await client.get("/closed", headers=headers)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (await response.json())["error"].startswith("unauthorized")


async def test_a_refusal_speaks_the_dialect_of_the_route(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(answering(dialect=Dialect.OPENAI), api_keys=KEYS))
    error = (await (await client.get("/answers")).json())["error"]
    assert error["type"] == "authentication_error"


async def test_unknown_paths_and_wrong_methods_want_a_key_too(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(shows, api_keys=KEYS))
    assert (await client.get("/nowhere")).status == 401
    assert (await client.delete("/closed")).status == 401
    assert (await client.get("/nowhere", headers=bearer(KEY))).status == 404


async def test_exempt_routes_open_without_a_key_for_get_and_head_only(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(shows, api_keys=KEYS))
    assert await (await client.get("/open")).json() == [False, None]
    assert (await client.head("/open")).status == 200
    assert (await client.post("/open")).status == 401


async def test_exempt_routes_know_a_valid_key(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(shows, api_keys=KEYS))
    assert await (await client.get("/open", headers=bearer(KEY))).json() == [True, None]
    assert await (await client.get("/open", headers=bearer("wrong"))).json() == [False, None]


async def test_options_needs_no_key(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(shows, api_keys=KEYS, listen_host="0.0.0.0"))
    assert (await client.options("/closed")).status == 405


@pytest.mark.parametrize(
    ("headers", "passed_on"),
    [
        ({}, None),
        (bearer("sk-of-the-client"), "sk-of-the-client"),
        (bearer(""), None),
        (basic("sk-of-the-client"), "sk-of-the-client"),
        ({"x-api-key": "sk-of-the-client"}, "sk-of-the-client"),
        ({"Authorization": "Bearer first", "x-api-key": "second"}, "first"),
        (basic("line\r\nend"), None),
        (basic("sp ace"), None),
        ({"x-api-key": "é"}, None),
    ],
)
async def test_without_keys_of_ours_the_clients_is_kept_for_passing_on(
    aiohttp_client: AiohttpClient, headers: Mapping[str, str], passed_on: str | None
) -> None:
    client = await aiohttp_client(build(shows))
    assert await (await client.get("/closed", headers=headers)).json() == [True, passed_on]


async def test_keys_are_in_no_log_line(aiohttp_client: AiohttpClient, log: BytesIO) -> None:
    client = await aiohttp_client(build(shows, api_keys=KEYS))
    for key in (KEY, "wrong-but-private"):
        await client.get("/closed", headers=bearer(key))
    assert KEY.encode() not in log.getvalue()
    assert b"wrong-but-private" not in log.getvalue()
