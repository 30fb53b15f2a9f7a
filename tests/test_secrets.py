"""No key is ever said: not in a log line, an error, a metric, a repr, or on stdout and stderr.

Every gateway of this suite that runs behind the shared fixtures is listened to; `pytest_sessionfinish` in conftest.py
searches what was heard when all tests are done. Here: that the search finds, that it hears, and a tour of the places
where a key could slip out.
"""

import base64
import json
import logging
import sys
from collections.abc import Mapping

import pytest
from pydantic import SecretStr
from yarl import URL

from gateway.backends.backend import Backend
from gateway.config import Config, ConfigError
from gateway.exchange import Exchange
from gateway.telemetry.logging import get_logger
from tests.conftest import StartGateway
from tests.support.answers import error, event, plain, stream, token
from tests.support.backend import ScriptedBackend, Step, end, head, reset, send
from tests.support.secrets import (
    BACKEND_KEY,
    BACKEND_KEY_IN_USE,
    CLIENT_KEY,
    EVIDENCE,
    GATEWAY_KEY,
    PASSWORD,
    PROMPT,
    SECRETS,
    Evidence,
)
from tests.support.ways import V1, WAYS, each_way


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("source", ["log", "answer", "metrics", "repr", "output"])
def test_a_secret_that_is_said_is_found(source: str, secret: str) -> None:
    for text in (f"x {secret} y", json.dumps({"a": [secret]}), json.dumps({"a": secret}).encode(), repr({"a": secret})):
        evidence = Evidence()
        evidence.add(source, "nothing here")
        evidence.add(source, text, "some test")
        [leak] = evidence.leaks()
        assert (leak.secret, leak.source, leak.where) == (secret, source, "some test")


def test_what_a_client_says_is_found_where_it_does_not_belong() -> None:
    for source, found in (("log", 1), ("metrics", 1), ("output", 1), ("answer", 0)):
        evidence = Evidence()
        evidence.add(source, f"said {PROMPT}")
        assert len(evidence.leaks()) == found


def test_nothing_is_found_in_nothing() -> None:
    evidence = Evidence()
    evidence.add("log", "all is well, Bearer ***")
    assert evidence.leaks() == []


async def test_everything_a_gateway_says_is_heard(
    backend: ScriptedBackend, start: StartGateway, request: pytest.FixtureRequest
) -> None:
    before = EVIDENCE.sources()
    gateway = await start(MAX_RETRIES="0")
    backend.play(error(418, "a-text-to-be-heard"))
    reply = await gateway.ask(V1.path, V1.body, headers={"X-Request-ID": "an-id-to-be-heard"})
    assert reply.status == 418
    heard = EVIDENCE.heard[sum(before.values()) :]
    assert any(source == "answer" and "a-text-to-be-heard" in text for source, text, _ in heard)
    assert any(source == "repr" and "an-id-to-be-heard" in text for source, text, _ in heard)
    assert all(request.node.nodeid in where for _, _, where in heard)


async def test_log_and_metrics_of_the_last_gateway_were_heard() -> None:
    # The one of the test before: both are collected when a gateway stops.
    assert any(source == "log" and "an-id-to-be-heard" in text for source, text, _ in EVIDENCE.heard)
    assert any(source == "metrics" and 'status="418"' in text for source, text, _ in EVIDENCE.heard)


def test_what_tests_print_is_heard() -> None:
    print("a-line-to-be-heard")  # noqa: T201 - that is the test
    sys.stderr.write("an-error-to-be-heard\n")


def test_what_the_last_test_printed_was_heard() -> None:
    if sys.stdout is sys.__stdout__:
        pytest.skip("run with -s: nothing is captured")
    said = [text for source, text, _ in EVIDENCE.heard if source == "output"]
    assert any("a-line-to-be-heard" in text for text in said)
    assert any("an-error-to-be-heard" in text for text in said)


def echoing(key: str) -> list[list[Step]]:
    """Return scripts of a backend that says a key wherever it can."""
    said = f"Incorrect API key provided: {key}."
    spelt = {"message": said, "type": key, "param": key, "code": key}
    return [
        error(401, said, type=key, param=key, code=key),
        error(500, said, headers={"X-Key": key, "WWW-Authenticate": f"Bearer {key}", "Set-Cookie": f"key={key}"}),
        plain({"error": said}, status=403),
        plain({"detail": [{"input": {"Authorization": f"Bearer {key}"}}]}, status=422),
        plain({"error": spelt}),
        [head(), send(event({"error": spelt})), end],
        [head(), send(token("half "), event({"error": spelt})), end],
        [head(200, key), send(token("half ")), reset],
        [head(302, None, length=0, headers={"Location": f"http://127.0.0.1:1/{key}"})],
        [head(200, headers={"X-Key": key}), send(key.encode() + b": no event\n\n"), end],
    ]


KEYS: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "own": ({"OPENAI_API_KEY": BACKEND_KEY}, {"Authorization": f"Bearer {CLIENT_KEY}"}, BACKEND_KEY),
    "own-usual": ({"OPENAI_API_KEY": BACKEND_KEY_IN_USE}, {}, BACKEND_KEY_IN_USE),
    "own-escaped": ({"OPENAI_API_KEY": GATEWAY_KEY}, {}, GATEWAY_KEY),
    "client": ({}, {"Authorization": f"Bearer {CLIENT_KEY}"}, CLIENT_KEY),
    "client-x-api-key": ({}, {"x-api-key": CLIENT_KEY}, CLIENT_KEY),
    "client-basic": ({}, {"Authorization": "Basic " + base64.b64encode(f"u:{PASSWORD}".encode()).decode()}, PASSWORD),
}


@pytest.mark.parametrize("name", KEYS)
@each_way
async def test_no_way_of_failing_says_a_key(
    backend: ScriptedBackend, start: StartGateway, pauses: list[float], way: object, name: str
) -> None:
    settings, headers, key = KEYS[name]
    gateway = await start(**settings, MAX_RETRIES="1")
    asked = next(known for known in WAYS if known is way)
    prompt = {"prompt": PROMPT, "messages": [{"role": "user", "content": PROMPT}]}
    for script in echoing(key):
        backend.play(script)
        reply = await gateway.ask(asked.path, {**asked.body, **prompt}, headers=headers)
        assert key in backend.calls[-1].headers["Authorization"]
        assert json.dumps(key)[1:-1] not in reply.text
        assert key not in str(reply.headers)
    assert PROMPT not in gateway.log.getvalue().decode()


async def test_a_refused_client_is_not_told_which_key_is_right(start: StartGateway) -> None:
    gateway = await start(API_KEYS=GATEWAY_KEY, OPENAI_API_KEY=BACKEND_KEY)
    for headers in ({}, {"Authorization": f"Bearer {CLIENT_KEY}"}, {"x-api-key": PASSWORD}):
        for method, path in (
            ("POST", "/api/chat"),
            ("POST", "/v1/embeddings"),
            ("GET", "/metrics"),
            ("GET", "/v1/models"),
        ):
            reply = await gateway.ask(path, b"{}" if method == "POST" else None, method=method, headers=headers)
            assert reply.status == 401
            assert not [secret for secret in SECRETS if secret in reply.text]


async def test_a_backend_that_lists_no_models_says_no_key(backend: ScriptedBackend, start: StartGateway) -> None:
    async def refuse(call: object) -> None:
        for step in error(401, f"bad key {BACKEND_KEY}", headers={"Connection": "close"}):
            await step(call)  # type: ignore[arg-type]  # a step is called with a Call

    backend.list_models = refuse  # type: ignore[method-assign]  # the test's own server
    gateway = await start(OPENAI_API_KEY=BACKEND_KEY)
    for path in ("/api/tags", "/v1/models", "/v1/models/x"):
        reply = await gateway.ask(path, method="GET")
        assert reply.status == 401
        assert BACKEND_KEY not in reply.text
    for path in ("/health", "/ready", "/v1/version", "/"):
        assert BACKEND_KEY not in (await gateway.ask(path, method="GET")).text
    assert BACKEND_KEY not in gateway.log.getvalue().decode()


async def test_a_key_in_a_path_a_query_or_a_name_stays_out_of_the_log(start: StartGateway) -> None:
    gateway = await start(OPENAI_API_KEY=BACKEND_KEY)
    await gateway.ask(f"/api/tags?key={CLIENT_KEY}", method="GET")
    await gateway.ask(f"/nowhere/{CLIENT_KEY}", method="GET")
    await gateway.ask("/api/tags", method="GET", headers={"X-Request-ID": f"key {CLIENT_KEY}"})
    assert CLIENT_KEY not in gateway.log.getvalue().decode()


async def test_a_key_that_reaches_a_log_line_is_masked_there(start: StartGateway) -> None:
    gateway = await start(OPENAI_API_KEY=BACKEND_KEY, API_KEYS=GATEWAY_KEY)
    get_logger("test").warning("careless", detail=f"key {BACKEND_KEY}", more={"list": [GATEWAY_KEY]})
    logging.getLogger("aiohttp.client").warning("careless %s", BACKEND_KEY)
    text = gateway.log.getvalue().decode()
    assert text.count("careless") == 2
    assert BACKEND_KEY not in text
    assert "6fa459ea" not in text


def test_no_repr_shows_a_key() -> None:
    config = Config.from_mapping(
        {
            "OPENAI_API_KEY": BACKEND_KEY,
            "API_KEYS": f"{GATEWAY_KEY},{PASSWORD}",
            "OPENAI_API_BASE_URL": "http://x.local",
        }
    )
    backend = Backend("main", URL("http://x.local"), api_key=SecretStr(BACKEND_KEY), pass_client_key=True)
    exchange = Exchange("id", "POST", client_key=CLIENT_KEY)
    for value in (config, config.backend, config.access, backend, exchange):
        for text in (repr(value), str(value), f"{value}"):
            assert not [secret for secret in SECRETS if secret in text or repr(secret)[1:-1] in text]
    assert BACKEND_KEY not in config.model_dump_json()


@pytest.mark.parametrize(
    "settings",
    [
        {"OPENAI_API_BASE_URL": BACKEND_KEY},
        {"OPENAI_API_BASE_URL": f"http://user:{BACKEND_KEY}@backend.example"},
        {"OPENAI_API_BASE_URL": f"http://backend.example/?key={BACKEND_KEY}"},
        {"REQUEST_TIMEOUT": BACKEND_KEY, "OPENAI_API_KEY": BACKEND_KEY},
        {"OPENAI_API_KEY": f"{BACKEND_KEY}\n"[:-1] + "\nmore"},
        {"API_KEYS": f"{GATEWAY_KEY},\x00"},
        {"PROXY_HOST": f"http://{CLIENT_KEY}"},
    ],
    ids=range(7),
)
def test_a_configuration_that_is_refused_says_no_key(settings: Mapping[str, str]) -> None:
    with pytest.raises(ConfigError) as raised:
        Config.from_mapping(settings)
    text = f"{raised.value} {raised.value!r} {vars(raised.value)}"
    assert text.strip()
    assert not [secret for secret in SECRETS if secret in text]


async def test_a_key_never_goes_to_another_address(backend: ScriptedBackend, start: StartGateway) -> None:
    async with ScriptedBackend() as other:
        gateway = await start(OPENAI_API_KEY=BACKEND_KEY)
        backend.play([head(307, None, length=0, headers={"Location": f"{other.url}/chat/completions"})])
        other.play(stream())
        for way in WAYS:
            assert (await gateway.ask(way.path, way.body)).status == 502
        assert other.calls == []
