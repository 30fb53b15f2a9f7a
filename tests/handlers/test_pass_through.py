"""`/v1`: the bytes pass as they are, both ways, but for the model's name and the request for usage."""

import json
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.support.answers import (
    DONE,
    TEXT,
    WORDS,
    body,
    embeddings,
    error,
    event,
    finish,
    plain,
    stream,
    token,
    until_closed,
    usage,
    whole_stream,
)
from tests.support.backend import SSE, ScriptedBackend, end, head, send
from tests.support.gateway import Gateway
from tests.support.secrets import BACKEND_KEY, CLIENT_KEY, GATEWAY_KEY, PASSWORD
from tests.support.ways import V1, V1_WHOLE

ODD = (
    b'{ "messages" : [{"role":"user","content":"sch\\u00f6n \\ud83d\\ude00 \xc3\xbc"}],'
    b'\n\t"temperature": 1.0, "top_p":1,'
    b'"seed":123456789012345678901234567890, "x_float": 1.50E+10, "x_tiny":1.10, "x_dup":1,"x_dup":2,\r\n'
    b'"metadata":{"b":1,"a":[ ]}, "unknown":null, "model":"m"%b }'
)
"""A body with everything a decoder and an encoder would change."""


async def test_a_body_that_needs_no_edit_goes_out_byte_for_byte(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(plain())
    sent = ODD % b""
    reply = await gateway.ask("/v1/chat/completions", sent)
    assert reply.status == 200
    assert backend.calls[0].body == sent


async def test_a_stream_with_usage_asked_for_goes_out_byte_for_byte(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(stream())
    sent = ODD % b', "stream":true, "stream_options":{"include_usage" : true,"x":1}'
    assert (await gateway.ask("/v1/chat/completions", sent)).status == 200
    assert backend.calls[0].body == sent


async def test_bytes_that_are_no_utf8_are_not_touched(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(plain())
    sent = b'{"model":"m","messages":[{"role":"user","content":"\xff\xfe"}]}'
    assert (await gateway.ask("/v1/chat/completions", sent)).status == 200
    assert backend.calls[0].body == sent


def _raw_values(data: bytes) -> list[tuple[str, object]]:
    """Return the keys and values of a JSON object in order, numbers as they are written."""
    pairs: list[tuple[str, object]] = []

    def keep(found: list[tuple[str, object]]) -> dict[str, object]:
        pairs[:] = found
        return dict(found)

    json.loads(
        data, parse_int=lambda text: f"int {text}", parse_float=lambda text: f"float {text}", object_pairs_hook=keep
    )
    return pairs


async def test_a_body_in_another_charset_goes_out_as_utf8(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(plain())
    sent = '{"model":"m","messages":[{"role":"user","content":"schön"}]}'
    headers = {"Content-Type": "application/json; charset=iso-8859-1"}
    answer = await gateway.client.post(
        gateway.url + "/v1/chat/completions", data=sent.encode("latin-1"), headers=headers
    )
    assert answer.status == 200
    assert backend.calls[0].body == sent.encode()


async def test_only_the_models_name_is_edited(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.models = ["M-1"]
    backend.play(plain())
    sent = (ODD % b"").replace(b'"model":"m"', b'"model":"m-1:latest"').replace(b'"x_dup":1,', b"")
    assert (await gateway.ask("/v1/chat/completions", sent)).status == 200
    got = backend.calls[0].body
    assert _raw_values(got) == [(key, "M-1" if key == "model" else value) for key, value in _raw_values(sent)]
    for untouched in (b'"sch\\u00f6n \\ud83d\\ude00 \xc3\xbc"', b'{"b":1,"a":[ ]}', b"1.50E+10", b"1.10", b"1.0,"):
        assert untouched in got


async def test_only_usage_is_asked_for_beside_what_the_client_asks(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(stream())
    options: list[tuple[bytes, dict[str, Any]]] = [
        (b"", {"include_usage": True}),
        (b', "stream_options":null', {"include_usage": True}),
        (b', "stream_options":{"include_usage":false, "other":7}', {"include_usage": True, "other": "int 7"}),
    ]
    for more, expected in options:
        sent = (ODD % (b', "stream": true' + more)).replace(b'"x_dup":1,', b"")
        assert (await gateway.ask("/v1/chat/completions", sent)).status == 200
        got = dict(_raw_values(backend.calls[-1].body))
        assert got.pop("stream_options") == expected
        assert got == {key: value for key, value in _raw_values(sent) if key != "stream_options"}


@pytest.mark.parametrize("pieces", [1, 7, 1000], ids=["whole", "sevenths", "small"])
async def test_a_stream_comes_back_byte_for_byte(backend: ScriptedBackend, gateway: Gateway, pieces: int) -> None:
    said = (
        b": hello\r\n\r\nid: 1\ndata: "
        + token("sch\N{LATIN SMALL LETTER O WITH DIAERESIS}n ")[6:]
        + b'data:{"choices" : [ {"delta":{"content":"\\u00fc"}, "x":1.0}]}\r\n\r\n'
        + b"".join(map(token, WORDS))
        + finish()
        + usage()
        + DONE
    )
    size = len(said) // pieces or 1
    backend.play([head(200, SSE), send(*(said[at : at + size] for at in range(0, len(said), size))), end])
    reply = await gateway.ask(V1.path, {**V1.body, "stream_options": {"include_usage": True}})
    assert reply.status == 200
    assert reply.body == said
    assert reply.headers["Content-Type"].startswith("text/event-stream")


async def test_a_plain_answer_comes_back_byte_for_byte(backend: ScriptedBackend, gateway: Gateway) -> None:
    said = b' {"choices" : [{"index":0,"message":{"content":"\\u00fc \xc3\xbc"},"finish_reason":"stop"}], "n": 1.0 }\n'
    backend.play(body(said))
    reply = await gateway.ask(V1_WHOLE.path, V1_WHOLE.body)
    assert reply.body == said
    assert reply.headers["Content-Type"] == "application/json"


async def test_completions_and_embeddings_pass_too(backend: ScriptedBackend, gateway: Gateway) -> None:
    for path, asked, said in (
        ("/v1/completions", {"model": "m", "prompt": [1, 2]}, {"choices": [{"text": "well", "finish_reason": "stop"}]}),
        ("/v1/embeddings", {"model": "m", "input": [[1, 2]], "encoding_format": "float"}, embeddings([3.0, 4.0])),
    ):
        backend.play(plain(said))
        sent = json.dumps(asked).encode()
        reply = await gateway.ask(path, sent)
        assert reply.json == said
        assert (backend.calls[-1].path, backend.calls[-1].body) == (path, sent)


async def test_the_usage_chunk_is_hidden_from_who_did_not_ask(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(stream())
    reply = await gateway.ask(V1.path, V1.body)
    assert V1.text(reply) == TEXT
    assert b'"usage"' not in reply.body
    assert reply.body == whole_stream().replace(usage(), b"")
    record = await gateway.record()
    assert (record["prompt_tokens"], record["completion_tokens"]) == (7, 12)


async def test_the_usage_chunk_is_shown_to_who_asked(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(stream())
    reply = await gateway.ask(V1.path, {**V1.body, "stream_options": {"include_usage": True}})
    assert reply.body == whole_stream()


async def test_usage_on_a_chunk_with_choices_is_not_hidden(backend: ScriptedBackend, gateway: Gateway) -> None:
    last = event(
        {"choices": [{"index": 0, "delta": {"content": "end"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
    )
    backend.play(stream(token("the "), last, DONE))
    reply = await gateway.ask(V1.path, V1.body)
    assert V1.text(reply) == "the end"
    assert last in reply.body


async def test_what_looks_like_a_mark_inside_a_text_is_text(backend: ScriptedBackend, gateway: Gateway) -> None:
    text = 'data: [DONE]\n\n"usage":{"x":1} "error":{"message":"no"} "finish_reason":"stop" [DONE]'
    said = token("so: ") + token(text) + token(" and on") + finish() + DONE
    backend.play(stream(said))
    reply = await gateway.ask(V1.path, V1.body)
    assert reply.body == said
    assert "error" not in await gateway.record()


async def test_a_done_that_the_backend_forgot_is_written(backend: ScriptedBackend, gateway: Gateway) -> None:
    for script in (stream(token("well"), finish()), until_closed(token("well") + finish())):
        backend.play(script)
        reply = await gateway.ask(V1.path, V1.body)
        assert reply.body == token("well") + finish() + DONE


async def test_tool_calls_and_refusals_count_as_output(backend: ScriptedBackend, gateway: Gateway) -> None:
    for fields in (
        {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]},
        {"refusal": "no"},
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
    ):
        said = event({"choices": [{"index": 0, "delta": fields}]}) + finish("tool_calls") + DONE
        backend.play(stream(said))
        assert (await gateway.ask(V1.path, V1.body)).body == said


async def test_a_stream_in_answer_to_a_plain_call_and_the_other_way_round_become_what_was_asked_for(
    backend: ScriptedBackend, gateway: Gateway
) -> None:
    backend.play(stream())
    assert V1_WHOLE.text(await gateway.ask(V1_WHOLE.path, V1_WHOLE.body)) == TEXT
    backend.play(plain())
    reply = await gateway.ask(V1.path, V1.body)
    assert V1.text(reply) == TEXT
    assert reply.headers["Content-Type"].startswith("text/event-stream")


NOT_PASSED = {
    "Connection": "X-Named",
    "X-Named": "1",
    "Keep-Alive": "timeout=99",
    "Proxy-Authenticate": "Basic",
    "Upgrade": "h2c",
    "Set-Cookie": "session=abc; Path=/",
    "Server": "uvicorn",
    "Via": "1.1 inner",
    "X-Powered-By": "Express",
    "Access-Control-Allow-Origin": "*",
    "X-Request-ID": "the-backends-own",
}
PASSED = {"x-ratelimit-remaining-tokens": "77", "openai-processing-ms": "12", "openai-version": "2020-10-01"}


@pytest.mark.parametrize("way", [V1, V1_WHOLE], ids=lambda way: way.name)
async def test_of_the_backends_headers_only_the_useful_pass(
    backend: ScriptedBackend, gateway: Gateway, way: Any
) -> None:
    said = whole_stream() if way.streamed else plain()
    headers = {**NOT_PASSED, **PASSED}
    if isinstance(said, bytes):
        backend.play([head(200, SSE, headers=headers), send(said), end])
    else:
        backend.play(plain(headers=headers))
    reply = await gateway.ask(way.path, way.body)
    assert way.text(reply) == TEXT
    assert {name: reply.headers.get(name) for name in PASSED} == PASSED
    shown = {name: reply.headers.get(name) for name in NOT_PASSED if name in reply.headers}
    assert shown == {"X-Request-ID": reply.headers["X-Request-ID"]}
    assert reply.headers["X-Request-ID"] == backend.calls[0].headers["X-Request-ID"] != "the-backends-own"


async def test_no_cookie_is_kept_or_sent_on(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(plain(headers={"Set-Cookie": "session=abc; Path=/"}))
    for _ in range(2):
        await gateway.ask(V1_WHOLE.path, V1_WHOLE.body, headers={"Cookie": "mine=1"})
    assert not any("Cookie" in call.headers for call in backend.calls)


async def test_the_clients_headers_stay_here(backend: ScriptedBackend, gateway: Gateway) -> None:
    backend.play(plain())
    headers = {
        "X-Internal": "1",
        "X-Forwarded-For": "10.0.0.1",
        "TE": "trailers",
        "OpenAI-Organization": "org",
        "Accept-Encoding": "gzip, br",
        "User-Agent": "curl/8",
        "X-Request-ID": "mine-7",
    }
    await gateway.ask(V1_WHOLE.path, V1_WHOLE.body, headers=headers)
    got = backend.calls[0].headers
    assert not {"X-Internal", "X-Forwarded-For", "TE"} & set(got)
    assert got["Accept-Encoding"] == "identity"
    assert got["User-Agent"] != "curl/8"
    assert got["X-Request-ID"] == "mine-7"


KEYS: list[tuple[dict[str, str], dict[str, str], str | None]] = [
    ({}, {"Authorization": f"Bearer {CLIENT_KEY}"}, f"Bearer {CLIENT_KEY}"),
    ({}, {"x-api-key": CLIENT_KEY}, f"Bearer {CLIENT_KEY}"),
    ({}, {"Authorization": f"bearer   {CLIENT_KEY}"}, f"Bearer {CLIENT_KEY}"),
    ({}, {}, None),
    ({}, {"Authorization": "Bearer "}, None),
    ({"OPENAI_API_KEY": BACKEND_KEY}, {"Authorization": f"Bearer {CLIENT_KEY}"}, f"Bearer {BACKEND_KEY}"),
    ({"OPENAI_API_KEY": BACKEND_KEY}, {}, f"Bearer {BACKEND_KEY}"),
    ({"API_KEYS": GATEWAY_KEY}, {"Authorization": f"Bearer {GATEWAY_KEY}"}, None),
    (
        {"API_KEYS": f"{GATEWAY_KEY},{PASSWORD}", "OPENAI_API_KEY": BACKEND_KEY},
        {"x-api-key": PASSWORD, "Authorization": f"Bearer {CLIENT_KEY}"},
        f"Bearer {BACKEND_KEY}",
    ),
]


@pytest.mark.parametrize("number", range(len(KEYS)))
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
async def test_the_backend_gets_the_clients_key_only_where_we_hold_none(
    backend: ScriptedBackend, start: StartGateway, path: str, number: int
) -> None:
    settings, headers, expected = KEYS[number]
    gateway = await start(**settings)
    backend.play(plain())
    reply = await gateway.ask(path, V1_WHOLE.body, headers=headers)
    assert reply.status == 200
    assert backend.calls[0].headers.get("Authorization") == expected
    assert "x-api-key" not in backend.calls[0].headers


async def test_an_unknown_model_is_openais_404(backend: ScriptedBackend, gateway: Gateway) -> None:
    for path, more in (
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
        ("/v1/completions", {"prompt": "x"}),
        ("/v1/embeddings", {"input": "x"}),
    ):
        reply = await gateway.ask(path, {"model": "other", **more})
        assert reply.status == 404
        problem = reply.json["error"]
        assert problem.pop("request_id") == reply.headers["X-Request-ID"]
        assert problem == {
            "message": "model 'other' not found",
            "type": "not_found_error",
            "param": "model",
            "code": "model_not_found",
        }
        reply = await gateway.ask(path, more)
        assert (reply.status, reply.json["error"]["param"]) == (400, "model")
    assert backend.calls == []


async def test_the_backends_400_keeps_every_field(backend: ScriptedBackend, gateway: Gateway) -> None:
    text = "This model's maximum context length is 8192 tokens."
    backend.play(error(400, text, type="invalid_request_error", param="messages", code="context_length_exceeded"))
    reply = await gateway.ask(V1.path, V1.body)
    assert reply.status == 400
    problem = reply.json["error"]
    assert problem.pop("request_id")
    assert problem == {
        "message": text,
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }
