"""What a backend refused once is not sent to it again."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.learning import Learned
from tests.conftest import StartGateway
from tests.support.answers import TEXT, error, plain, stream, whole_stream
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway
from tests.support.ways import CHAT, CHAT_WHOLE, V1, V1_WHOLE, Way


def test_nothing_is_dropped_before_anything_was_learnt() -> None:
    assert Learned().dropped("main", "m") == frozenset()


def test_a_refused_parameter_is_remembered_for_that_model_of_that_backend() -> None:
    learned = Learned()
    assert learned.learn("main", "m", "top_k")
    assert not learned.learn("main", "m", "top_k")
    assert learned.learn("main", "m", "min_p")
    assert learned.dropped("main", "m") == {"top_k", "min_p"}
    assert learned.dropped("main", "other") == learned.dropped("spare", "m") == frozenset()


def test_the_same_set_is_given_again_and_again() -> None:
    learned = Learned()
    learned.learn("main", "m", "top_k")
    learned.seed("spare", {"*": ["seed"]})
    assert learned.dropped("main", "m") is learned.dropped("main", "m")
    assert learned.dropped("spare", "m") is learned.dropped("spare", "m")


def test_the_pair_unused_for_longest_is_forgotten() -> None:
    learned = Learned(maximum=2)
    learned.learn("main", "a", "top_k")
    learned.learn("main", "b", "top_k")
    learned.dropped("main", "a")
    learned.learn("main", "c", "top_k")
    assert [model for _, model, _ in learned.known()] == ["a", "c"]
    assert learned.dropped("main", "b") == frozenset()


def test_what_is_configured_counts_from_the_start() -> None:
    learned = Learned()
    learned.seed("main", {"*": ("seed",), "m": ("top_k",)})
    assert learned.dropped("main", "m") == {"seed", "top_k"}
    assert learned.dropped("main", "other") == {"seed"}
    assert not learned.learn("main", "other", "seed")


@pytest.mark.parametrize("first", ["seed", "learn"])
def test_what_is_configured_and_what_was_learnt_add_up(first: str) -> None:
    learned = Learned()
    if first == "learn":
        learned.learn("main", "m", "min_p")
    learned.seed("main", {"*": ("seed",)})
    if first == "seed":
        learned.learn("main", "m", "min_p")
    assert learned.dropped("main", "m") == {"seed", "min_p"}


def test_a_new_configuration_replaces_the_old_and_keeps_what_was_learnt() -> None:
    learned = Learned()
    learned.seed("main", {"*": ("seed",)})
    learned.learn("main", "m", "min_p")
    learned.seed("main", {})
    assert learned.dropped("main", "m") == {"min_p"}
    assert learned.dropped("main", "other") == frozenset()


def test_a_backend_that_is_gone_is_forgotten_and_no_other() -> None:
    learned = Learned()
    for backend in ("main", "spare"):
        learned.seed(backend, {"*": ("seed",)})
        learned.learn(backend, "m", "min_p")
    learned.forget("main")
    assert learned.dropped("main", "m") == frozenset()
    assert learned.dropped("spare", "m") == {"seed", "min_p"}


def test_all_that_is_known_is_told_in_order() -> None:
    learned = Learned()
    learned.learn("spare", "m", "top_k")
    learned.learn("main", "m", "top_k")
    learned.learn("main", "m", "min_p")
    learned.seed("main", {"*": ("seed",)})
    assert learned.known() == [
        ("main", "*", ("seed",)),
        ("main", "m", ("min_p", "seed", "top_k")),
        ("spare", "m", ("top_k",)),
    ]


def refusal(parameter: str, **fields: Any) -> list[Any]:
    """Return the script of OpenAI's refusal of one parameter."""
    text = f"Unsupported parameter: '{parameter}' is not supported with this model."
    return error(400, text, param=parameter, code="unsupported_parameter", **fields)


OPTIONS = {"temperature": 0.5, "num_predict": 5}
SENT = {"temperature": 0.5, "max_tokens": 5}


@pytest.mark.parametrize("way", [CHAT, CHAT_WHOLE, V1, V1_WHOLE], ids=lambda way: way.name)
async def test_a_refused_parameter_is_left_out_and_the_client_never_notices(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(refusal("temperature"), stream(whole_stream()))
    asked = {**way.body, **(SENT if way.v1 else {"options": OPTIONS})}
    for _ in range(2):
        assert way.text(await gateway.ask(way.path, asked)) == TEXT
    sent = [call.json for call in backend.calls]
    assert ["temperature" in body for body in sent] == [True, False, False]
    assert all(body["max_tokens"] == 5 for body in sent)


@pytest.mark.parametrize("way", [CHAT, V1_WHOLE], ids=lambda way: way.name)
async def test_a_refused_bound_is_sent_under_its_other_name_from_then_on(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(refusal("max_tokens"), stream(whole_stream()))
    asked = {**way.body, **(SENT if way.v1 else {"options": OPTIONS})}
    for _ in range(2):
        assert way.text(await gateway.ask(way.path, asked)) == TEXT
    bounds = [(call.json.get("max_tokens"), call.json.get("max_completion_tokens")) for call in backend.calls]
    assert bounds == [(5, None), (None, 5), (None, 5)]


async def test_parameters_that_are_refused_one_by_one_are_left_out_one_by_one(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    backend.play(refusal("temperature"), refusal("max_tokens"), refusal("max_completion_tokens"), plain())
    assert V1_WHOLE.text(await gateway.ask(V1_WHOLE.path, {**V1_WHOLE.body, **SENT})) == TEXT
    assert set(backend.calls[-1].json) == {"model", "messages", "stream"}


async def test_parameters_that_are_refused_at_once_are_left_out_at_once(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    faults = [
        {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"} for name in SENT
    ]
    backend.play(plain({"detail": faults}, status=422), plain())
    assert V1_WHOLE.text(await gateway.ask(V1_WHOLE.path, {**V1_WHOLE.body, **SENT})) == TEXT
    assert len(backend.calls) == 2
    assert {"temperature", "max_tokens"}.isdisjoint(backend.calls[1].json)


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize("way", [CHAT, CHAT_WHOLE, V1, V1_WHOLE], ids=lambda way: way.name)
@pytest.mark.parametrize("name", ["tools", "response_format"])
async def test_a_parameter_that_carries_the_meaning_is_never_left_out(
    backend: ScriptedBackend, gateway: Gateway, way: Way, name: str
) -> None:
    form = {"response_format": {"type": "json_object"}} if way.v1 else {"format": "json"}
    backend.play(refusal(name))
    reply = await gateway.ask(way.path, {**way.body, **({"tools": [TOOL]} if name == "tools" else form)})
    assert reply.status == 400
    assert name in way.error(reply)["message"]
    assert len(backend.calls) == 1


async def test_a_value_that_is_wrong_is_told_to_the_client(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(error(400, "'temperature' must be less than or equal to 2", param="temperature", code="invalid_value"))
    reply = await gateway.ask(V1_WHOLE.path, {**V1_WHOLE.body, "temperature": 3})
    assert (reply.status, len(backend.calls)) == (400, 1)
    assert reply.json["error"]["param"] == "temperature"


async def test_what_one_model_refuses_another_is_still_asked(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.models = ["m", "other"]
    backend.play(refusal("temperature"), plain())
    for model in ("m", "other"):
        assert V1_WHOLE.text(await gateway.ask(V1_WHOLE.path, {**V1_WHOLE.body, **SENT, "model": model})) == TEXT
    assert ["temperature" in call.json for call in backend.calls] == [True, False, True]


async def test_what_was_learnt_is_counted_once_by_backend(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(refusal("temperature"), plain())
    for _ in range(2):
        await gateway.ask(V1_WHOLE.path, {**V1_WHOLE.body, **SENT})
    counted = (await gateway.ask("/metrics", method="GET")).body.decode()
    [line] = [line for line in counted.splitlines() if line.startswith("gateway_backend_learned_parameters_total{")]
    assert line.endswith(" 1.0")


@pytest.mark.parametrize("moves", [True, False], ids=["elsewhere", "same-place"])
async def test_a_reload_forgets_what_was_learnt_of_a_server_that_is_another_now(
    backend: ScriptedBackend, start: StartGateway, tmp_path: Path, moves: bool
) -> None:
    file = tmp_path / "backends.json"

    def write(url: str, weight: int) -> str:
        file.write_text(json.dumps({"backends": [{"name": "main", "base_url": url, "weight": weight}]}))
        return str(file)

    async with ScriptedBackend() as other:
        backend.play(refusal("temperature"), plain())
        other.play(plain())
        gateway = await start(BACKENDS_FILE=write(backend.url, 1), ADMIN_KEY="admin-secret-1")
        asked = {**V1_WHOLE.body, **SENT}
        assert V1_WHOLE.text(await gateway.ask(V1_WHOLE.path, asked)) == TEXT
        write((other if moves else backend).url, 2)
        reply = await gateway.ask("/admin/reload", headers={"Authorization": "Bearer admin-secret-1"})
        assert reply.status == 200
        assert V1_WHOLE.text(await gateway.ask(V1_WHOLE.path, asked)) == TEXT
        last = (other if moves else backend).calls[-1]
        assert ("temperature" in last.json) is moves
