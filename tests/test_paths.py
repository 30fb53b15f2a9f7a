"""Methods and paths of the whole gateway, in Ollama's words; and the settings that open it to web pages."""

import pytest

from tests.conftest import StartGateway
from tests.middlewares.application import talk
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway
from tests.support.ways import CHAT


async def ask(gateway: Gateway, head: str, *more: str) -> tuple[int, str, str]:
    """Send a request line and headers as they are; return status, headers and body."""
    lines = (f"{head} HTTP/1.1", *(more or ("Host: 127.0.0.1",)), "Content-Length: 0", "Connection: close", "", "")
    answer = (await talk(gateway.port, "\r\n".join(lines).encode())).decode()
    headers, _, body = answer.partition("\r\n\r\n")
    return int(headers.split()[1]), headers, body


@pytest.mark.parametrize("path", ["/", "/api/version", "/api/tags", "/health", "/v1/health"])
async def test_head_is_served_where_ollama_has_it_and_for_health(gateway: Gateway, path: str) -> None:
    status, _, body = await ask(gateway, f"HEAD {path}")
    assert (status, body) == (200, "")


@pytest.mark.parametrize("path", ["/api/status", "/api/ps", "/v1/models", "/v1/models/m", "/api/chat", "/v1/version"])
async def test_head_is_a_405_elsewhere(gateway: Gateway, path: str) -> None:
    assert (await ask(gateway, f"HEAD {path}"))[0] == 405


WORDS = {
    "no-such-path": ("GET /api/nowhere", 404, "404 page not found"),
    "no-such-path-of-openai": ("POST /v1/nowhere", 404, "404 page not found"),
    "wrong-method": ("GET /api/chat", 405, "405 method not allowed"),
    "wrong-method-of-openai": ("GET /v1/chat/completions", 405, "405 method not allowed"),
    "options-without-an-origin": ("OPTIONS /api/chat", 405, "405 method not allowed"),
    "options-nowhere": ("OPTIONS /api/nowhere", 404, "404 page not found"),
    "patch": ("PATCH /api/chat", 405, "405 method not allowed"),
    "trace": ("TRACE /api/chat", 405, "405 method not allowed"),
}


@pytest.mark.parametrize(("head", "status", "text"), WORDS.values(), ids=WORDS)
async def test_what_is_not_there_is_said_in_plain_text(gateway: Gateway, head: str, status: int, text: str) -> None:
    answered, headers, body = await ask(gateway, head)
    assert (answered, body) == (status, text)
    assert "\r\nContent-Type: text/plain" in headers


async def test_options_on_a_name_of_this_machine_is_a_204(gateway: Gateway) -> None:
    for path in ("/api/chat", "/api/nowhere"):
        assert (await ask(gateway, f"OPTIONS {path}", "Host: localhost"))[0] == 204


@pytest.mark.parametrize(
    ("head", "status", "location"),
    [
        ("GET /api/tags/", 301, "/api/tags"),
        ("GET /api/status/?a=b", 301, "/api/status?a=b"),
        ("HEAD /api/tags/", 307, "/api/tags"),
        ("POST /api/me/", 307, "/api/me"),
        ("DELETE /api/delete/", 307, "/api/delete"),
        ("POST /v1/chat/completions/", 307, "/v1/chat/completions"),
    ],
)
async def test_a_slash_at_the_end_is_redirected(gateway: Gateway, head: str, status: int, location: str) -> None:
    answered, headers, _ = await ask(gateway, head)
    assert answered == status
    assert f"\r\nLocation: {location}\r\n" in headers


async def test_doubled_slashes_are_one(gateway: Gateway) -> None:
    assert (await ask(gateway, "GET //api//status"))[0] == 200
    assert (await ask(gateway, "POST /api//me"))[0] == 401


ALL_PATHS = ("/", "/api/status", "/api/me", "/health", "/metrics", "/v1/models", "/nowhere")


@pytest.mark.parametrize("path", ALL_PATHS)
async def test_a_foreign_host_and_a_foreign_page_are_refused_on_every_path(gateway: Gateway, path: str) -> None:
    for more in (("Host: rebound.example.com",), ("Host: 127.0.0.1", "Origin: https://example.com")):
        status, headers, body = await ask(gateway, f"GET {path}", *more)
        assert (status, body) == (403, "")
        assert "Access-Control" not in headers


@pytest.mark.parametrize(
    "request_head",
    [
        "POST http://example.com/api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        "POST /api/chat HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["another-host-in-the-target", "transfer-encoding-in-http-1.0"],
)
async def test_an_ambiguous_request_is_a_400_and_the_last_of_its_connection(
    backend: ScriptedBackend, gateway: Gateway, request_head: str
) -> None:
    answer = await talk(gateway.port, request_head.encode())
    assert answer.split()[1] == b"400"
    assert b"\r\nHTTP/1." not in answer
    assert backend.calls == []


async def test_ollamas_setting_lets_more_pages_in(start: StartGateway) -> None:
    gateway = await start(OLLAMA_ORIGINS="chrome-extension://*")
    for origin, status in (
        ("chrome-extension://abc", 200),
        ("http://localhost:3000", 200),
        ("https://example.com", 403),
    ):
        answered, headers, _ = await ask(gateway, "GET /api/status", "Host: 127.0.0.1", f"Origin: {origin}")
        assert answered == status
        assert (f"Access-Control-Allow-Origin: {origin}" in headers) == (status == 200)


async def test_exact_origins_stay_exact(start: StartGateway) -> None:
    gateway = await start(CORS_ORIGINS="https://app.example")
    for origin, status in (("https://app.example", 200), ("http://localhost:3000", 403)):
        assert (await ask(gateway, "GET /api/status", "Host: 127.0.0.1", f"Origin: {origin}"))[0] == status


async def test_static_management_agrees_and_strict_management_looks(start: StartGateway) -> None:
    body = {"model": "not-there", "stream": False}
    static, strict = await start(), await start(MODEL_MANAGEMENT="strict")
    before = (await static.ask("/api/tags", method="GET")).json
    assert (await static.ask("/api/pull", body)).json == {"status": "success"}
    assert (await static.ask("/api/delete", {"model": CHAT.body["model"]}, method="DELETE")).status == 200
    assert (await static.ask("/api/tags", method="GET")).json == before
    assert (await strict.ask("/api/pull", body)).status == 500
    assert (await strict.ask("/api/delete", body, method="DELETE")).status == 404
    assert (await strict.ask("/api/pull", {**body, "model": CHAT.body["model"]})).json == {"status": "success"}
