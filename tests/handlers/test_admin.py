import logging
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from gateway.channel import ChannelError
from gateway.handlers.admin import AdminHandler, answer_others
from gateway.handlers.body import BODY_TIMEOUT_S
from gateway.lifecycle import Lifecycle
from gateway.settings_text import ConfigError, Problem
from gateway.telemetry.logging import current_level, is_logged
from gateway.telemetry.recent import Recent
from tests.conftest import StartGateway
from tests.middlewares.application import answering, build
from tests.telemetry.capture import captured_logging

ADMIN = {"Authorization": "Bearer admin-key-1"}


async def reloaded() -> Sequence[str]:
    return ["main"]


def application(recent: Recent, lifecycle: Lifecycle | None = None) -> web.Application:
    """Return an application whose administrators' key is that of ADMIN."""
    lifecycle = lifecycle or Lifecycle()
    answer_others(lifecycle, recent)
    admin = AdminHandler(reloaded, lifecycle.collect)
    app = build(admin.register, answering(), admin_key="admin-key-1", recent=recent)
    app[BODY_TIMEOUT_S] = 10.0
    return app


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/admin/requests/x"), ("POST", "/admin/log-level"), ("POST", "/admin/reload")]
)
async def test_only_the_administrators_key_opens_these_routes(
    aiohttp_client: AiohttpClient, method: str, path: str
) -> None:
    client = await aiohttp_client(application(Recent()))
    assert (await client.request(method, path)).status == 401
    assert (await client.request(method, path, headers={"Authorization": "Bearer other"})).status == 401


async def test_a_recent_request_is_told_by_its_id(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(application(Recent()))
    request_id = (await client.get("/answers")).headers["X-Request-ID"]
    response = await client.get(f"/admin/requests/{request_id}", headers=ADMIN)
    told = await response.json()
    assert (told["request_id"], told["route"], told["status"], told["state"]) == (request_id, "/answers", 200, "ended")
    assert [event["event"] for event in told["events"]] == ["received", "ended"]


async def test_an_id_that_nobody_remembers_is_a_404(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(application(Recent()))
    response = await client.get("/admin/requests/req_unknown", headers=ADMIN)
    assert response.status == 404
    assert (await response.json())["error"]["code"] == "request_not_found"


async def test_the_level_of_the_log_is_changed(aiohttp_client: AiohttpClient) -> None:
    with captured_logging("INFO"):
        client = await aiohttp_client(application(Recent()))
        response = await client.post("/admin/log-level", json={"level": "DEBUG"}, headers=ADMIN)
        assert await response.json() == {"status": "changed", "level": "DEBUG", "processes": 1}
        assert is_logged(logging.DEBUG)
        await client.post("/admin/log-level", json={"level": "ERROR"}, headers=ADMIN)
        assert current_level() == "ERROR"


@pytest.mark.parametrize("body", [b"", b"DEBUG", b'{"level": "LOUD"}', b'{"level": 10}', b"[]", b"\xff"])
async def test_a_level_that_is_none_is_refused(aiohttp_client: AiohttpClient, body: bytes) -> None:
    with captured_logging("INFO"):
        client = await aiohttp_client(application(Recent()))
        response = await client.post("/admin/log-level", data=body, headers=ADMIN)
        assert response.status == 400
        assert (await response.json())["error"]["param"] == "level"
        assert current_level() == "INFO"


async def test_a_body_that_is_nested_too_deeply_is_refused_as_any_other(start: StartGateway) -> None:
    gateway = await start(ADMIN_KEY="admin-key-1")
    reply = await gateway.ask("/admin/log-level", b'{"other":' + b"[" * 100_000, headers=ADMIN)
    assert (reply.status, reply.json["error"]["param"]) == (400, "level")


class Others:
    """The way to a supervisor that knows another worker."""

    def __init__(self, *answers: Any) -> None:
        self._answers = answers

    async def ask(self, topic: str, payload: Any = None, *, timeout_s: float = 5.0) -> Any:
        """Fail: nobody asks it."""
        raise ChannelError("not asked")

    async def collect(self, topic: str, payload: Any = None) -> list[Any]:
        """Return what the other workers say."""
        if not self._answers:
            raise ChannelError("the other process is gone")
        return list(self._answers)

    def tell(self, topic: str, payload: Any = None) -> None:
        """Lose it."""


async def test_a_request_of_another_worker_is_found_there(aiohttp_client: AiohttpClient) -> None:
    others = Others({"request_id": "r", "began": 1.0}, {"request_id": "r", "began": 2.0})
    client = await aiohttp_client(application(Recent(), Lifecycle(link=others)))
    assert (await (await client.get("/admin/requests/r", headers=ADMIN)).json())["began"] == 2.0


async def test_workers_that_cannot_be_asked_are_a_503(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(application(Recent(), Lifecycle(link=Others())))
    assert (await client.get("/admin/requests/r", headers=ADMIN)).status == 503


async def test_a_configuration_that_is_refused_is_a_400(aiohttp_client: AiohttpClient) -> None:
    async def refuse() -> Sequence[str]:
        raise ConfigError([Problem("BACKENDS_FILE", "names no backend", "a file with backends")])

    admin = AdminHandler(refuse, Lifecycle().collect)
    client = await aiohttp_client(build(admin.register, admin_key="admin-key-1"))
    response = await client.post("/admin/reload", headers=ADMIN)
    assert (response.status, (await response.json())["error"]["code"]) == (400, "bad_configuration")
