"""What clients leave out of their requests, and what a backend must get for it."""

from typing import Any

import pytest

from tests.golden.backend import GoldenBackend
from tests.golden.checks import check_nothing_is_empty, check_results_are_paired
from tests.golden.situations import BY_NAME, WEATHER_TOOL
from tests.golden.streams import WAYS, Way, asked, send

pytestmark = pytest.mark.e2e

QUESTION = {"role": "user", "content": "How is the weather in Paris and Oslo, and what time is it?"}
CALLS = [
    {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}},
    {"function": {"name": "get_time", "arguments": {}}},
    {"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}},
]


def heard(golden_backend: GoldenBackend, url: str, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Send a conversation; return the messages that reach the backend."""
    body = {"model": "tool-results", "messages": [QUESTION, *messages], "tools": [WEATHER_TOOL], "stream": False}
    assert send(url, "POST", "/api/chat", body).status == 200
    found: list[dict[str, Any]] = golden_backend.asked_of("tool-results")[-1]["messages"]
    return found


def answered(messages: list[dict[str, Any]]) -> dict[str, str]:
    """What each result says, by the arguments of the call it is paired with."""
    calls = {call["id"]: call["function"] for message in messages for call in message.get("tool_calls", [])}
    results = [message for message in messages if message["role"] == "tool"]
    return {
        f"{calls[result['tool_call_id']]['name']} {calls[result['tool_call_id']]['arguments']}": result["content"]
        for result in results
    }


PAIRED = {'get_weather {"city":"Paris"}': "clear", "get_time {}": "noon", 'get_weather {"city":"Oslo"}': "rain"}


def tight(pairs: dict[str, str]) -> dict[str, str]:
    """The same without the blanks that JSON may have."""
    return {f"{name.split(' ', 1)[0]} {name.split(' ', 1)[1].replace(' ', '')}": text for name, text in pairs.items()}


def test_results_without_ids_are_paired_by_their_order(golden_backend: GoldenBackend, golden_url: str) -> None:
    results = [{"role": "tool", "content": text} for text in ("clear", "noon", "rain")]
    messages = heard(golden_backend, golden_url, {"role": "assistant", "tool_calls": CALLS}, *results)
    check_results_are_paired(messages)
    assert tight(answered(messages)) == PAIRED


def test_results_with_a_name_are_paired_by_it(golden_backend: GoldenBackend, golden_url: str) -> None:
    results = [
        {"role": "tool", "tool_name": "get_time", "content": "noon"},
        {"role": "tool", "tool_name": "get_weather", "content": "clear"},
        {"role": "tool", "tool_name": "get_weather", "content": "rain"},
    ]
    messages = heard(golden_backend, golden_url, {"role": "assistant", "content": "", "tool_calls": CALLS}, *results)
    assert tight(answered(messages)) == PAIRED


def test_results_with_an_id_are_paired_by_it(golden_backend: GoldenBackend, golden_url: str) -> None:
    calls = [{**call, "id": f"call_{number}", "type": "function"} for number, call in enumerate(CALLS)]
    results = [
        {"role": "tool", "tool_call_id": f"call_{number}", "tool_name": f"call_{number}", "content": text}
        for number, text in ((2, "rain"), (0, "clear"), (1, "noon"))
    ]
    messages = heard(golden_backend, golden_url, {"role": "assistant", "tool_calls": calls}, *results)
    assert tight(answered(messages)) == PAIRED
    assert [message["tool_call_id"] for message in messages if message["role"] == "tool"] == [
        "call_2",
        "call_0",
        "call_1",
    ]


def test_results_with_an_id_that_no_call_has_are_paired_by_their_order(
    golden_backend: GoldenBackend, golden_url: str
) -> None:
    results = [{"role": "tool", "tool_call_id": f"own_{text}", "content": text} for text in ("clear", "noon", "rain")]
    messages = heard(golden_backend, golden_url, {"role": "assistant", "content": "", "tool_calls": CALLS}, *results)
    check_results_are_paired(messages)
    assert tight(answered(messages)) == PAIRED


def test_invented_ids_are_the_same_in_every_round(golden_backend: GoldenBackend, golden_url: str) -> None:
    talk: list[dict[str, Any]] = []
    rounds = []
    for city in ("Paris", "Oslo", "Rome"):
        call = {"function": {"name": "get_weather", "arguments": {"city": city}}}
        talk += [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": city}]
        messages = heard(golden_backend, golden_url, *talk)
        check_results_are_paired(messages)
        rounds.append([call["id"] for message in messages for call in message.get("tool_calls", [])])
    assert len(set(rounds[-1])) == 3
    assert rounds == [rounds[-1][:1], rounds[-1][:2], rounds[-1]]


@pytest.mark.parametrize("way", WAYS[:2], ids=lambda way: way.title)
def test_empty_fields_do_not_reach_the_backend(way: Way, golden_backend: GoldenBackend, golden_url: str) -> None:
    before = len(golden_backend.asked_of("empty-request-fields"))
    assert asked(golden_url, BY_NAME["empty-request-fields"], way).status == 200
    [body] = golden_backend.asked_of("empty-request-fields")[before:]
    check_nothing_is_empty(body)
    assert set(body) - {"stream_options"} == {"model", "messages", "stream"}
    assert body["messages"] == [{"role": "user", "content": "Say it."}]


def test_empty_fields_of_generate_do_not_reach_the_backend(golden_backend: GoldenBackend, golden_url: str) -> None:
    empty = {"suffix": "", "system": "", "template": "", "context": [], "raw": False, "images": [], "format": ""}
    body = {"model": "no-usage", "prompt": "Say it.", "keep_alive": None, "options": {}, **empty}
    assert send(golden_url, "POST", "/api/generate", body).status == 200
    path, heard = golden_backend.asked[-1]
    check_nothing_is_empty(heard)
    assert path == "/v1/chat/completions"
    assert set(heard) - {"stream_options"} == {"model", "messages", "stream"}


@pytest.mark.parametrize(
    ("body", "path"),
    [({}, "/api/generate"), ({"prompt": ""}, "/api/generate"), ({}, "/api/chat"), ({"messages": []}, "/api/chat")],
)
@pytest.mark.parametrize(("keep_alive", "reason"), [(None, "load"), ("5m", "load"), (-1, "load"), (0, "unload")])
def test_loading_and_unloading_ask_no_backend(
    body: dict[str, Any], path: str, keep_alive: Any, reason: str, golden_backend: GoldenBackend, golden_url: str
) -> None:
    before = len(golden_backend.asked)
    reply = send(golden_url, "POST", path, {"model": "no-usage", "keep_alive": keep_alive, **body})
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert (reply.json["done"], reply.json["done_reason"]) == (True, reason)
    assert reply.json.get("response", reply.json.get("message", {}).get("content")) == ""
    assert len(golden_backend.asked) == before
