"""A backend's error is understood in whatever shape it comes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.codecs.backend_errors import (
    error_from_object,
    error_from_status,
    is_unknown_model,
    retry_after_s,
    unexpected_status,
)
from gateway.errors import TranslationError, UpstreamConnectionError, UpstreamStatusError


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b'{"error":{"message":"bad key","type":"t","param":"p","code":"c"}}', "bad key", id="openai"),
        pytest.param(b'{"error":"bad key"}', "bad key", id="a string"),
        pytest.param(b'{"error":"Bad Request","message":"bad key"}', "bad key", id="a title and a message"),
        pytest.param(b'{"detail":"bad key"}', "bad key", id="fastapi"),
        pytest.param(b'{"detail":[{"loc":["body"],"msg":"bad key"}]}', "bad key", id="fastapi's list"),
        pytest.param(
            b'{"detail":[{"loc":["body","a"],"msg":"x"},{"loc":["body","b",0,"c"],"msg":"y"}]}',
            "a: x; b.0.c: y",
            id="fastapi's list with places",
        ),
        pytest.param(b'{"detail":[7]}', "[7]", id="a list of something else"),
        pytest.param(b'[{"error":{"message":"bad key"}}]', "bad key", id="google's list of one"),
        pytest.param(b'{"message":"bad key"}', "bad key", id="a message alone"),
        pytest.param(b'"bad key"', "bad key", id="a bare JSON string"),
        pytest.param(b"bad key", "bad key", id="plain text"),
        pytest.param(b"", "the backend answered with status 401", id="nothing"),
        pytest.param(b"{}", "the backend answered with status 401", id="an empty object"),
        pytest.param(b"<html>bad key</html>", "the backend answered with status 401", id="HTML"),
        pytest.param(b'{"error":{"code":7}}', '{"code": 7}', id="an object without a message"),
        pytest.param(b"[" * 100_000, "[" * 2000, id="too deep to read"),
    ],
)
def test_the_backends_own_text_is_found(body: bytes, message: str) -> None:
    error = error_from_status(401, "application/json", body)
    assert (error.status, error.message) == (401, message)


def test_type_param_and_code_are_kept() -> None:
    error = error_from_status(400, "", b'{"error":{"message":"m","type":"t","param":"p","code":42}}', 1.5)
    assert (error.error_type, error.param, error.code, error.retry_after_s) == ("t", "p", "42", 1.5)


@pytest.mark.parametrize(
    "body",
    [
        b'{"detail":[%b]}',
        b'{"object":"error","message":{"detail":[%b]},"type":"invalid_request_error","param":null,"code":null}',
        b'{"object":"Error","detail":[%b],"message":[%b],"type":"invalid_request_error","code":3001}',
        b'{"error":{"message":[%b]}}',
    ],
)
def test_the_place_of_a_fault_in_the_request_is_kept(body: bytes) -> None:
    fault = (
        b'{"type":"extra_forbidden","loc":["body","min_p"],"msg":"Extra inputs are not permitted","input":"private"}'
    )
    error = error_from_status(422, "application/json", body.replace(b"%b", fault))
    assert (error.message, error.param, error.code) == (
        "min_p: Extra inputs are not permitted",
        "min_p",
        "extra_forbidden",
    )


def test_a_list_of_faults_within_a_text_is_read() -> None:
    text = '{\\"detail\\":[{\\"loc\\":[\\"body\\",\\"n\\"],\\"msg\\":\\"no\\"}]}'
    error = error_from_status(422, "", f'{{"object":"error","message":"{text}","code":"1000"}}'.encode())
    assert (error.message, error.param) == ("n: no", "n")


def test_html_is_not_shown_even_when_it_does_not_look_like_it() -> None:
    assert error_from_status(500, "text/html", b"oops").message == "the backend answered with status 500"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ({"message": "m", "code": 429}, 429),
        ({"message": "m", "code": "503"}, 503),
        ({"message": "m", "code": "x"}, 502),
        ("m", 502),
        ({"message": "m", "status": 400}, 400),
        ({"message": "m", "code": 200}, 502),
    ],
)
def test_an_error_inside_an_answer_has_the_status_of_its_code(raw: Any, status: int) -> None:
    error = error_from_object(raw)
    assert (error.status, error.message) == (status, "m")


@pytest.mark.parametrize(
    ("status", "message", "code", "unknown"),
    [
        (404, "The model `x` does not exist or you do not have access to it.", None, True),
        (404, "model 'x' not found", None, True),
        (400, "x is not a valid model ID", "model_not_found", True),
        (400, "Unknown model: x", None, True),
        (404, "Not Found", None, False),
        (404, "page not found", None, False),
        (400, "temperature is not supported with this model", None, False),
        (500, "model not found", None, False),
    ],
)
def test_an_unknown_model_is_told_from_other_refusals(
    status: int, message: str, code: str | None, unknown: bool
) -> None:
    assert is_unknown_model(UpstreamStatusError(status, message, code=code)) is unknown


def test_only_an_answer_can_say_that_a_model_is_unknown() -> None:
    assert not is_unknown_model(UpstreamConnectionError("model not found", phase="connect"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "2"}, 2.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "Thu, 01 Jan 2026 00:00:10 GMT"}, 10.0),
        ({"Retry-After": "Thu, 01 Jan 2015 00:00:10 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({"retry-after-ms": "250", "Retry-After": "9"}, 0.25),
        ({"retry-after-ms": "x"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, datetime(2026, 1, 1, tzinfo=UTC).timestamp()) == seconds


def test_a_redirect_tells_what_to_change() -> None:
    assert isinstance(unexpected_status(302), TranslationError)
    assert "base URL" in unexpected_status(302).message
    assert "204" in unexpected_status(204).message
