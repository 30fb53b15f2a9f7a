from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from gateway.handlers.root import RootHandler
from tests.handlers.serving import API_KEY, WITH_KEY
from tests.middlewares.application import answering, build, talk

JSON = {"Accept": "application/json"}


async def test_the_root_says_what_ollama_says(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(RootHandler("1.2.3").register))
    for accept in ("*/*", "text/html,*/*;q=0.8", "application/json, text/plain"):
        response = await client.get("/", headers={"Accept": accept})
        assert (response.status, await response.text()) == (200, "Ollama is running")
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_a_client_that_prefers_json_gets_a_description(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(RootHandler("1.2.3").register, answering("POST", "/api/chat")))
    response = await client.get("/", headers=JSON)
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert await response.json() == {
        "name": "ollama-openai-proxy",
        "version": "1.2.3",
        "endpoints": {"/": ["GET", "HEAD"], "/api/chat": ["POST"]},
    }


async def test_head_is_always_text_and_has_no_body(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(build(RootHandler("1.2.3").register))
    request = b"HEAD / HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    answer = await talk(server.port or 0, request)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Type: text/plain; charset=utf-8\r\n" in answer
    assert b"Content-Length: 17\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


async def test_without_a_key_where_one_is_wanted_the_root_is_text_alone(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(RootHandler("1.2.3").register, api_keys=[API_KEY]))
    assert await (await client.get("/", headers=JSON)).text() == "Ollama is running"
    assert "version" in await (await client.get("/", headers={**JSON, **WITH_KEY})).json()


async def test_where_there_is_a_page_it_is_for_who_names_html_and_for_nobody_else(
    aiohttp_client: AiohttpClient,
) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<p>", content_type="text/html")

    client = await aiohttp_client(build(RootHandler("1.2.3", page).register))
    assert await (await client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})).text() == "<p>"
    for accept in ("*/*", "text/*", "application/json, text/plain"):
        assert await (await client.get("/", headers={"Accept": accept})).text() == "Ollama is running"
    assert "version" in await (await client.get("/", headers=JSON)).json()
