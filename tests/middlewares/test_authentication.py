import base64
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from gateway.callers import CALLER
from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
from gateway.keys.store import KeyStore
from tests.keys.made import DAY, HOUR, NOW, key_of, written
from tests.middlewares.application import answering, build
from tests.support.secrets import FILE_KEY

KEY = "key-one-of-the-gateway"
OTHER = "key-two-of-the-gateway"
KEYS = [KEY, OTHER]


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def shows(routes: RouteTable) -> None:
    async def show(request: web.Request) -> web.Response:
        return web.json_response([request[EXCHANGE].authenticated, request[EXCHANGE].client_key])

    for method in ("GET", "HEAD", "POST"):
        routes.add(method, "/open", show, dialect=Dialect.OLLAMA, exempt=True)
        routes.add(method, "/closed", show, dialect=Dialect.OLLAMA)
        routes.add(method, "/asking", show, dialect=Dialect.OLLAMA, asks=True)


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


async def test_a_route_that_asks_for_a_key_itself_is_told_whether_there_is_one(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(shows, api_keys=KEYS))
    assert await (await client.get("/asking")).json() == [False, None]
    assert await (await client.get("/asking", headers=bearer(KEY))).json() == [True, None]


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


def says_who(routes: RouteTable) -> None:
    """Add routes that answer with what is known of the caller."""

    async def show(request: web.Request) -> web.Response:
        who, exchange = request[CALLER], request[EXCHANGE]
        caller = [who.name, who.address, who.models, who.rpm, who.tpm, who.concurrency]
        return web.json_response([caller, exchange.key_name, exchange.client_key])

    routes.add("POST", "/who", show, dialect=Dialect.OLLAMA)
    routes.add("GET", "/open", show, dialect=Dialect.OLLAMA, exempt=True)
    routes.add("POST", "/admin", show, dialect=Dialect.OPENAI, admin=True)


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    """A store with a limited key, one without limits, and one that has expired."""
    limits = {"models": ("gpt-*",), "requests_per_minute": 60, "tokens_per_minute": 1000, "concurrency": 2}
    expired = key_of("expired-key", "expired", expires=NOW - HOUR)
    path = written(tmp_path / "keys.json", key_of(FILE_KEY, "ci", **limits), key_of("plain-key", "plain"), expired)
    return KeyStore(path, now_s=NOW.timestamp)


HERE = "127.0.0.1"
NOBODY = [["", HERE, None, None, None, None], None, None]


@pytest.mark.parametrize("headers", [bearer(FILE_KEY), basic(FILE_KEY), {"x-api-key": FILE_KEY}])
async def test_a_key_of_the_file_opens_with_its_name_and_its_limits(
    aiohttp_client: AiohttpClient, keys: KeyStore, headers: Mapping[str, str]
) -> None:
    client = await aiohttp_client(build(says_who, keys=keys))
    response = await client.post("/who", headers=headers)
    assert await response.json() == [["ci", HERE, ["gpt-*"], 60, 1000, 2], "ci", None]


async def test_keys_of_the_settings_are_called_by_their_position(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(says_who, api_keys=KEYS))
    for number, key in enumerate(KEYS, 1):
        name = f"api-key-{number}"
        response = await client.post("/who", headers=bearer(key))
        assert await response.json() == [[name, HERE, None, None, None, None], name, None]


async def test_keys_of_the_settings_count_beside_those_of_the_file(
    aiohttp_client: AiohttpClient, keys: KeyStore
) -> None:
    client = await aiohttp_client(build(says_who, api_keys=KEYS, keys=keys))
    for key, name in ((OTHER, "api-key-2"), ("plain-key", "plain"), (FILE_KEY, "ci")):
        assert (await (await client.post("/who", headers=bearer(key))).json())[1] == name
    assert (await client.post("/who", headers=bearer("neither"))).status == 401


async def test_of_two_keys_that_are_shown_the_valid_one_counts(aiohttp_client: AiohttpClient, keys: KeyStore) -> None:
    client = await aiohttp_client(build(says_who, keys=keys))
    for first, second, name in (("wrong", FILE_KEY, "ci"), (FILE_KEY, "wrong", "ci"), ("plain-key", FILE_KEY, "plain")):
        response = await client.post("/who", headers={**bearer(first), "x-api-key": second})
        assert (await response.json())[1] == name


async def test_unknown_expired_and_revoked_keys_get_the_same_answer_as_none(
    aiohttp_client: AiohttpClient, keys: KeyStore, tmp_path: Path
) -> None:
    client = await aiohttp_client(build(says_who, keys=keys))
    assert (await client.post("/who", headers=bearer("plain-key"))).status == 200
    written(tmp_path / "keys.json", key_of(FILE_KEY, "ci"))
    keys.reload()
    answers = set()
    for headers in ({}, bearer("unknown"), bearer("expired-key"), bearer("plain-key")):
        response = await client.post("/who", headers=headers)
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        answers.add(await response.text())
    [answer] = answers
    assert "unauthorized" in answer
    assert not [word for word in ("expired", "revoked", "plain", "ci") if word in answer]


async def test_a_key_stops_to_open_at_its_end(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    now = NOW
    path = written(tmp_path / "keys.json", key_of("short-key", "short", expires=NOW + DAY))
    client = await aiohttp_client(build(says_who, keys=KeyStore(path, now_s=lambda: now.timestamp())))
    assert (await client.post("/who", headers=bearer("short-key"))).status == 200
    now += DAY
    assert (await client.post("/who", headers=bearer("short-key"))).status == 401


async def test_a_file_without_a_key_opens_to_nobody(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    client = await aiohttp_client(build(says_who, keys=KeyStore(written(tmp_path / "keys.json"))))
    assert (await client.post("/who")).status == 401
    assert (await client.post("/who", headers=bearer(FILE_KEY))).status == 401


async def test_without_keys_everybody_is_a_caller_without_a_name(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(says_who))
    assert await (await client.post("/who")).json() == NOBODY
    assert (await (await client.post("/who", headers=bearer("own"))).json())[:2] == NOBODY[:2]


async def test_the_address_is_what_the_gateway_takes_for_the_clients(
    aiohttp_client: AiohttpClient, keys: KeyStore
) -> None:
    def address(request: web.Request) -> str:
        return request.headers.get("X-Where", "nowhere")

    for app in (
        build(says_who, keys=keys, address=address, admin_key="admin"),
        build(says_who, address=address, admin_key="admin"),
    ):
        client = await aiohttp_client(app)
        for method, path, key in (("POST", "/who", FILE_KEY), ("GET", "/open", "none"), ("POST", "/admin", "admin")):
            response = await client.request(method, path, headers={**bearer(key), "X-Where": "192.0.2.7"})
            assert (await response.json())[0][1] == "192.0.2.7"


async def test_exempt_routes_and_administrators_are_callers_too(aiohttp_client: AiohttpClient, keys: KeyStore) -> None:
    client = await aiohttp_client(build(says_who, keys=keys, admin_key="admin"))
    assert await (await client.get("/open")).json() == NOBODY
    assert (await (await client.get("/open", headers=bearer(FILE_KEY))).json())[1] == "ci"
    assert await (await client.post("/admin", headers=bearer("admin"))).json() == NOBODY


async def test_administrators_need_their_own_key(aiohttp_client: AiohttpClient, keys: KeyStore) -> None:
    client = await aiohttp_client(build(says_who, keys=keys, admin_key="admin"))
    for headers in ({}, bearer(FILE_KEY), bearer("wrong")):
        response = await client.post("/admin", headers=headers)
        assert response.status == 401
        assert "ADMIN_KEY" in (await response.json())["error"]["message"]
    # And their key is none for clients.
    assert (await client.post("/who", headers=bearer("admin"))).status == 401


async def test_keys_of_the_file_are_in_no_log_line(aiohttp_client: AiohttpClient, keys: KeyStore, log: BytesIO) -> None:
    client = await aiohttp_client(build(says_who, keys=keys))
    for key in (FILE_KEY, "expired-key"):
        await client.post("/who", headers=bearer(key))
    assert FILE_KEY.encode() not in log.getvalue()
    assert b"expired-key" not in log.getvalue()
