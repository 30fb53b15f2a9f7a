"""Finding out what kind of server a backend is, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict
from pydantic import SecretStr
from yarl import URL

from gateway.backend_settings import BackendSettings
from gateway.backends.backend import Backend
from gateway.backends.detection import PROBE_BYTES, Detector
from gateway.backends.listing import ModelLister
from gateway.backends.metadata import ModelDescriber
from gateway.backends.profiles import GENERIC, LLAMACPP, PROFILES, VLLM
from gateway.errors import ProxyException

LITELLM, OLLAMA = PROFILES["litellm"], PROFILES["ollama"]
OLLAMAS_PAGE = b"Ollama is running"


class Server:
    """Answers `/v1/models` with `models` and `headers`, `/` with `page`; remembers what was asked but the list."""

    def __init__(self) -> None:
        self.models: list[dict[str, Any]] = [{"id": "m", "owned_by": "openai"}]
        self.list_status = 200
        self.headers: dict[str, str] = {}
        self.page: bytes | None = None
        self.page_status = 200
        self.page_headers: dict[str, str] = {}
        self.requests: list[web.Request] = []
        self.held = asyncio.Event()
        self.held.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/models") and request.path.startswith("/v1"):
            body = json.dumps({"data": self.models}).encode()
            return web.Response(body=body, status=self.list_status, headers=self.headers)
        self.requests.append(request)
        await self.held.wait()
        if self.page is None:
            raise web.HTTPNotFound
        return web.Response(body=self.page, status=self.page_status, headers=self.page_headers)

    @property
    def probed(self) -> int:
        return [request.path for request in self.requests].count("/")


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def base_url(server: Server) -> AsyncIterator[URL]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as running:
        yield running.make_url("/v1")
        server.held.set()


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession(timeout=ClientTimeout(total=None, sock_connect=5)) as session:
        yield session


class Looking:
    """A backend whose list is read as in production; `found` is what was made of it."""

    def __init__(self, session: ClientSession, base_url: URL, **settings: Any) -> None:
        settings = {"api_key": SecretStr("backend-key-1234567"), **settings}
        backend = Backend.of(BackendSettings(name="main", base_url=base_url, **settings))
        self.detector = Detector(session, backend)
        self.describer = ModelDescriber(session, backend, ModelLister(session, backend, 10, attempts=1), self.detector)

    async def read(self) -> str:
        """Read the list; return the name of the profile of a model that it shows as OpenAI's."""
        await self.describer.fetch("client-key-1234567")
        return self.detector.profile("openai").name

    async def fail(self) -> None:
        with pytest.raises(ProxyException):
            await self.describer.fetch(None)


# What needs no question


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"Server": "llama.cpp"}, "llamacpp"),
        ({"X-LiteLLM-Version": "1.80.0"}, "litellm"),
        ({"x-litellm-call-id": "abc"}, "litellm"),
        ({"APIM-Request-Id": "abc"}, "azure"),
    ],
)
async def test_headers_of_the_list_tell_without_another_request(
    session: ClientSession, base_url: URL, server: Server, headers: dict[str, str], name: str
) -> None:
    server.headers = headers
    assert await Looking(session, base_url).read() == name
    assert server.probed == 0


async def test_a_header_of_another_server_tells_nothing(session: ClientSession, base_url: URL, server: Server) -> None:
    server.headers = {"Server": "nginx", "X-Request-Id": "x"}
    assert await Looking(session, base_url).read() == "generic"


async def test_the_one_moment_at_which_all_models_were_made_gives_litellm_away(
    session: ClientSession, base_url: URL, server: Server
) -> None:
    server.models = [{"id": name, "owned_by": "openai", "created": 1677610602} for name in "ab"]
    assert await Looking(session, base_url).read() == "litellm"
    assert "/" not in [request.path for request in server.requests]
    server.models[1]["created"] = 1
    assert await Looking(session, base_url).read() == "generic"


async def test_owners_of_models_are_enough_and_stay_a_matter_of_each_model(
    session: ClientSession, base_url: URL, server: Server
) -> None:
    server.page = OLLAMAS_PAGE
    server.models = [{"id": "a", "owned_by": "vllm"}, {"id": "b", "owned_by": "somebody"}]
    looking = Looking(session, base_url)
    assert await looking.read() == "generic"
    assert (looking.detector.profile("vllm"), looking.detector.profile("somebody")) == (VLLM, GENERIC)
    assert server.probed == 0


async def test_what_the_server_says_of_itself_beats_what_it_says_of_models(
    session: ClientSession, base_url: URL, server: Server
) -> None:
    server.headers = {"x-litellm-version": "1"}
    server.models = [{"id": "a", "owned_by": "vllm"}]
    looking = Looking(session, base_url)
    await looking.read()
    assert looking.detector.profile("vllm") is LITELLM


async def test_a_configured_profile_is_never_doubted(session: ClientSession, base_url: URL, server: Server) -> None:
    server.headers, server.page = {"Server": "llama.cpp"}, OLLAMAS_PAGE
    looking = Looking(session, base_url, profile="transformers")
    assert await looking.read() == "transformers"
    assert (looking.detector.found, server.probed) == (None, 0)


# The one question


@pytest.mark.parametrize(
    ("page", "name"),
    [
        (OLLAMAS_PAGE, "ollama"),
        (b'{"error":"Unexpected endpoint or method. (GET /)"}', "lmstudio"),
        (b"<!doctype html><html><head><title>LiteLLM API - Swagger UI</title>", "litellm"),
        (b'"LiteLLM: RUNNING"', "litellm"),
        (b"<html><head><title>llama.cpp - AI Chat Interface</title>", "llamacpp"),
        (b"<html>Welcome to nginx!", "generic"),
        (b"we also run llama.cpp, Ollama and LiteLLM", "generic"),
        (b"", "generic"),
        (b" " * PROBE_BYTES + OLLAMAS_PAGE, "generic"),
    ],
)
async def test_the_root_page_tells_where_nothing_else_does(
    session: ClientSession, base_url: URL, server: Server, page: bytes, name: str
) -> None:
    server.page = page
    assert await Looking(session, base_url).read() == name
    assert server.probed == 1


async def test_a_refusal_names_its_server_too(session: ClientSession, base_url: URL, server: Server) -> None:
    server.page, server.page_status, server.page_headers = b"{}", 401, {"Server": "llama.cpp"}
    assert await Looking(session, base_url).read() == "llamacpp"


async def test_the_question_is_a_small_get_with_the_backends_key(
    session: ClientSession, base_url: URL, server: Server
) -> None:
    server.page = OLLAMAS_PAGE
    await Looking(session, base_url).read()
    probe = server.requests[0]
    assert (probe.method, str(probe.rel_url)) == ("GET", "/")
    assert probe.headers["Authorization"] == "Bearer backend-key-1234567"
    assert "Content-Type" not in probe.headers


async def test_the_server_is_asked_once_and_the_answer_is_kept(
    session: ClientSession, base_url: URL, server: Server
) -> None:
    server.page = OLLAMAS_PAGE
    looking = Looking(session, base_url)
    assert [await looking.read() for _ in range(3)] == ["ollama"] * 3
    assert server.probed == 1


async def test_a_server_that_tells_nothing_is_not_asked_again_either(
    session: ClientSession, base_url: URL, server: Server
) -> None:
    looking = Looking(session, base_url)
    assert [await looking.read() for _ in range(3)] == ["generic"] * 3
    assert server.probed == 1


async def test_a_silent_root_holds_the_list_no_longer_than_the_bound(
    session: ClientSession, base_url: URL, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.backends.detection.PROBE_S", 0.01)
    server.held.clear()
    assert await Looking(session, base_url).read() == "generic"


async def test_a_redirect_is_not_followed(session: ClientSession, base_url: URL, server: Server) -> None:
    server.page, server.page_status, server.page_headers = b"", 302, {"Location": "/elsewhere"}
    await Looking(session, base_url).read()
    assert [request.path for request in server.requests] == ["/"]


async def test_a_path_before_the_v1_is_kept(session: ClientSession, base_url: URL, server: Server) -> None:
    detector = Looking(session, base_url.with_path("/prefix/v1")).detector
    server.page = OLLAMAS_PAGE
    assert await detector.detect(None) is OLLAMA
    assert server.requests[0].path == "/prefix/"


async def test_a_server_without_a_list_may_still_say_what_it_is(
    session: ClientSession, base_url: URL, server: Server
) -> None:
    server.list_status, server.page = 404, OLLAMAS_PAGE
    looking = Looking(session, base_url)
    await looking.fail()
    assert looking.detector.found is OLLAMA


async def test_a_server_that_fails_is_not_asked_what_it_is(
    session: ClientSession, base_url: URL, server: Server
) -> None:
    server.list_status, server.page = 500, OLLAMAS_PAGE
    await Looking(session, base_url).fail()
    assert server.probed == 0


# Another server at the same place


async def test_a_server_that_was_away_is_asked_again(session: ClientSession) -> None:
    server = Server()
    server.page = OLLAMAS_PAGE
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as running:
        port, looking = running.port, Looking(session, running.make_url("/v1"))
        assert await looking.read() == "ollama"
    await looking.fail()
    assert looking.detector.found is OLLAMA
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app, port=port):
        server.page = b"LiteLLM: RUNNING"
        assert await looking.read() == "litellm"


async def test_a_finding_ends_with_the_signs_it_was_made_of(
    session: ClientSession, base_url: URL, server: Server
) -> None:
    server.headers = {"Server": "llama.cpp"}
    looking = Looking(session, base_url)
    assert await looking.read() == "llamacpp"
    server.headers = {}
    assert await looking.read() == "generic"


async def test_looking_needs_no_list(session: ClientSession, base_url: URL, server: Server) -> None:
    detector = Looking(session, base_url).detector
    await detector.look((), CIMultiDict({"server": "LLAMA.CPP"}), None)
    assert detector.found is LLAMACPP
