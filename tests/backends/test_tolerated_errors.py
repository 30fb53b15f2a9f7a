"""The forms in which real servers tell an error, one test each: clients read the same words and the same status."""

from typing import Any

import pytest

from tests.support.answers import DONE, ROLE, TEXT, WORDS, body, event, finish, plain, stream, token
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway
from tests.support.ways import CHAT, CHAT_WHOLE, V1, V1_WHOLE, Way

each_form = pytest.mark.parametrize("way", [CHAT, CHAT_WHOLE, V1, V1_WHOLE], ids=lambda way: way.name)
"""Both dialects, streaming and not: the backend's answer is the same for all four."""


@each_form
@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"detail": "no such thing"}, "no such thing"),
        ({"detail": [{"loc": ["body", "seed"], "msg": "no such thing", "type": "x"}]}, "seed: no such thing"),
        ({"detail": {"message": "no such thing"}}, "no such thing"),
        ({"error": "no such thing"}, "no such thing"),
        ({"error": {"message": "no such thing", "code": 42}}, "no such thing"),
        ({"error": {"message": "no such thing", "code": "odd"}}, "no such thing"),
        ({"object": "error", "message": "no such thing", "code": 400}, "no such thing"),
        ([{"error": {"message": "no such thing", "code": 400}}], "no such thing"),
        ("no such thing", "no such thing"),
    ],
    ids=["detail", "list", "object", "string", "integer-code", "string-code", "message", "in-a-list", "bare-string"],
)
async def test_an_error_is_told_in_the_backends_words_whatever_its_form(
    backend: ScriptedBackend, gateway: Gateway, way: Way, told: object, message: str
) -> None:
    backend.play(plain(told, status=400))
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 400
    assert way.error(reply)["message"] == message


@each_form
@pytest.mark.parametrize(
    ("content_type", "data", "message"),
    [
        ("text/plain", b"it is broken", "it is broken"),
        (None, b"it is broken", "it is broken"),
        ("text/html", b"<html><h1>502 Bad Gateway</h1></html>", "the backend answered with status 500"),
        ("application/json", b"", "the backend answered with status 500"),
    ],
    ids=["text", "untyped", "html", "empty"],
)
async def test_a_500_in_plain_text_or_html_is_an_error_like_any_other(
    backend: ScriptedBackend, gateway: Gateway, way: Way, content_type: str | None, data: bytes, message: str
) -> None:
    backend.play(body(data, status=500, content_type=content_type))
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 500
    assert way.error(reply)["message"] == message


@each_form
@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"error": {"message": "it broke", "code": 503}}, 503),
        ({"error": {"message": "it broke", "code": "429"}}, 429),
        ({"error": {"message": "it broke", "code": "rate_limit_exceeded"}}, 429),
        ({"error": {"message": "it broke", "type": "invalid_request_error", "code": None}}, 400),
        ({"error": {"message": "it broke", "code": "odd"}}, 502),
        ({"error": "it broke"}, 502),
        ({"detail": "it broke"}, 502),
        ({"object": "error", "message": "it broke", "type": "BadRequestError", "code": 400}, 400),
    ],
    ids=["integer", "number-as-text", "name", "type", "unknown", "string", "detail", "message"],
)
@pytest.mark.parametrize("streamed", [True, False], ids=["event", "body"])
async def test_an_error_object_inside_a_200_is_an_error_with_its_status(
    backend: ScriptedBackend, gateway: Gateway, way: Way, told: dict[str, Any], status: int, streamed: bool
) -> None:
    backend.play(stream(ROLE, event(told)) if streamed else plain(told))
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == status
    assert way.error(reply)["message"] == "it broke"


@pytest.mark.parametrize("way", [CHAT, V1], ids=lambda way: way.name)
async def test_an_error_object_after_the_first_words_ends_the_stream_honestly(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    backend.play(stream(ROLE, *map(token, WORDS), event({"error": {"message": "it broke", "code": 500}}), DONE))
    assert way.last_error(await gateway.ask(way.path, way.body))["message"] == "it broke"


@each_form
@pytest.mark.parametrize("nothing", [None, "", {}], ids=["null", "empty", "empty-object"])
async def test_an_error_that_says_nothing_beside_an_answer_is_none(
    backend: ScriptedBackend, gateway: Gateway, way: Way, nothing: object
) -> None:
    pieces = [event({"error": nothing, "choices": [{"index": 0, "delta": {"content": word}}]}) for word in WORDS]
    backend.play(stream(*pieces, finish(), DONE))
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT


@each_form
@pytest.mark.parametrize("status", [400, 404, 422])
async def test_an_unknown_model_is_a_404_whatever_the_backend_calls_it(
    backend: ScriptedBackend, gateway: Gateway, way: Way, status: int
) -> None:
    told = {"error": {"message": "The model `m` does not exist", "type": "invalid_request_error", "code": None}}
    backend.play(plain(told, status=status))
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 404
    assert way.error(reply)["message"] == "model 'm' not found"
