"""What backends refuse, and how it reaches the client: status, text, headers, with the keys taken out."""

import asyncio
import gzip
import json

import pytest
from pydantic import SecretStr
from yarl import URL

from gateway.backends.backend import Backend
from gateway.backends.pool import Pool
from gateway.backends.profiles import GENERIC
from gateway.backends.sessions import create_session
from gateway.codecs.contract import Target
from gateway.codecs.openai_questions import PassThroughQuestion
from gateway.config import Config
from gateway.errors import UpstreamStatusError
from gateway.exchange import Exchange
from gateway.schemas.openai import ChatCompletionRequest
from tests.conftest import StartGateway
from tests.support.answers import TEXT, body, completion, error, event, plain, stream, token, whole_stream
from tests.support.backend import JSON, SSE, ScriptedBackend, Step, end, hang, head, raw, reset, send
from tests.support.gateway import Gateway
from tests.support.secrets import BACKEND_KEY, CLIENT_KEY
from tests.support.ways import CHAT, V1, Way, each_dialect, each_way

STATUSES = (400, 401, 403, 404, 409, 413, 422, 429, 500, 503)


@pytest.mark.parametrize("status", STATUSES)
@each_way
async def test_a_status_and_its_text_pass(backend: ScriptedBackend, gateway: Gateway, way: Way, status: int) -> None:
    backend.play(error(status, "that is not possible", type="odd_type", param="temperature", code="odd_code"))
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == status
    failure = way.error(reply)
    assert failure["message"] == "that is not possible"
    if way.v1:
        assert (failure["type"], failure["param"], failure["code"]) == ("odd_type", "temperature", "odd_code")
        assert failure["request_id"] == reply.headers["X-Request-ID"]
    else:
        assert set(reply.json) == {"error"}
    assert (await gateway.record())["status"] == status


BODIES: dict[str, tuple[bytes, str, str]] = {
    "string": (b'{"error":"no such thing"}', JSON, "no such thing"),
    "detail": (b'{"detail":"no such thing"}', JSON, "no such thing"),
    "message": (b'{"message":"no such thing","object":"error","code":400}', JSON, "no such thing"),
    "nested": (b'{"error":{"error":{"message":"no"}}}', JSON, '{"error": {"message": "no"}}'),
    "bare-string": (b'"no such thing"', JSON, "no such thing"),
    "text": (b"no such thing\n", "text/plain", "no such thing"),
    "text-as-json": (b"no such thing", JSON, "no such thing"),
    "no-type": (b'{"error":"no such thing"}', "", "no such thing"),
    "html": (b"<html><h1>Sorry</h1></html>", "text/html; charset=utf-8", "the backend answered with status 500"),
    "html-as-json": (b"\n <html><h1>Sorry</h1></html>", JSON, "the backend answered with status 500"),
    "empty": (b"", JSON, "the backend answered with status 500"),
    "empty-object": (b"{}", JSON, "the backend answered with status 500"),
    "null": (b"null", JSON, "the backend answered with status 500"),
    "error-null": (b'{"error":null}', JSON, "the backend answered with status 500"),
    "broken": (b'{"error": {"mess', JSON, '{"error": {"mess'),
    "deep": (b"[" * 60_000, JSON, "[" * 2000),
    "latin": ('{"error":"schön"}'.encode("latin-1"), JSON, "sch�n"),
}


@pytest.mark.parametrize("name", BODIES)
@each_dialect
async def test_every_shape_of_error_body_has_a_text(
    backend: ScriptedBackend, gateway: Gateway, way: Way, name: str
) -> None:
    data, content_type, text = BODIES[name]
    backend.play(body(data, status=500, content_type=content_type or None))
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 500
    assert way.error(reply)["message"] == text


async def test_a_list_of_faults_is_shown_as_json(backend: ScriptedBackend, gateway: Gateway) -> None:
    detail = [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]
    backend.play(plain({"detail": detail}, status=422))
    reply = await gateway.ask(CHAT.path, CHAT.body)
    assert reply.status == 422
    assert "Field required" in CHAT.error(reply)["message"]


@each_dialect
async def test_an_error_body_that_is_huge_is_cut_short(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    backend.play(error(400, "no " * 2_000_000))
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 400
    assert 100 < len(way.error(reply)["message"]) < 100_000


@pytest.mark.parametrize("ending", [hang, reset], ids=["stalls", "reset"])
@each_dialect
async def test_an_error_body_that_never_ends_still_has_its_status(
    backend: ScriptedBackend, start: StartGateway, way: Way, ending: Step
) -> None:
    gateway = await start(REQUEST_TIMEOUT="0.25")
    backend.play([head(403, JSON, length=500), send(b'{"error":'), ending])
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 403
    assert way.error(reply)["message"]
    await backend.calls[0].left()


LIMITS = {
    "Retry-After": "17",
    "x-ratelimit-remaining-requests": "0",
    "X-RateLimit-Reset-Tokens": "6m0s",
    "RateLimit-Limit": "100",
}


@each_way
async def test_rate_limit_headers_of_an_error_are_kept(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    others = {"Set-Cookie": "a=b", "X-Internal": "host-7", "Server": "uvicorn"}
    backend.play(error(429, headers={**LIMITS, **others}))
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 429
    assert {name: reply.headers[name] for name in LIMITS} == LIMITS
    assert not set(others) & set(reply.headers)


@each_way
async def test_a_redirect_is_not_followed(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    backend.play(body(b"", status=302, headers={"Location": backend.url + "/elsewhere"}))
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 502
    assert "redirects" in way.error(reply)["message"]
    assert "Location" not in reply.headers
    assert len(backend.calls) == 1


@pytest.mark.parametrize("status", [201, 202, 204, 206, 304, 399])
@each_dialect
async def test_a_status_nobody_expects_is_a_502(
    backend: ScriptedBackend, gateway: Gateway, way: Way, status: int
) -> None:
    backend.play([head(status, None, length=None if status in (204, 304) else 0, close=status in (204, 304))])
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 502
    assert str(status) in way.error(reply)["message"]


UNKNOWN: dict[str, list[Step]] = {
    "openai": error(404, "The model `m` does not exist or you do not have access to it.", code="model_not_found"),
    "vllm": error(404, "The model `m` does not exist.", type="NotFoundError", code=404),
    "ollama": plain(
        {"error": {"message": 'model "m" not found, try pulling it first', "type": "api_error"}}, status=404
    ),
    "string": plain({"error": "model 'm' not found"}, status=404),
    "code-400": error(400, "no such engine", code="model_not_found"),
    "invalid-400": error(
        400, "Invalid model name passed in model=m. Call `/v1/models` to view available models", code="400"
    ),
    "text-400": error(400, "m is not a valid model ID"),
    "detail": plain({"detail": "Model m not found"}, status=404),
}


@pytest.mark.parametrize("name", UNKNOWN)
@each_way
async def test_an_unknown_model_is_a_404_in_ollamas_words(
    backend: ScriptedBackend, gateway: Gateway, way: Way, name: str
) -> None:
    backend.play(UNKNOWN[name])
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 404
    failure = way.error(reply)
    assert failure["message"] == "model 'm' not found"
    if way.v1:
        assert (failure["type"], failure["param"], failure["code"]) == ("not_found_error", "model", "model_not_found")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (404, "Not Found"),
        (404, "404 page not found"),
        (400, "Unrecognized request argument supplied: top_k"),
        (400, "This model's maximum context length is 8192 tokens."),
        (400, "This model does not take images: unknown content part 'image_url'"),
        (400, "the model was given a tool_call_id that was not found among its tool calls"),
        (400, "The model refused: unknown role 'developer'"),
        (422, "model: unknown field 'min_p'"),
    ],
)
@each_dialect
async def test_another_fault_is_not_taken_for_an_unknown_model(
    backend: ScriptedBackend, gateway: Gateway, way: Way, status: int, text: str
) -> None:
    backend.play(error(status, text))
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == status
    assert way.error(reply)["message"] == text


@each_dialect
async def test_an_unreachable_backend_is_a_502_that_hides_its_address(start: StartGateway, way: Way) -> None:
    gateway = await start(at="http://127.0.0.1:1/v1")
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 502
    assert "127.0.0.1" not in way.error(reply)["message"]


@each_dialect
async def test_a_host_name_that_leads_nowhere_is_a_502(start: StartGateway, way: Way) -> None:
    gateway = await start(at="http://nowhere.invalid/v1")
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 502
    assert "cannot be resolved" in way.error(reply)["message"]


@each_dialect
async def test_a_backend_that_does_not_speak_tls_is_a_502(start: StartGateway, way: Way) -> None:
    async def speak_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(speak_plainly, "127.0.0.1", 0) as server:
        gateway = await start(at=f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        reply = await gateway.ask(way.path, way.body)
    assert reply.status == 502
    assert "TLS" in way.error(reply)["message"]


@pytest.mark.parametrize(
    "data",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"\x00" * 50],
    ids=["words", "status", "length", "zeros"],
)
@each_dialect
async def test_broken_http_is_a_502(backend: ScriptedBackend, gateway: Gateway, way: Way, data: bytes) -> None:
    backend.play([raw(data), hang])
    reply = await gateway.ask(way.path, way.body)
    assert reply.status == 502
    assert "broken HTTP" in way.error(reply)["message"]


@each_dialect
async def test_headers_without_end_are_a_502(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    backend.play([raw(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000), hang])
    assert (await gateway.ask(way.path, way.body)).status == 502


@each_way
async def test_a_compressed_answer_is_read_although_nobody_asked_for_it(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    said = whole_stream() if way.streamed else json.dumps(completion()).encode()
    packed = gzip.compress(said)
    content_type = SSE if way.streamed else JSON
    backend.play([head(200, content_type, headers={"Content-Encoding": "gzip"}), send(packed[:50], packed[50:]), end])
    reply = await gateway.ask(way.path, way.body)
    assert way.text(reply) == TEXT
    assert "Content-Encoding" not in reply.headers
    assert backend.calls[0].headers["Accept-Encoding"] == "identity"


@each_way
async def test_broken_compression_of_an_answer_is_a_502(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    for data in (b"this is no gzip", b"\x1f\x8b\x08\x00" + b"\xff" * 100):
        backend.play([head(200, SSE, headers={"Content-Encoding": "gzip"}), send(data), end])
        reply = await gateway.ask(way.path, way.body)
        assert reply.status == 502
        assert way.error(reply)["message"]


@each_dialect
async def test_an_interim_answer_is_skipped(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
    backend.play([raw(interim), *stream()])
    assert way.text(await gateway.ask(way.path, way.body)) == TEXT


def echo(key: str) -> list[list[Step]]:
    """Return scripts that say a key in every place where a text of theirs is shown."""
    said = f"Incorrect API key provided: {key}. See our site."
    return [
        error(401, said, type=f"t {key}", param=f"p {key}", code=f"c {key}"),
        plain({"error": said}, status=401),
        plain({"detail": [{"input": {"authorization": f"Bearer {key}"}}]}, status=422),
        body(said.encode(), status=500, content_type="text/plain"),
        [head(), send(event({"error": {"message": said, "type": said, "code": said}})), end],
        [head(), send(token("half "), event({"error": {"message": said, "type": said, "code": said}})), end],
        plain({"error": {"message": said, "type": said, "param": said}}),
    ]


@each_way
async def test_our_key_is_never_shown_although_the_backend_says_it(
    backend: ScriptedBackend, start: StartGateway, way: Way
) -> None:
    gateway = await start(OPENAI_API_KEY=BACKEND_KEY)
    for script in echo(BACKEND_KEY):
        backend.play(script)
        reply = await gateway.ask(way.path, way.body)
        assert BACKEND_KEY not in reply.text
        assert "***" in reply.text
        assert backend.calls[-1].headers["Authorization"] == f"Bearer {BACKEND_KEY}"


@each_dialect
async def test_the_clients_key_is_not_shown_either(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    for script in echo(CLIENT_KEY):
        backend.play(script)
        reply = await gateway.ask(way.path, way.body, headers={"Authorization": f"Bearer {CLIENT_KEY}"})
        assert CLIENT_KEY not in reply.text
        assert backend.calls[-1].headers["Authorization"] == f"Bearer {CLIENT_KEY}"


async def test_the_error_itself_has_forgotten_the_key(backend: ScriptedBackend) -> None:
    config = Config.from_mapping({"OPENAI_API_BASE_URL": backend.url, "MAX_RETRIES": "0"}).backend
    session = create_session(config)
    known = Backend("main", URL(backend.url), api_key=SecretStr(BACKEND_KEY), pass_client_key=False)
    pool = Pool(session, [known], max_retries=0)
    backend.play(error(401, f"wrong key {BACKEND_KEY}"))
    with pytest.raises(UpstreamStatusError) as raised:
        await _ask(pool)
    await session.close()
    assert BACKEND_KEY not in f"{raised.value} {raised.value!r} {raised.value.args} {vars(raised.value)}"


async def _ask(pool: Pool) -> None:
    request = ChatCompletionRequest.model_validate(V1.body)
    question = PassThroughQuestion("/chat/completions", b"{}", request)
    async with pool.attempts(Exchange("id", "POST"), [Target("main", "m", GENERIC)], question):
        raise AssertionError("the backend refused")
