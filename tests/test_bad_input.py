"""Bad input on every route that reads a body: the documented status, a string (an object on /v1), never a traceback."""

import json
from typing import Any

import pytest

from gateway.exchange import ROUTES
from tests.support.answers import plain, stream
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway, Reply

OLLAMA: dict[str, dict[str, Any]] = {
    "/api/chat": {"model": "m", "messages": [{"role": "user", "content": "x"}]},
    "/api/generate": {"model": "m", "prompt": "x"},
    "/api/embed": {"model": "m", "input": "x"},
    "/api/embeddings": {"model": "m", "prompt": "x"},
    "/api/show": {"model": "m"},
    "/api/pull": {"model": "m"},
    "/api/push": {"model": "m"},
    "/api/create": {"model": "m", "from": "x"},
    "/api/copy": {"source": "m", "destination": "n"},
    "/api/delete": {"model": "m"},
}
OF_ANY_BYTES = {
    "/api/blobs/{digest}",
    "/api/experimental/web_fetch",
    "/api/experimental/web_search",
    "/api/me",
    "/api/signout",
    "/api/user/keys/{key}",
}
"""Routes that read no JSON; their own tests say what becomes of a body."""
OPENAI: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "m", "messages": [{"role": "user", "content": "x"}]},
    "/v1/completions": {"model": "m", "prompt": "x"},
    "/v1/embeddings": {"model": "m", "input": "x"},
}
ALL = {**OLLAMA, **OPENAI}

each_route = pytest.mark.parametrize("path", ALL)
each_ollama_route = pytest.mark.parametrize("path", OLLAMA)
each_openai_route = pytest.mark.parametrize("path", OPENAI)


def method_of(path: str) -> str:
    """Return the method of a route that reads a body."""
    return "DELETE" if path == "/api/delete" else "POST"


async def ask(gateway: Gateway, path: str, body: object, **headers: str) -> Reply:
    """Ask in the route's method."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.ask(path, body, method=method_of(path), headers=named)


def text_of(path: str, reply: Reply) -> str:
    """Return the text of an error, which must have the form of its dialect."""
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
    error = reply.json["error"]
    if path.startswith("/v1"):
        assert set(error) == {"message", "type", "param", "code", "request_id"}
        error = error["message"]
    assert isinstance(error, str)
    assert "Traceback" not in error
    assert ".py" not in error
    return error


async def test_every_route_that_reads_a_body_is_tested_here(gateway: Gateway) -> None:
    routes = gateway.app[ROUTES].items()
    assert {info.label for route, info in routes if route.method not in ("GET", "HEAD")} == {*ALL, *OF_ANY_BYTES}


@each_route
async def test_an_empty_body_is_a_400(gateway: Gateway, path: str) -> None:
    for body in (b"", b"  \r\n\t"):
        reply = await ask(gateway, path, body)
        assert reply.status == 400
        assert text_of(path, reply) == ("EOF" if path.startswith("/v1") else "missing request body")
    reply = await ask(gateway, path, None)
    assert reply.status == 400
    assert text_of(path, reply)


@each_route
async def test_null_and_an_empty_object_lack_what_is_needed(
    backend: ScriptedBackend, gateway: Gateway, path: str
) -> None:
    expected = 404 if path in ("/api/generate", "/api/embed") else 400
    for body in (b"null", b"{}"):
        reply = await ask(gateway, path, body)
        assert reply.status == expected
        assert text_of(path, reply)
    assert backend.calls == []


BROKEN = {
    "cut": b'{"model": "m", "messages": [{',
    "words": b"hello there",
    "quotes": b"{'model': 'm'}",
    "comma": b'{"model": "m",}',
    "no-comma": b'{"model": "m" "prompt": "x"}',
    "nan": b'{"model": NaN}',
    "control": b'{"model": "a\x00b"}',
    "zeros": bytes(64),
    "only-a-bom": b"\xef\xbb\xbf",
    "form": b"model=m&prompt=x",
    "bad-escape": b'{"model": "\\x"}',
    "half-a-number": b'{"model": 1.}',
    "endless-number": b'{"x": ' + b"9" * 100_000 + b"}",
}


@each_route
async def test_broken_json_is_a_400(backend: ScriptedBackend, gateway: Gateway, path: str) -> None:
    for name, body in BROKEN.items():
        reply = await ask(gateway, path, body)
        assert (name, reply.status) == (name, 400)
        assert 0 < len(text_of(path, reply)) < 500
    assert backend.calls == []


@each_route
async def test_json_that_is_no_object_is_a_400(gateway: Gateway, path: str) -> None:
    for body in (b"[]", b"[{}]", b'"m"', b"5", b"true", b"-0.5e3"):
        reply = await ask(gateway, path, body)
        assert (body, reply.status) == (body, 400)
        assert text_of(path, reply)


@each_route
async def test_a_model_that_is_no_string_is_a_400(gateway: Gateway, path: str) -> None:
    field = "source" if path == "/api/copy" else "model"
    for value in (5, 1.5, True, ["m"], {"a": 1}):
        reply = await ask(gateway, path, {**ALL[path], field: value})
        assert (value, reply.status) == (value, 400)
        assert field in text_of(path, reply)


WRONG_TYPES: list[tuple[str, dict[str, Any]]] = [
    ("/api/chat", {"messages": "x"}),
    ("/api/chat", {"messages": [5]}),
    ("/api/chat", {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}),
    ("/api/chat", {"messages": [{"role": "user", "content": "x", "images": "abc"}]}),
    ("/api/chat", {"messages": [{"role": "user", "content": "x", "images": ["%%%"]}]}),
    ("/api/chat", {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}]}),
    ("/api/chat", {"stream": "true"}),
    ("/api/chat", {"stream": 1}),
    ("/api/chat", {"tools": {}}),
    ("/api/chat", {"options": []}),
    ("/api/chat", {"keep_alive": True}),
    ("/api/chat", {"keep_alive": "5 apples"}),
    ("/api/chat", {"think": "very"}),
    ("/api/chat", {"think": 5}),
    ("/api/chat", {"top_logprobs": 21}),
    ("/api/chat", {"top_logprobs": 2**70}),
    ("/api/generate", {"prompt": ["x"]}),
    ("/api/generate", {"context": ["x"]}),
    ("/api/generate", {"raw": True, "system": "x"}),
    ("/api/embed", {"input": {"a": 1}}),
    ("/api/embed", {"dimensions": "5"}),
    ("/api/embeddings", {"prompt": 5}),
    ("/api/pull", {"stream": "no"}),
    ("/api/create", {"files": []}),
    ("/v1/chat/completions", {"messages": "x"}),
    ("/v1/chat/completions", {"messages": []}),
    ("/v1/chat/completions", {"messages": None}),
    ("/v1/chat/completions", {"messages": [{"content": "x"}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": 5}]}),
    ("/v1/chat/completions", {"stream": "yes"}),
    ("/v1/chat/completions", {"stream_options": []}),
    ("/v1/chat/completions", {"tools": "x"}),
    ("/v1/chat/completions", {"temperature": "hot"}),
    ("/v1/completions", {"prompt": 5}),
    ("/v1/completions", {"prompt": None}),
    ("/v1/embeddings", {"input": 5}),
    ("/v1/embeddings", {"input": None}),
]


@pytest.mark.parametrize(("path", "wrong"), WRONG_TYPES)
async def test_a_wrong_type_is_a_400_before_anything_is_asked(
    backend: ScriptedBackend, gateway: Gateway, path: str, wrong: dict[str, Any]
) -> None:
    reply = await ask(gateway, path, {**ALL[path], **wrong})
    assert reply.status == 400
    assert text_of(path, reply)
    if path.startswith("/v1"):
        assert reply.json["error"]["type"] == "invalid_request_error"
        assert reply.json["error"]["param"].startswith(next(iter(wrong)))
    assert backend.calls == []


@pytest.mark.parametrize(
    "wrong", [{"options": {"temperature": "hot"}}, {"options": {"stop": "x"}}, {"format": "xml"}, {"format": 5}]
)
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
async def test_a_wrong_option_is_a_500_as_at_ollama(
    backend: ScriptedBackend, gateway: Gateway, path: str, wrong: dict[str, Any]
) -> None:
    reply = await ask(gateway, path, {**OLLAMA[path], **wrong})
    assert reply.status == 500
    assert text_of(path, reply) != "internal error"
    assert backend.calls == []


DEEP = {
    "lists": b"[" * 100_000,
    "closed-lists": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "inside-a-field": b'{"model":"m","options":{"x":'
    + b"[" * 100_000
    + b"]" * 100_000
    + b'},"messages":[],"input":"x"}',
    "inside-a-message": b'{"model":"m","messages":[{"role":"user","content":"x","y":'
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}]}",
}


@each_route
async def test_nesting_without_end_is_a_400(gateway: Gateway, path: str) -> None:
    for name, body in DEEP.items():
        reply = await ask(gateway, path, body)
        assert (name, reply.status) == (name, 400)
        assert len(text_of(path, reply)) < 500


@each_route
async def test_eleven_megabytes_are_a_413(backend: ScriptedBackend, gateway: Gateway, path: str) -> None:
    body = json.dumps(ALL[path]).encode() + b" " * 11_000_000
    reply = await ask(gateway, path, body)
    assert reply.status == 413
    assert "10485760" in text_of(path, reply)
    if path.startswith("/v1"):
        assert reply.json["error"]["type"] == "invalid_request_error"
    assert backend.calls == []


@pytest.mark.parametrize("path", ["/api/chat", "/api/show", "/v1/chat/completions"])
async def test_eleven_megabytes_of_no_told_length_are_a_413(gateway: Gateway, path: str) -> None:
    async def pieces() -> Any:
        for _ in range(11):
            yield b" " * 1_000_000

    async with gateway.client.post(gateway.url + path, data=pieces()) as response:
        assert response.status == 413
        assert "error" in await response.json()
    assert (await gateway.record())["error"] == "too_large"


@each_route
async def test_broken_gzip_is_a_400(gateway: Gateway, path: str) -> None:
    reply = await ask(gateway, path, b"\x1f\x8bnonsense", Content_Encoding="gzip")
    assert reply.status == 400
    assert text_of(path, reply)


@each_route
async def test_an_encoding_nobody_knows_is_an_error(gateway: Gateway, path: str) -> None:
    reply = await ask(gateway, path, b"\xde\xad\xbe\xef", Content_Encoding="compress")
    assert reply.status == 415
    assert text_of(path, reply)


@each_route
async def test_a_type_that_cannot_be_json_is_a_415(gateway: Gateway, path: str) -> None:
    reply = await ask(gateway, path, ALL[path], Content_Type="image/png")
    assert reply.status == 415
    assert "image/png" in text_of(path, reply)


@each_route
async def test_a_charset_nobody_knows_is_a_415(gateway: Gateway, path: str) -> None:
    for charset in ("klingon", "unicode_escape", "zip"):
        reply = await ask(gateway, path, ALL[path], Content_Type=f"application/json; charset={charset}")
        assert reply.status == 415
        assert text_of(path, reply)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "", "nonsense", "multipart/form-data; boundary=x"],
)
async def test_the_content_type_does_not_matter(backend: ScriptedBackend, gateway: Gateway, content_type: str) -> None:
    for path in ("/api/chat", "/v1/chat/completions"):
        backend.play(plain())
        reply = await ask(gateway, path, {**ALL[path], "stream": False}, Content_Type=content_type)
        assert reply.status == 200


async def test_bytes_that_are_no_utf8_become_the_replacement_character(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    backend.play(stream())
    sent = b'{"model":"m","messages":[{"role":"user","content":"a\xffb\xc3"}]}'
    assert (await gateway.ask("/api/chat", sent)).status == 200
    assert backend.calls[0].json["messages"] == [{"role": "user", "content": "a\ufffdb\ufffd"}]
    # On /v1 the bytes stay what they are, whether the model's name is edited or not.
    for asked in (sent, sent.replace(b'"m"', b'"M"')):
        assert (await gateway.ask("/v1/chat/completions", asked)).status == 200
        assert b'"a\xffb\xc3"' in backend.calls[-1].body
        assert b'"model":"m"' in backend.calls[-1].body


@each_route
async def test_text_after_the_first_value_is_not_read(backend: ScriptedBackend, gateway: Gateway, path: str) -> None:
    backend.play(plain({"error": {"message": "asked", "code": 418}}))
    reply = await ask(gateway, path, json.dumps({**ALL[path], "stream": False}).encode() + b"\n{}garbage")
    if path in ("/api/copy", "/api/create"):
        assert reply.status == 501
    else:
        assert reply.status in (200, 418)


WRONG_METHODS = ("GET", "PUT", "PATCH", "DELETE", "HEAD", "POST")


@each_route
async def test_another_method_is_a_405_in_plain_text(gateway: Gateway, path: str) -> None:
    for method in WRONG_METHODS:
        if method == method_of(path):
            continue
        reply = await gateway.ask(path, method=method)
        assert reply.status == 405
        assert reply.headers["Content-Type"].startswith("text/plain")
        assert reply.text == ("" if method == "HEAD" else "405 method not allowed")


@pytest.mark.parametrize(
    "path", ["/nowhere", "/api", "/api/nowhere", "/v1", "/v1/nowhere", "/api/chat/more", "/%00", "/\u00e4"]
)
async def test_an_unknown_path_is_a_404_in_plain_text(gateway: Gateway, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "PUT"):
        reply = await gateway.ask(path, b"{}" if method != "GET" else None, method=method)
        assert reply.status == 404
        assert reply.headers["Content-Type"].startswith("text/plain")
        assert reply.text == "404 page not found"


async def test_nothing_of_this_is_an_unhandled_error(backend: ScriptedBackend, gateway: Gateway) -> None:
    bodies = [b"", b"null", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"model":5}', *BROKEN.values(), *DEEP.values()]
    for path in ALL:
        for body in bodies:
            reply = await ask(gateway, path, body)
            assert 400 <= reply.status < 500
    assert [line for line in gateway.said() if line["level"] == "error"] == []
