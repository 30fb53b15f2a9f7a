"""What there is to say of Ollama's hosted service where there is none."""

import pytest
from pytest_aiohttp import AiohttpClient

from gateway.handlers.cloud import CloudHandler
from tests.catalog.serving import Client, serve


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> Client:
    return await serve(aiohttp_client, [CloudHandler()])


SEARCH, FETCH = "/api/experimental/web_search", "/api/experimental/web_fetch"
REPLIES = {
    "status": ("GET", "/api/status", b"", 200, {"cloud": {"disabled": True, "source": "config"}}),
    "me": ("POST", "/api/me", b"", 401, {"error": "unauthorized", "signin_url": ""}),
    "me-with-a-body": ("POST", "/api/me", b"{", 401, {"error": "unauthorized", "signin_url": ""}),
    "signout": ("POST", "/api/signout", b"", 401, {"error": "you are not currently signed in"}),
    "signout-by-key": ("DELETE", "/api/user/keys/c3NoLXJzYQ", b"", 401, {"error": "you are not currently signed in"}),
    "search": ("POST", SEARCH, b'{"query":"x"}', 403, {"error": "ollama cloud is disabled: web search is unavailable"}),
    "fetch": ("POST", FETCH, b'{"url":"x"}', 403, {"error": "ollama cloud is disabled: web fetch is unavailable"}),
    "search-without-a-body": ("POST", SEARCH, b"", 400, {"error": "missing request body"}),
    "fetch-of-a-blank": ("POST", FETCH, b" \n", 400, {"error": "missing request body"}),
    "recommendations": ("GET", "/api/experimental/model-recommendations", b"", 200, {"recommendations": []}),
}


@pytest.mark.parametrize(("method", "path", "body", "status", "answer"), REPLIES.values(), ids=REPLIES)
async def test_a_server_without_the_hosted_service_says_so(
    client: Client, method: str, path: str, body: bytes, status: int, answer: object
) -> None:
    async with client.request(method, path, data=body) as response:
        assert (response.status, await response.json()) == (status, answer)
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/api/status"),
        ("GET", "/api/me"),
        ("GET", SEARCH),
        ("POST", "/api/user/keys/x"),
        ("POST", "/api/status"),
    ],
)
async def test_another_method_is_a_405(client: Client, method: str, path: str) -> None:
    async with client.request(method, path) as response:
        assert response.status == 405


async def test_a_path_without_a_key_is_a_404(client: Client) -> None:
    async with client.delete("/api/user/keys") as response:
        assert response.status == 404
