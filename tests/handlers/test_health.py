from dataclasses import dataclass

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from gateway.handlers.health import BackendHealth, HealthHandler
from gateway.lifecycle import Lifecycle
from tests.handlers.serving import API_KEY, WITH_KEY
from tests.middlewares.application import build


@dataclass
class Backends:
    """A probe's findings."""

    status: str = "healthy"
    latency_ms: float | None = 12.34567
    usable: bool = True

    @property
    def by_backend(self) -> dict[str, BackendHealth]:
        """The same, as the one backend there is."""
        return {"main": self}


def handler(backends: Backends | None = None, lifecycle: Lifecycle | None = None) -> HealthHandler:
    return HealthHandler(backends or Backends(), lifecycle or Lifecycle(), "1.2.3")


@pytest.mark.parametrize("path", ["/health", "/v1/health"])
async def test_health_tells_status_latency_version_and_uptime(aiohttp_client: AiohttpClient, path: str) -> None:
    client = await aiohttp_client(build(handler().register))
    response = await client.get(path)
    body = await response.json()
    assert response.status == 200
    assert body.pop("uptime_s") >= 0
    backends = {"main": {"status": "healthy", "latency_ms": 12.346, "breakers": {}}}
    assert body == {"status": "healthy", "latency_ms": 12.346, "version": "1.2.3", "backends": backends}
    assert (await client.head(path)).status == 200


async def test_health_names_the_models_whose_breakers_are_not_closed(aiohttp_client: AiohttpClient) -> None:
    states = [("main", "big", "open"), ("main", "small", "half_open"), ("gone", "old", "open")]
    told = HealthHandler(Backends(), Lifecycle(), "1.2.3", lambda: states)
    client = await aiohttp_client(build(told.register))
    body = await (await client.get("/health")).json()
    assert list(body["backends"]) == ["main"]
    assert body["backends"]["main"]["breakers"] == {"big": "open", "small": "half_open"}


@pytest.mark.parametrize("status", ["degraded", "unhealthy"])
async def test_health_is_200_while_the_process_works(aiohttp_client: AiohttpClient, status: str) -> None:
    client = await aiohttp_client(build(handler(Backends(status, None, usable=False)).register))
    response = await client.get("/health")
    body = await response.json()
    assert (response.status, body["status"], body["latency_ms"]) == (200, status, None)


async def test_ready_follows_the_backends(aiohttp_client: AiohttpClient) -> None:
    backends = Backends()
    client = await aiohttp_client(build(handler(backends).register))
    response = await client.get("/ready")
    assert (response.status, await response.json()) == (200, {"status": "ready"})
    backends.usable = False
    response = await client.get("/ready")
    assert response.status == 503
    assert await response.json() == {"status": "not ready", "reason": "no backend can be used"}
    assert (await client.head("/ready")).status == 503


async def test_ready_can_be_asked_of_the_process_alone(aiohttp_client: AiohttpClient) -> None:
    lifecycle = Lifecycle()
    client = await aiohttp_client(build(handler(Backends(usable=False), lifecycle).register))
    assert (await client.get("/ready?scope=self")).status == 200
    assert (await client.get("/ready?scope=all")).status == 503
    lifecycle.stopping = True
    assert (await client.get("/ready?scope=self")).status == 503


async def test_a_stopping_gateway_is_not_ready_and_still_healthy(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(build(handler(lifecycle=Lifecycle(stopping=True)).register))
    response = await client.get("/ready")
    assert (response.status, (await response.json())["reason"]) == (503, "stopping")
    assert (await client.get("/health")).status == 200


async def test_without_a_key_where_one_is_wanted_the_status_is_all(aiohttp_client: AiohttpClient) -> None:
    backends = Backends(usable=False)
    client = await aiohttp_client(build(handler(backends).register, api_keys=[API_KEY]))
    assert await (await client.get("/health")).json() == {"status": "healthy"}
    assert await (await client.get("/ready")).json() == {"status": "not ready"}
    assert "version" in await (await client.get("/health", headers=WITH_KEY)).json()
    assert "reason" in await (await client.get("/ready", headers=WITH_KEY)).json()
