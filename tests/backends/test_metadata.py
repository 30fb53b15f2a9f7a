"""Asking servers what they know of their models, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from yarl import URL

from gateway.backend_settings import BackendSettings
from gateway.backends.backend import Backend
from gateway.backends.listing import ModelLister
from gateway.backends.metadata import MAX_BYTES, ModelDescriber
from gateway.codecs.models import ModelInfo

PROPS = {"default_generation_settings": {"n_ctx": 2048}}


class Server:
    """A server with a list, and `answers` by path; everything else is a 404."""

    def __init__(self) -> None:
        self.list: list[dict[str, Any]] = [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx_train": 9}}]
        self.answers: dict[str, bytes] = {"/props": json.dumps(PROPS).encode()}
        self.requests: list[web.Request] = []
        self.held = asyncio.Event()
        self.held.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/v1/models"):
            return web.json_response({"data": self.list})
        self.requests.append(request)
        await self.held.wait()
        if request.path not in self.answers:
            raise web.HTTPNotFound
        return web.Response(body=self.answers[request.path])


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def address(server: Server) -> AsyncIterator[URL]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as running:
        yield running.make_url("/")
        server.held.set()


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession(timeout=ClientTimeout(total=None)) as session:
        yield session


def describer(session: ClientSession, base_url: URL, *, key: str | None = "backend-key") -> ModelDescriber:
    secret = SecretStr(key) if key is not None else None
    backend = Backend("main", base_url, api_key=secret, pass_client_key=key is None)
    return ModelDescriber(session, backend, ModelLister(session, backend, 10))


async def described(describer: ModelDescriber, client_key: str | None = None) -> ModelInfo:
    (model,) = await describer.fetch(client_key)
    return model


async def test_the_server_is_asked_beside_its_v1_with_the_key(
    session: ClientSession, address: URL, server: Server
) -> None:
    model = await described(describer(session, address / "v1"))
    assert (model.context_length, model.loaded) == (2048, True)
    assert [(request.method, request.rel_url) for request in server.requests] == [("GET", URL("/props"))]
    assert server.requests[0].headers["Authorization"] == "Bearer backend-key"


@pytest.mark.parametrize(
    ("base", "path"), [("prefix/v1", "/prefix/props"), ("", "/props"), ("v1beta", "/v1beta/props")]
)
async def test_a_path_before_the_v1_is_kept(
    session: ClientSession, address: URL, server: Server, base: str, path: str
) -> None:
    async def listed(_request: web.Request) -> web.Response:
        return web.json_response({"data": server.list})

    app = web.Application()
    app.router.add_get(f"/{base}/models".replace("//", "/"), listed)
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as running:
        await described(describer(session, running.make_url(f"/{base}".rstrip("/"))))
    assert [request.path for request in server.requests] == [path]


async def test_names_are_quoted_in_questions_about_them(session: ClientSession, address: URL, server: Server) -> None:
    server.list = [{"id": "a/b c&d", "owned_by": "llamacpp", "status": {"value": "loaded"}}]
    await described(describer(session, address / "v1"))
    assert dict(server.requests[0].query) == {"model": "a/b c&d", "autoload": "false"}


async def test_a_server_that_nothing_is_known_of_is_asked_nothing_of_its_models(
    session: ClientSession, address: URL, server: Server
) -> None:
    server.list = [{"id": "m", "owned_by": "somebody"}]
    await described(describer(session, address / "v1"))
    assert [request.path for request in server.requests] == ["/"]  # what kind it is, and nothing of its models


async def test_a_server_of_a_configured_kind_is_asked_whatever_its_list_says(
    session: ClientSession, address: URL, server: Server
) -> None:
    server.list = [{"id": "m", "owned_by": "somebody"}]
    backend = Backend.of(BackendSettings(name="main", base_url=address / "v1", profile="llamacpp"))
    model = await described(ModelDescriber(session, backend, ModelLister(session, backend, 10)))
    assert (model.context_length, [request.path for request in server.requests]) == (2048, ["/props"])


async def test_a_list_of_several_kinds_of_models_asks_nothing(
    session: ClientSession, address: URL, server: Server
) -> None:
    server.list = [{"id": name, "owned_by": owner} for name, owner in (("a", "llamacpp"), ("b", "somebody"))]
    await describer(session, address / "v1").fetch(None)
    assert server.requests == []


async def test_what_two_answers_say_of_a_model_is_put_together(
    session: ClientSession, address: URL, server: Server
) -> None:
    server.list = [{"id": "m", "owned_by": "library"}]
    server.answers = {
        "/api/tags": b'{"models":[{"name":"m","size":5,"details":{"family":"qwen2"}}]}',
        "/api/ps": b'{"models":[{"name":"m","context_length":4096}]}',
    }
    model = await described(describer(session, address / "v1"))
    assert (model.size_bytes, model.family, model.context_length, model.loaded) == (5, "qwen2", 4096, True)


@pytest.mark.parametrize("answer", [None, b"<html>", b"", b" " * (MAX_BYTES + 1)])
async def test_the_list_stands_without_an_answer(
    session: ClientSession, address: URL, server: Server, answer: bytes | None
) -> None:
    server.answers = {} if answer is None else {"/props": answer}
    assert (await described(describer(session, address / "v1"))).context_length == 9


async def test_a_silent_server_holds_its_list_no_longer_than_the_wait(
    session: ClientSession, address: URL, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.backends.metadata.WAIT_S", 0.01)
    server.held.clear()
    assert (await described(describer(session, address / "v1"))).context_length == 9


async def test_what_was_said_last_counts_while_a_question_fails(
    session: ClientSession, address: URL, server: Server
) -> None:
    reading = describer(session, address / "v1")
    assert (await described(reading)).context_length == 2048
    server.answers = {}
    assert [(await described(reading)).context_length for _ in range(2)] == [2048, 2048]
    server.answers = {"/props": b'{"default_generation_settings":{"n_ctx":7}}'}
    assert (await described(reading)).context_length == 7


async def test_nothing_is_kept_of_one_clients_answer_for_another(
    session: ClientSession, address: URL, server: Server
) -> None:
    reading = describer(session, address / "v1", key=None)
    assert (await described(reading, "client-key")).context_length == 2048
    assert server.requests[0].headers["Authorization"] == "Bearer client-key"
    server.answers = {}
    assert (await described(reading, "other-key")).context_length == 9


async def test_a_redirect_is_not_followed(session: ClientSession, address: URL, server: Server) -> None:
    async def redirect(request: web.Request) -> web.StreamResponse:
        if request.path == "/v1/models":
            return web.json_response({"data": server.list})
        raise web.HTTPFound(str(address / "props"))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", redirect)
    async with TestServer(app) as running:
        assert (await described(describer(session, running.make_url("/v1")))).context_length == 9
    assert server.requests == []
