"""The API reference in Chromium: rendered, silent in the console, asking nobody else; what is tried streams."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.openapi.document import OPERATIONS
from gateway.web.reference import PARTS
from tests.web.browser.run import REFERENCE, look, why_no_browser
from tests.web.browser.scene import KEY, scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

SERVED = sum(not path.startswith("/admin/") for _, path in OPERATIONS)
TRIED = {"/api/chat", "/v1/chat/completions", "/api/version"}
PICTURES = ("docs", "docs-chat", "docs-key", "chat-streaming", "redoc", "redoc-search", "redoc-chat")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def report(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Any]]:
    """What the browser found, with the URL of the gateway it looked at."""
    if (reason := why_no_browser()) is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("browser")
    async with scene(folder) as gateway, scene(folder, API_KEYS=KEY) as keyed:
        job = {"url": gateway.url, "keyed_url": keyed.url, "key": KEY}
        found = await look(folder, REFERENCE, **job)
    yield {**found, "url": gateway.url, "keyed_url": keyed.url, "folder": folder}


@pytest.mark.parametrize("page", ["docs", "redoc"])
async def test_the_console_stays_empty(report: dict[str, Any], page: str) -> None:
    assert report[page]["said"] == []


@pytest.mark.parametrize("page", ["docs", "redoc"])
async def test_a_page_asks_nobody_but_the_gateway(report: dict[str, Any], page: str) -> None:
    paths = {url.removeprefix(report["url"]) for url in report[page]["asked"]}
    known = {f"/{page}", "/openapi.json", *(f"/docs/{name}" for name in PARTS), *TRIED}
    assert {f"/{page}", "/openapi.json", "/docs/document.js"} < paths <= known


async def test_both_pages_show_every_operation(report: dict[str, Any]) -> None:
    assert report["docs"]["operations"] == SERVED
    assert report["redoc"]["operations"] >= SERVED
    assert report["redoc"]["words"] > 5000
    assert report["redoc"]["found"] > 0


async def test_no_image_is_missing(report: dict[str, Any]) -> None:
    assert report["redoc"]["broken_images"] == 0


@pytest.mark.parametrize(("what", "ending"), [("chat", '"done":true'), ("completion", "[DONE]")])
async def test_what_is_tried_is_seen_as_it_streams_and_whole_at_the_end(
    report: dict[str, Any], what: str, ending: str
) -> None:
    tried = report["docs"][what]
    assert len(tried["lengths"]) > 3
    assert tried["status"] == "200"
    assert ending in tried["answer"]
    assert "ended after" in tried["stream"]


async def test_the_stream_covers_no_route_that_is_to_be_tried_next(report: dict[str, Any]) -> None:
    assert report["docs"]["covered"] <= 0


async def test_what_does_not_stream_is_shown_as_json(report: dict[str, Any]) -> None:
    assert report["docs"]["version"]["status"] == "200"
    assert '"version":' in report["docs"]["version"]["answer"]


async def test_a_key_is_asked_for_used_and_kept_nowhere(report: dict[str, Any]) -> None:
    keyed = report["keyed"]
    assert keyed["focused"] == "key"
    assert keyed["tags"]["status"] == "200"
    assert keyed["kept"] == [0, 0, 0]
    assert all(KEY not in url for url in keyed["asked"])
    assert [line for line in keyed["said"] if "401" not in line] == []


async def test_pictures_are_taken(report: dict[str, Any]) -> None:
    folder: Path = report["folder"]
    assert all((folder / f"{name}.png").stat().st_size > 10_000 for name in PICTURES)
