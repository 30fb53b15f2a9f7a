"""Breakers as clients and operators meet them: a whole gateway before backends that fail."""

from tests.conftest import StartGateway
from tests.support.answers import error, stream
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway
from tests.support.ways import CHAT


async def states(gateway: Gateway) -> dict[str, str]:
    """Return what /health says of the breakers of the one backend, by model."""
    told: dict[str, str] = (await gateway.ask("/health", method="GET")).json["backends"]["main"]["breakers"]
    return told


def changes(gateway: Gateway) -> list[str]:
    """Return the states that the log tells, in their order."""
    return [line["state"] for line in gateway.said() if line["event"] == "breaker"]


async def test_health_metrics_and_log_tell_of_an_open_breaker_and_of_its_end(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    gateway = await start(MAX_RETRIES="0")
    assert await states(gateway) == {}
    backend.play(*[error(503)] * 5, stream())
    for _ in range(5):
        assert (await gateway.ask(CHAT.path, CHAT.body)).status == 503
    assert await states(gateway) == {CHAT.body["model"]: "open"}
    metrics = (await gateway.ask("/metrics", method="GET")).text
    assert 'gateway_breaker_opened_total{backend="main"} 1.0' in metrics
    assert changes(gateway) == ["open"]
    assert (await gateway.ask(CHAT.path, CHAT.body)).status == 200, "the only place there is is asked all the same"
    assert await states(gateway) == {}
    assert changes(gateway) == ["open", "closed"]


async def test_the_keys_that_clients_bring_open_no_breaker_for_others(
    backend: ScriptedBackend, start: StartGateway
) -> None:
    gateway = await start(OPENAI_API_KEY="")
    backend.play(*[error(401)] * 10)
    for _ in range(10):
        headers = {"Authorization": "Bearer a-wrong-one"}
        assert (await gateway.ask(CHAT.path, CHAT.body, headers=headers)).status == 401
    assert await states(gateway) == {}


async def test_a_key_of_ours_that_is_refused_does(backend: ScriptedBackend, start: StartGateway) -> None:
    gateway = await start(OPENAI_API_KEY="one-of-ours")
    backend.play(*[error(401)] * 5)
    for _ in range(5):
        assert (await gateway.ask(CHAT.path, CHAT.body)).status == 401
    assert await states(gateway) == {CHAT.body["model"]: "open"}
