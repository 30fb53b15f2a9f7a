"""The status page in Chromium, in front of real traffic: what it says, asks for, shows, and how it can be used."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.web.browser.run import look, why_no_browser
from tests.web.browser.scene import AWAY_MODEL, KEY, scene, under_load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

PAGES = ("light", "dark", "phone", "key")
SERIOUS = {"serious", "critical"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def report(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Any]]:
    """What the browser found, with the URL of the gateway it looked at."""
    if (reason := why_no_browser()) is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("browser")
    async with scene(folder) as gateway, scene(folder, API_KEYS=KEY) as keyed, under_load(gateway):
        job = {"url": gateway.url, "keyed_url": keyed.url, "key": KEY, "away_model": AWAY_MODEL, "points": 5}
        found = await look(folder, **job)
    yield {**found, "url": gateway.url, "keyed_url": keyed.url, "folder": folder}


@pytest.mark.parametrize("page", PAGES)
async def test_the_console_stays_empty(report: dict[str, Any], page: str) -> None:
    assert report[page]["said"] == []


@pytest.mark.parametrize("page", ["mishaps", "lost", "keyed"])
async def test_no_script_fails_where_something_else_does(report: dict[str, Any], page: str) -> None:
    assert report[page]["uncaught"] == []


@pytest.mark.parametrize("page", PAGES)
async def test_the_page_asks_nobody_but_the_gateway(report: dict[str, Any], page: str) -> None:
    paths = {url.removeprefix(report["url"]) for url in report[page]["asked"]}
    assert {"/ui/events", "/api/tags"} < paths <= {"/", "/ui", "/ui/events", "/api/tags", "/api/chat"}


@pytest.mark.parametrize("page", PAGES)
async def test_axe_finds_nothing_serious(report: dict[str, Any], page: str) -> None:
    assert [found for found in report[page]["violations"] if found["impact"] in SERIOUS] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_numbers_are_there_and_move_under_load(report: dict[str, Any], scheme: str) -> None:
    first, then = report[scheme]["figures"]
    assert set(first) == {"requests", "first", "tokens", "errors", "flight"}
    assert all(any(letter.isdigit() for letter in figure) for figure in first.values())
    assert first != then


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_box_streams_an_answer(report: dict[str, Any], scheme: str) -> None:
    chat = report[scheme]["chat"]
    lengths = sorted({length for length in chat["lengths"] if length})
    assert len(lengths) > 3
    assert lengths[-1] == len(chat["text"])
    assert "tokens per second" in chat["facts"]
    assert "req_" in chat["facts"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_can_be_reached_and_used_with_the_keyboard(report: dict[str, Any], scheme: str) -> None:
    wanted = ["skip", "pause", "key-toggle", "scroll", "chat-clear", "model", "log", "question", "send"]
    assert report[scheme]["tabs"] == wanted
    assert report[scheme]["chat"]["question_is_empty"]
    assert report[scheme]["chat"]["focused"] == "question"
    assert report["key"]["focused"] == "key"


async def test_on_a_phone_nothing_is_wider_than_the_screen(report: dict[str, Any]) -> None:
    assert report["phone"]["overflow"] == 0


async def test_what_goes_wrong_in_the_box_is_said_and_ends_nothing(report: dict[str, Any]) -> None:
    mishaps = report["mishaps"]
    assert mishaps["problem"]
    assert mishaps["given_back"] == "Is anybody there?"
    assert mishaps["stopped"] == "Stopped."
    assert mishaps["after"]
    assert mishaps["said_so_far"] in (2, 4)


async def test_a_lost_connection_is_said_and_made_again(report: dict[str, Any]) -> None:
    assert report["lost"]["health"] == "not connected"


async def test_a_key_is_asked_for_and_kept_nowhere(report: dict[str, Any]) -> None:
    keyed = report["keyed"]
    assert keyed["focused"] == "key"
    assert keyed["chat"]
    assert keyed["kept"] == [0, 0, 0]
    assert all(KEY not in url for url in keyed["asked"])


async def test_pictures_are_taken_of_each_scheme_and_of_a_phone(report: dict[str, Any]) -> None:
    folder: Path = report["folder"]
    assert all((folder / f"{name}.png").stat().st_size > 10_000 for name in ("light", "dark", "phone"))
