"""Virtual models, the default model and the names of those that answer, through a whole gateway."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.support.answers import DONE, completion, embeddings, event, finish, plain, stream
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway, Reply

HI = [{"role": "user", "content": "hi"}]
SYSTEM = {"role": "system", "content": "Be a pirate."}


@pytest.fixture
async def gateway(start: StartGateway, tmp_path: Path) -> Gateway:
    """A gateway with a virtual model `pirate`, another name `alias`, and `default` for the rest."""
    path = tmp_path / "mapping.json"
    pirate = {"model": "m", "system": "Be a pirate.", "options": {"temperature": 0.5}, "context_length": 77}
    path.write_text(json.dumps({"pirate": pirate, "alias": "m", "default": "m"}))
    return await start(MODEL_MAPPING_FILE=str(path), DEFAULT_MODEL="default")


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
async def test_a_virtual_model_speaks_as_its_entry_says(backend: ScriptedBackend, gateway: Gateway, path: str) -> None:
    backend.play(plain())
    reply = await gateway.ask(path, {"model": "Pirate:latest", "messages": HI, "stream": False})
    assert reply.status == 200
    sent = backend.calls[-1].json
    assert (sent["model"], sent["messages"], sent["temperature"]) == ("m", [SYSTEM, *HI], 0.5)


async def test_a_virtual_model_is_listed_and_shown(gateway: Gateway) -> None:
    tags = (await gateway.ask("/api/tags", method="GET")).json["models"]
    assert sorted(tag["name"] for tag in tags) == ["alias", "default", "m", "pirate"]
    listed = (await gateway.ask("/v1/models", method="GET")).json["data"]
    assert [entry["id"] for entry in listed] == ["m", "pirate", "alias", "default"]
    shown = (await gateway.ask("/api/show", {"model": "pirate"})).json
    assert (shown["system"], shown["model_info"]["unknown.context_length"]) == ("Be a pirate.", 77)


async def test_the_context_that_nobody_knows_is_the_setting(start: StartGateway) -> None:
    gateway = await start(DEFAULT_CONTEXT_LENGTH="1234")
    shown = (await gateway.ask("/api/show", {"model": "m"})).json
    assert shown["model_info"]["unknown.context_length"] == 1234


def last(reply: Reply) -> Any:
    return reply.lines[-1] if reply.body.endswith(b"\n") else reply.json


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("asked", "answered", "echo", "remote"),
    [
        ("m", "m", "m", None),
        ("M:latest", "m", "M:latest", None),
        ("alias", "m", "alias", None),
        ("pirate", "m-2024-08-06", "pirate", "m-2024-08-06"),
        ("unknown", "m", "unknown", "m"),
        ("", "m", "default", None),
    ],
)
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
async def test_the_echo_is_what_was_sent_and_another_model_is_named(
    backend: ScriptedBackend,
    gateway: Gateway,
    path: str,
    asked: str,
    answered: str,
    echo: str,
    remote: str | None,
    streamed: bool,
) -> None:
    said = event({"model": answered, "choices": [{"delta": {"content": "x"}}]})
    backend.play(stream(said, finish(), DONE) if streamed else plain(completion("x", model=answered)))
    body = {"model": asked, "messages": HI, "prompt": "hi", "stream": streamed}
    reply = await gateway.ask(path, body)
    assert (reply.status, last(reply)["model"], last(reply).get("remote_model")) == (200, echo, remote)


@pytest.mark.parametrize(("path", "body"), [("/api/chat", {}), ("/api/generate", {})])
async def test_loading_without_a_name_names_the_default(gateway: Gateway, path: str, body: dict[str, Any]) -> None:
    assert (await gateway.ask(path, body)).json["model"] == "default"


async def test_embeddings_without_a_name_name_the_default(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(plain(embeddings([1.0, 0.0])))
    assert (await gateway.ask("/api/embed", {"input": "hi"})).json["model"] == "default"
