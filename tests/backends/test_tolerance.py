"""What real servers do beside the rules, one test each: every client gets the answer that was meant."""

import asyncio
import json
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.support.answers import (
    DONE,
    ROLE,
    TEXT,
    WORDS,
    completion,
    delta,
    event,
    finish,
    plain,
    stream,
    token,
    until_closed,
    usage,
    whole_stream,
)
from tests.support.backend import LONG_S, SSE, ScriptedBackend, close, end, head, send, sleep
from tests.support.gateway import Gateway, Reply
from tests.support.ways import CHAT, CHAT_WHOLE, V1, V1_WHOLE, WAYS, Way

WORD_EVENTS = tuple(token(word) for word in WORDS)
ARGUMENTS = {"city": "Paris", "days": 2}

each_form = pytest.mark.parametrize("way", [CHAT, CHAT_WHOLE, V1, V1_WHOLE], ids=lambda way: way.name)
"""Both dialects, streaming and not: the backend's answer is the same for all four."""
each_api_form = pytest.mark.parametrize("way", [CHAT, CHAT_WHOLE], ids=lambda way: way.name)
each_v1_form = pytest.mark.parametrize("way", [V1, V1_WHOLE], ids=lambda way: way.name)


def call(**function: Any) -> bytes:
    """Return a chunk with a piece of a tool call, with its id if it has a name."""
    named = {"id": "call_1", "type": "function"} if "name" in function else {}
    return delta(tool_calls=[{"index": 0, **named, "function": function}])


def chunk(choice: dict[str, Any], **fields: Any) -> bytes:
    """Return a chat chunk with a choice just as it is given."""
    return event({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **fields})


def counts(way: Way, reply: Reply) -> tuple[int, int] | None:
    """Return the tokens of prompt and completion that a client was told of."""
    if not way.v1:
        last = reply.lines[-1] if way.streamed else reply.json
        return (last["prompt_eval_count"], last["eval_count"]) if "eval_count" in last else None
    answers = [json.loads(data) for data in reply.events[:-1]] if way.streamed else [reply.json]
    told = [answer["usage"] for answer in answers if answer.get("usage")]
    return (told[-1]["prompt_tokens"], told[-1]["completion_tokens"]) if told else None


def calls(way: Way, reply: Reply) -> list[tuple[str, str]]:
    """Return the name and the arguments, as JSON text, of the tool calls that a client was told of."""
    assert reply.status == 200, reply.body
    if not way.v1:
        lines = reply.lines if way.streamed else [reply.json]
        told = [one["function"] for line in lines for one in line["message"].get("tool_calls", ())]
        return [(function["name"], json.dumps(function["arguments"])) for function in told]
    if not way.streamed:
        told = [one["function"] for one in reply.json["choices"][0]["message"]["tool_calls"]]
        return [(function["name"], function["arguments"]) for function in told]
    choices = [choice for data in reply.events[:-1] for choice in json.loads(data)["choices"]]
    pieces = [one["function"] or {} for choice in choices for one in choice["delta"].get("tool_calls") or ()]
    name = "".join(piece.get("name") or "" for piece in pieces)
    return [(name, "".join(piece.get("arguments") or "" for piece in pieces))]


async def ask(gateway: Gateway, way: Way, **fields: Any) -> Reply:
    """Ask in one of the ways."""
    return await gateway.ask(way.path, {**way.body, **fields})


@each_form
async def test_a_stream_without_done_is_complete(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    backend.play(stream(ROLE, *WORD_EVENTS, finish(), usage()))
    assert way.text(await ask(gateway, way)) == TEXT


@each_form
async def test_a_stream_that_ends_with_the_connection_and_without_done_is_complete(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(until_closed(b"".join((ROLE, *WORD_EVENTS, finish(), usage()))))
    assert way.text(await ask(gateway, way)) == TEXT


@each_form
@pytest.mark.parametrize(
    "reason", [{}, {"finish_reason": None}, {"finish_reason": ""}], ids=["absent", "null", "empty"]
)
async def test_a_finish_reason_comes_at_the_end_alone(
    backend: ScriptedBackend, gateway: Gateway, way: Way, reason: dict[str, Any]
) -> None:
    pieces = [chunk({"index": 0, "delta": {"content": word}, **reason}) for word in WORDS]
    backend.play(stream(*pieces, finish("length"), DONE))
    reply = await ask(gateway, way)
    assert way.text(reply) == TEXT
    if not way.v1:
        assert (reply.lines[-1] if way.streamed else reply.json)["done_reason"] == "length"
    elif not way.streamed:
        assert reply.json["choices"][0]["finish_reason"] == "length"


@each_api_form
async def test_an_answer_without_any_finish_reason_is_complete_at_done(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(stream(ROLE, *WORD_EVENTS, DONE))
    assert way.text(await ask(gateway, way)) == TEXT


@each_form
async def test_tool_calls_with_the_finish_reason_stop_are_calls(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(stream(ROLE, call(name="weather", arguments=json.dumps(ARGUMENTS)), finish("stop"), DONE))
    [(name, arguments)] = calls(way, await ask(gateway, way))
    assert (name, json.loads(arguments)) == ("weather", ARGUMENTS)


@each_form
async def test_usage_may_stand_on_the_finish_chunk(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    last = chunk(
        {"index": 0, "delta": {}, "finish_reason": "stop"},
        usage={"prompt_tokens": 7, "completion_tokens": 12, "total_tokens": 19},
    )
    backend.play(stream(ROLE, *WORD_EVENTS, last, DONE))
    reply = await ask(gateway, way)
    assert way.text(reply) == TEXT
    assert counts(way, reply) == (7, 12)


@each_form
async def test_usage_may_come_on_its_own(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    backend.play(stream(whole_stream()))
    asked = {"stream_options": {"include_usage": True}} if way is V1 else {}
    reply = await ask(gateway, way, **asked)
    assert way.text(reply) == TEXT
    assert counts(way, reply) == (7, 12)


async def test_usage_that_a_client_did_not_ask_for_is_not_shown_to_it(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    backend.play(stream(whole_stream()))
    reply = await ask(gateway, V1)
    assert V1.text(reply) == TEXT
    assert counts(V1, reply) is None
    assert all(json.loads(data)["choices"] for data in reply.events[:-1])


@each_form
async def test_usage_may_stand_on_every_chunk_unasked(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    pieces = [
        chunk(
            {"index": 0, "delta": {"content": word}, "finish_reason": None},
            usage={"prompt_tokens": 7, "completion_tokens": number, "total_tokens": 7 + number},
        )
        for number, word in enumerate(WORDS, 1)
    ]
    backend.play(stream(ROLE, *pieces, finish(), DONE))
    reply = await ask(gateway, way)
    assert way.text(reply) == TEXT
    assert counts(way, reply) == (7, len(WORDS))


@each_form
async def test_usage_may_never_come(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    backend.play(stream(ROLE, *WORD_EVENTS, finish(), DONE))
    reply = await ask(gateway, way)
    assert way.text(reply) == TEXT
    assert counts(way, reply) is None


@each_form
async def test_content_may_be_null(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    nothing = delta(role="assistant", content=None)
    backend.play(stream(nothing, *WORD_EVENTS, nothing, finish(), DONE))
    assert way.text(await ask(gateway, way)) == TEXT


@each_form
async def test_content_may_be_null_in_a_plain_answer_with_calls(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    function = {"name": "weather", "arguments": json.dumps(ARGUMENTS)}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": function}],
    }
    backend.play(plain(completion(choices=[{"index": 0, "message": message, "finish_reason": "tool_calls"}])))
    [(name, arguments)] = calls(way, await ask(gateway, way))
    assert (name, json.loads(arguments)) == ("weather", ARGUMENTS)


@each_form
async def test_chunks_may_have_no_choices(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    filters = event(
        {"id": "", "object": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    )
    backend.play(stream(filters, ROLE, *WORD_EVENTS[:6], filters, *WORD_EVENTS[6:], finish(), filters, DONE))
    assert way.text(await ask(gateway, way)) == TEXT


@each_form
async def test_every_chunk_may_have_an_id_of_its_own(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    pieces = [
        event({"id": f"c{number}", "model": "m", "choices": [{"index": 0, "delta": {"content": word}}]})
        for number, word in enumerate(WORDS)
    ]
    backend.play(stream(*pieces, finish(), DONE))
    reply = await ask(gateway, way)
    assert way.text(reply) == TEXT
    if way is V1_WHOLE:
        assert reply.json["id"] == "c0"


@each_form
@pytest.mark.parametrize("role", ["assistant", None, ""])
async def test_the_role_may_be_repeated_or_null(
    backend: ScriptedBackend, gateway: Gateway, way: Way, role: str | None
) -> None:
    backend.play(stream(*(delta(role=role, content=word) for word in WORDS), finish(), DONE))
    reply = await ask(gateway, way)
    assert way.text(reply) == TEXT
    if not way.v1:
        lines = reply.lines if way.streamed else [reply.json]
        assert {line["message"]["role"] for line in lines} == {"assistant"}
    elif not way.streamed:
        assert reply.json["choices"][0]["message"]["role"] == "assistant"


@each_form
async def test_a_calls_name_and_arguments_may_come_apart_with_null_between(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    between = delta(tool_calls=[{"index": 0, "function": None}])
    text = json.dumps(ARGUMENTS)
    backend.play(
        stream(
            ROLE,
            call(name="weather"),
            between,
            call(arguments=text[:5]),
            between,
            call(arguments=text[5:], name=None),
            finish("tool_calls"),
            DONE,
        )
    )
    [(name, arguments)] = calls(way, await ask(gateway, way))
    assert (name, json.loads(arguments)) == ("weather", ARGUMENTS)


@each_api_form
async def test_arguments_that_are_not_json_are_an_error_where_they_must_be_an_object(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(stream(ROLE, call(name="weather", arguments='{"city": Par'), finish("tool_calls"), DONE))
    reply = await ask(gateway, way)
    assert reply.status == 502
    assert "weather" in way.error(reply)["message"]


@each_v1_form
async def test_arguments_that_are_not_json_pass_where_they_are_text(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(stream(ROLE, call(name="weather", arguments='{"city": Par'), finish("tool_calls"), DONE))
    assert calls(way, await ask(gateway, way)) == [("weather", '{"city": Par')]


@each_form
async def test_a_character_may_be_split_into_surrogates_over_two_chunks(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(stream(ROLE, token("a\ud83d"), token("\ude00b"), finish(), DONE))
    text = way.text(await ask(gateway, way))
    assert text.encode("utf-16-le", "surrogatepass").decode("utf-16-le") == "a\U0001f600b"


@pytest.mark.parametrize("way", [CHAT, CHAT_WHOLE, V1_WHOLE], ids=lambda way: way.name)
async def test_a_surrogate_that_stays_alone_becomes_the_replacement_character(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(stream(ROLE, token("a\ud83d"), token("b"), finish(), DONE))
    assert way.text(await ask(gateway, way)) == "a\ufffdb"


@each_form
async def test_the_model_may_answer_under_its_name_with_a_revision(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    pieces = [
        event({"id": "c", "model": "m@main", "choices": [{"index": 0, "delta": {"content": word}}]}) for word in WORDS
    ]
    backend.play(stream(*pieces, finish(), DONE))
    reply = await ask(gateway, way)
    assert way.text(reply) == TEXT
    if not way.v1:
        last = reply.lines[-1] if way.streamed else reply.json
        assert last["model"] == "m"
        assert "remote_model" not in last


@each_form
@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/octet-stream", None])
async def test_a_stream_may_be_labelled_as_anything(
    backend: ScriptedBackend, gateway: Gateway, way: Way, content_type: str | None
) -> None:
    backend.play([head(200, content_type), send(whole_stream()), end])
    reply = await ask(gateway, way)
    assert way.text(reply) == TEXT
    if way is V1:
        assert reply.headers["Content-Type"].startswith(SSE)


@each_form
async def test_a_stream_in_answer_to_a_plain_question_becomes_what_was_asked_for(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(stream(whole_stream()))
    reply = await ask(gateway, way)
    assert way.text(reply) == TEXT
    if way is V1_WHOLE:
        assert json.loads((await backend.call()).body)["stream"] is False
        assert reply.headers["Content-Type"].startswith("application/json")
        assert reply.json == {
            "id": "c1",
            "object": "chat.completion",
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "logprobs": None,
                    "message": {"content": TEXT, "role": "assistant"},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 7, "completion_tokens": 12, "total_tokens": 19},
        }


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_a_plain_answer_to_a_question_for_a_stream_becomes_what_was_asked_for(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(plain(completion()))
    reply = await ask(gateway, way)
    assert way.text(reply) == TEXT
    if way is V1:
        assert reply.headers["Content-Type"].startswith(SSE)
        chunks = [json.loads(data) for data in reply.events[:-1]]
        assert {one["object"] for one in chunks} == {"chat.completion.chunk"}
        assert [one["choices"][0]["finish_reason"] for one in chunks] == [None, "stop"]


async def test_a_stream_that_is_cut_before_it_became_one_object_is_an_error(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    backend.play([head(), send(ROLE, *WORD_EVENTS), close])
    assert V1_WHOLE.error(await ask(gateway, V1_WHOLE))["message"]


@each_form
async def test_a_connection_that_the_backend_closed_when_idle_is_not_used(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play([*stream(), sleep(0.02), close])
    for number in range(2):
        assert way.text(await ask(gateway, way)) == TEXT
        async with asyncio.timeout(LONG_S):
            await (await backend.call(number)).left()
    assert len({call.connection for call in backend.calls}) == 2


@each_form
async def test_a_question_that_met_a_closing_connection_is_sent_again(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], way: Way
) -> None:
    gateway = await start(MAX_RETRIES="1")
    backend.play(stream(), [close], stream())
    for _ in range(2):
        assert way.text(await ask(gateway, way)) == TEXT
    first, second, third = backend.calls
    assert (first.connection == second.connection, second.connection == third.connection) == (True, False)
    assert second.body == third.body
