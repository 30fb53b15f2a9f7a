"""docs/log-schema.json says what a line may hold: lines of each kind hold to it, and the source logs nothing else."""

import ast
import json
import logging
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from gateway.backends.breaker import IN_A_ROW, Breakers
from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
from gateway.telemetry.body_facts import body_facts
from gateway.telemetry.logging import get_logger
from tests.middlewares.application import answering, build, json_lines, raising
from tests.middlewares.test_access_log import inference
from tests.telemetry.capture import captured_logging

jsonschema: Any = pytest.importorskip("jsonschema", reason="jsonschema is not installed")

ROOT = Path(__file__).resolve().parents[2]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "log-schema.json").read_text(encoding="utf-8"))
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
SECRETS = ("prompt-of-a-client", "key-of-a-client", "name-of-a-client", "query-of-a-client")
BODY = {
    "model": "llama3",
    "messages": [{"role": "user", "content": SECRETS[0]}],
    "options": {"temperature": 0.1, "stop": [SECRETS[0]]},
    SECRETS[2]: SECRETS[0],
}


def validated(log: BytesIO) -> list[dict[str, Any]]:
    """Return the lines, each of which holds to the schema."""
    validator = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
    lines = json_lines(log.getvalue())
    for line in lines:
        validator.validate(line)
    return lines


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def learns(routes: RouteTable) -> None:
    """Register a route whose exchange knows all there is to know."""

    async def answer(request: web.Request) -> web.Response:
        exchange = request[EXCHANGE]
        known = inference()
        for name in ("model", "backend", "attempts", "stream", "prompt_tokens", "completion_tokens", "retry_causes"):
            setattr(exchange, name, getattr(known, name))
        for name in ("trace_id", "reasoning_tokens", "backend_model", "delivery", "key_name", "clock", "cache"):
            setattr(exchange, name, getattr(known, name))
        exchange.queued_ns, exchange.first_chunk_ns = 5, exchange.started_ns + 5
        if exchange.wants_facts:
            exchange.facts = body_facts(await request.read())
        get_logger("pool").info("parameter left out", backend="main", model="llama3", parameter="seed")
        return web.Response()

    routes.add("POST", "/learns", answer, dialect=Dialect.OLLAMA)


@pytest.mark.parametrize("detail", ["minimal", "normal", "verbose"])
async def test_lines_of_requests_hold_to_the_schema_and_hold_no_content(
    aiohttp_client: AiohttpClient, detail: str
) -> None:
    with captured_logging("DEBUG") as log:
        app = build(learns, answering(), raising(ValueError(SECRETS[0])), detail=detail, per_second=1)
        client = await aiohttp_client(app)
        headers = {"Authorization": f"Bearer {SECRETS[1]}", "User-Agent": SECRETS[2]}
        for _ in range(3):
            await client.get("/answers", headers=headers)
        await client.post(f"/learns?q={SECRETS[3]}", json=BODY, headers=headers)
        await client.post("/fails", json=BODY, headers=headers)
        await client.get(f"/{SECRETS[3]}", headers=headers)
    lines = validated(log)
    assert {"request", "parameter left out", "unhandled error"} <= {line["event"] for line in lines}
    assert any("left_out" in line for line in lines)
    text = log.getvalue().decode()
    assert [secret for secret in SECRETS if secret in text] == []
    assert all("request_id" in line for line in lines)


def test_lines_of_events_and_of_libraries_hold_to_the_schema() -> None:
    with captured_logging("INFO") as log:
        breakers = Breakers()
        for _ in range(IN_A_ROW):
            breakers.failed("main", "llama3")
        get_logger("configuration").info("of nobody we know")
        logging.getLogger("asyncio").warning("what a library says")
        try:
            raise ValueError(SECRETS[0])
        except ValueError as error:
            logging.getLogger("aiohttp.server").error("it failed", exc_info=error)
    lines = validated(log)
    assert lines[0]["event"] == "breaker"
    assert "traceback" in lines[-1]


def test_a_line_that_says_more_is_refused() -> None:
    with captured_logging("INFO") as log:
        get_logger("pool").info("parameter left out", prompt="x")
        get_logger("pool").info("something new")
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert [validator.is_valid(line) for line in json_lines(log.getvalue())] == [False, False]


def logged() -> Iterator[tuple[str, str, set[str]]]:
    """Yield each event that the source logs: where, its words, the names of its values."""
    for path in sorted((ROOT / "gateway").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
                continue
            owner = ast.unparse(node.func.value)
            if (owner == "_log" or owner.startswith("get_logger(")) and isinstance(node.args[0], ast.Constant):
                names = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
                yield path.name, str(node.args[0].value), names


def test_every_event_of_the_source_and_each_of_its_values_are_in_the_schema() -> None:
    event = SCHEMA["$defs"]["event"]["properties"]
    known_events = set(event["event"]["anyOf"][0]["enum"])
    known_values = set(event) | {"exc_info"}
    found = list(logged())
    assert len(found) > 15
    assert [(where, words) for where, words, _ in found if words not in known_events] == []
    assert [(where, names - known_values) for where, _, names in found if names - known_values] == []
    assert known_events <= {words for _, words, _ in found}, "the schema names no event that there is not"


def test_every_component_of_the_source_is_in_the_schema() -> None:
    named: set[str] = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "get_logger"):
                continue
            named |= {str(name.value) for name in node.args if isinstance(name, ast.Constant)}
    assert named == set(SCHEMA["$defs"]["own"]["enum"])
