"""Looks at the API reference with Chromium, as the job in its argument says; the report goes to stdout, both as JSON.

It runs with the interpreter of an environment that has playwright, which is not in the one of the tests.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from tests.web.browser.visiting import DESKTOP, JOB, Watched, look_and_report

WAIT_S = 60.0
_SHOWN = """() => new Set(
  [...document.querySelectorAll("[data-section-id*='operation/']")].map((one) => one.dataset.sectionId)
).size"""
_COVERED = """() => {
  window.scrollTo(0, document.documentElement.scrollHeight);
  const last = [...document.querySelectorAll(".opblock")].at(-1).getBoundingClientRect();
  return last.bottom - document.getElementById("stream").getBoundingClientRect().top;
}"""
"""By how many pixels the stream covers the last route, where the page ends."""
_BROKEN = """() => [...document.images].filter((one) => one.checkVisibility() && !one.naturalWidth).length"""
POLL_MS = 50


class Visit(Watched):
    """One page."""

    def __init__(self, browser: Any) -> None:
        super().__init__(browser, WAIT_S, **DESKTOP)

    def until(self, look: Callable[[], Any]) -> Any:
        """Look until there is something to be seen, and return it."""
        end_s = time.monotonic() + WAIT_S
        while not (seen := look()):
            if time.monotonic() > end_s:
                raise TimeoutError("nothing came to be seen")
            self.page.wait_for_timeout(POLL_MS)
        return seen

    def judged(self) -> dict[str, Any]:
        """What holds for every page."""
        return {"said": self.said, "asked": sorted(url for url in self.asked if not url.startswith(("data:", "blob:")))}


def opened(visit: Visit, url: str) -> None:
    """Open the page to try things, and wait until it is there."""
    visit.page.goto(f"{url}/docs")
    visit.page.locator(".opblock").first.wait_for()


def tried(visit: Visit, operation: str, body: Any) -> dict[str, Any]:
    """Try one route as a person does; tells how much of a stream was there as it came, and the answer at the end."""
    block = visit.page.locator(f".opblock[id$='-{operation}']")
    block.locator(".opblock-summary-control").click()
    if body is not None:
        block.locator("textarea.body-param__text").fill(json.dumps(body))
    block.locator("button.execute").click()
    lengths: list[int] = []
    done = block.locator(".live-responses-table tbody .response-col_status")

    def ended() -> bool:
        length = len(visit.page.locator("#stream-text").text_content() or "")
        if length and length not in lengths:
            lengths.append(length)
            if len(lengths) == 5:
                visit.shoot(f"{operation}-streaming")
        return bool(done.count()) and "streaming" not in (visit.page.locator("#stream-what").text_content() or "")

    visit.until(ended)
    return {
        "status": (done.first.text_content() or "").strip()[:3],
        "answer": block.locator(".live-responses-table tbody .response-col_description").first.text_content(),
        "lengths": lengths,
        "stream": visit.page.locator("#stream-what").text_content(),
    }


def docs(browser: Any) -> dict[str, Any]:
    """The page to try things."""
    visit = Visit(browser)
    opened(visit, JOB["url"])
    report: dict[str, Any] = {"operations": visit.page.locator(".opblock").count()}
    visit.shoot("docs")
    question = {"model": "demo", "messages": [{"role": "user", "content": "Tell me something in a few words"}]}
    report["chat"] = tried(visit, "chat", question)
    visit.shoot("docs-chat")
    report["completion"] = tried(visit, "create_chat_completion", {**question, "stream": True})
    report["version"] = tried(visit, "ollama_version", None)
    report["covered"] = visit.page.evaluate(_COVERED)
    return report | visit.judged()


def redoc(browser: Any) -> dict[str, Any]:
    """The page to be read."""
    visit = Visit(browser)
    visit.page.goto(f"{JOB['url']}/redoc")
    visit.page.locator("[data-section-id^='tag/']").first.wait_for()
    visit.page.wait_for_timeout(500)
    visit.shoot("redoc")
    report: dict[str, Any] = {
        "operations": visit.page.evaluate(_SHOWN),
        "broken_images": visit.page.evaluate(_BROKEN),
        "words": len((visit.page.locator("#reference").text_content() or "").split()),
    }
    visit.page.locator("[role=search] input, input[aria-label='Search']").first.fill("vectors")
    report["found"] = visit.until(lambda: visit.page.locator("[data-role='search:results'] li").count())
    visit.shoot("redoc-search")
    visit.page.locator("[id*='operation/chat']").first.scroll_into_view_if_needed()
    visit.page.wait_for_timeout(300)
    visit.shoot("redoc-chat")
    return report | visit.judged()


def keyed(browser: Any) -> dict[str, Any]:
    """A gateway that wants a key: each page asks for it, and has forgotten it when it is loaded again."""
    visit = Visit(browser)
    page = visit.page
    page.goto(f"{JOB['keyed_url']}/docs")
    page.locator("#key-panel").wait_for()
    report: dict[str, Any] = {"focused": page.evaluate("document.activeElement.id")}
    visit.shoot("docs-key")
    page.keyboard.type(JOB["key"] + "-wrong")
    page.keyboard.press("Enter")
    visit.until(lambda: "not taken" in (page.locator("#key-why").text_content() or ""))
    page.locator("#key").fill(JOB["key"])
    page.locator("#key").press("Enter")
    page.locator(".opblock").first.wait_for()
    report["tags"] = tried(visit, "list_models", None)
    report["kept"] = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie.length]")
    page.goto(f"{JOB['keyed_url']}/redoc")
    page.locator("#key-panel").wait_for()
    page.locator("#key").fill(JOB["key"])
    page.locator("#key").press("Enter")
    page.locator("[data-section-id^='tag/']").first.wait_for()
    return report | visit.judged()


def main() -> None:
    """Look, and report."""
    looks: dict[str, Callable[[Any], dict[str, Any]]] = {"docs": docs, "redoc": redoc, "keyed": keyed}
    look_and_report(looks)


if __name__ == "__main__":
    main()
