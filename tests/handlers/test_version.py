import platform
import threading

import aiohttp
from pytest_aiohttp.plugin import AiohttpClient

from gateway.handlers.version import OLLAMA_API_VERSION, VersionHandler
from gateway.version import VersionFacts
from tests.handlers.serving import API_KEY, WITH_KEY
from tests.middlewares.application import build

FACTS = VersionFacts("1.2.3", "0123abc", "2026-11-21T07:00:00+00:00", "development")


def handler(*, detailed: bool = True) -> VersionHandler:
    return VersionHandler(lambda: FACTS, detailed=detailed)


async def test_ollama_clients_get_the_plain_number_they_ask_for(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(handler().register))
    response = await client.get("/api/version")
    assert await response.json() == {"version": OLLAMA_API_VERSION}
    assert (await client.head("/api/version")).status == 200


def test_the_number_is_one_no_client_refuses() -> None:
    assert tuple(int(part) for part in OLLAMA_API_VERSION.split(".")) >= (0, 13, 4)


async def test_the_details_say_what_is_running(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(handler().register))
    assert await (await client.get("/v1/version")).json() == {
        "version": "1.2.3",
        "commit": "0123abc",
        "commit_date": "2026-11-21T07:00:00+00:00",
        "build": "development",
        "python": platform.python_version(),
        "aiohttp": aiohttp.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "api_versions": {"ollama": OLLAMA_API_VERSION, "openai": "v1"},
    }


async def test_the_facts_are_asked_for_outside_the_event_loop(aiohttp_client: AiohttpClient) -> None:
    threads: list[int] = []

    def slow_facts() -> VersionFacts:
        threads.append(threading.get_ident())
        return FACTS

    client = await aiohttp_client(build(VersionHandler(slow_facts, detailed=True).register))
    await client.get("/v1/version")
    assert threads
    assert threads != [threading.get_ident()]


async def test_the_details_can_be_switched_off_and_the_number_stays(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(handler(detailed=False).register))
    assert (await client.get("/v1/version")).status == 404
    assert (await client.get("/api/version")).status == 200


async def test_the_number_needs_no_key_and_the_details_do(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(handler().register, api_keys=[API_KEY]))
    assert (await client.get("/api/version")).status == 200
    assert (await client.get("/v1/version")).status == 401
    assert (await client.get("/v1/version", headers=WITH_KEY)).status == 200
