"""The demo backend, of which everything is known."""

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from gateway.demo import create_demo_app
from gateway.demo.embeddings import DIMENSIONS
from gateway.demo.models import CONTEXT_TOKENS
from gateway.doctor.results import BackendReport, Report
from gateway.doctor.table import report_lines
from tests.doctor.checking import checked, settings, words

CHATS = {
    "plain": "yes",
    "streaming": "yes",
    "stream_options": "yes",
    "thinking": "no",
    "thinking_off": "-",
    "tools": "yes",
    "parallel_tools": "yes",
    "json_schema": "yes",
    "json_mode": "yes",
    "vision": "no",
    "logprobs": "yes",
    "parameters": "yes",
    "unknown_parameters": "yes",
    "embeddings": "no",
    "embeddings_base64": "-",
    "embeddings_batch": "-",
    "context_length": "yes",
}
EMBEDS = dict.fromkeys(CHATS, "-") | {
    "plain": "no",
    "embeddings": "yes",
    "embeddings_base64": "yes",
    "embeddings_batch": "yes",
    "context_length": "yes",
}


async def check_demo() -> tuple[Report, int]:
    """Check the demo backend; return the report, and how many requests arrived."""
    arrived = 0

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal arrived
        arrived += 1
        return await handler(request)

    app = create_demo_app(pace_s=0)
    app.middlewares.insert(0, count)
    async with TestServer(app) as server:
        return await checked(settings(server.make_url("/v1"))), arrived


async def demo() -> BackendReport:
    (backend,) = (await check_demo())[0].backends
    return backend


async def test_every_demo_model_does_what_it_is_known_to_do() -> None:
    found = {model.name: words(model) for model in (await demo()).models}
    assert found == {
        "demo": CHATS,
        "demo-thinking": CHATS | {"thinking": "yes", "thinking_off": "yes"},
        "demo-vision": CHATS | {"vision": "yes"},
        "demo-embed": EMBEDS,
    }


async def test_what_was_measured_of_the_demo_is_what_the_gateway_assumes() -> None:
    models = (await demo()).models
    assert [(model.name, name) for model in models for name, result in model.findings() if result.surprises] == []


async def test_the_demo_backend_is_fine_and_known() -> None:
    backend = await demo()
    assert backend.fine
    assert backend.reachable.unit == "ms"
    assert (backend.listing.value, backend.left_out) == (4, 0)
    assert backend.profile is not None
    assert (backend.profile.name, backend.how) == ("demo", "detected")


async def test_numbers_are_measured() -> None:
    models = {model.name: model.checks for model in (await demo()).models}
    assert models["demo-embed"]["embeddings"].value == DIMENSIONS
    assert models["demo"]["context_length"].value == CONTEXT_TOKENS
    assert models["demo"]["streaming"].unit == "ms"


async def test_where_reasoning_comes_and_what_stops_it_is_told() -> None:
    checks = {model.name: model.checks for model in (await demo()).models}["demo-thinking"]
    assert checks["thinking"].detail == "in reasoning_content"
    assert "enable_thinking" in checks["thinking_off"].detail


async def test_requests_and_tokens_are_counted_and_told() -> None:
    report, arrived = await check_demo()
    assert report.tally.requests == arrived == 45
    assert report.tally.prompt_tokens > 0
    assert report.tally.completion_tokens > 0
    assert report_lines(report, 80)[-1].startswith("45 requests sent; ")


async def test_no_question_is_large() -> None:
    report, _ = await check_demo()
    assert report.tally.prompt_tokens < 20 * report.tally.requests
