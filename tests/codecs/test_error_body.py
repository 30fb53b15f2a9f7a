import json

import pytest

from gateway.codecs.error_body import error_body
from gateway.errors import (
    ForbiddenError,
    ModelNotFoundError,
    NotImplementedHereError,
    OverloadedError,
    PayloadTooLargeError,
    ProxyException,
    RateLimitedError,
    RequestError,
    UnauthorizedError,
    UnsupportedMediaError,
    UpstreamConnectionError,
    UpstreamStatusError,
)


def test_ollama_gets_a_string() -> None:
    assert error_body("ollama", RequestError("missing request body"), None) == b'{"error":"missing request body"}'


def test_an_ollama_line_inside_a_stream_carries_the_request_id_beside_the_text() -> None:
    body = json.loads(error_body("ollama", RequestError("cut"), "req_1"))
    assert body == {"error": "cut", "request_id": "req_1"}


def test_openai_gets_an_object_with_all_four_keys_and_the_request_id() -> None:
    error = RequestError("'n' must be a number", param="n", code="invalid_type")
    assert json.loads(error_body("openai", error, "req_1")) == {
        "error": {
            "message": "'n' must be a number",
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_type",
            "request_id": "req_1",
        }
    }


def test_openai_keys_without_a_value_are_null() -> None:
    error = json.loads(error_body("openai", RequestError("x"), None))["error"]
    assert error["param"] is None
    assert error["code"] is None
    assert "request_id" not in error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RequestError("x"), "invalid_request_error"),
        (UnauthorizedError("x"), "authentication_error"),
        (ForbiddenError("x"), "permission_error"),
        (ModelNotFoundError("x"), "not_found_error"),
        (PayloadTooLargeError("x"), "invalid_request_error"),
        (UnsupportedMediaError("x"), "invalid_request_error"),
        (RateLimitedError("x"), "rate_limit_error"),
        (OverloadedError("x"), "api_error"),
        (NotImplementedHereError("x"), "api_error"),
        (UpstreamConnectionError("x", phase="connect"), "api_error"),
        (UpstreamStatusError(400, "x"), "invalid_request_error"),
        (UpstreamStatusError(400, "x", error_type="content_filter"), "content_filter"),
    ],
)
def test_the_type_follows_the_status_unless_the_backend_gave_its_own(error: ProxyException, expected: str) -> None:
    assert json.loads(error_body("openai", error, None))["error"]["type"] == expected


@pytest.mark.parametrize("dialect", ["ollama", "openai"])
def test_any_text_becomes_one_line_of_ascii(dialect: str) -> None:
    text = 'café \u2028 \ud800 "quoted"\n'
    body = error_body("openai" if dialect == "openai" else "ollama", RequestError(text), None)
    assert body.isascii()
    assert b"\n" not in body
    error = json.loads(body)["error"]
    assert (error["message"] if dialect == "openai" else error) == text
