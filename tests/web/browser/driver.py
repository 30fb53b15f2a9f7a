"""Looks at status pages with Chromium, as the job in its argument says; the report goes to stdout, both as JSON.

It runs with the interpreter of an environment that has playwright, which is not in the one of the tests.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.web.browser.visiting import DESKTOP, JOB, Watched, look_and_report

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 1.5, "is_mobile": True, "has_touch": True}
WAIT_S = 30.0
POLL_MS = 100
_FIGURES = "Object.fromEntries(TILES.map((tile) => [tile.name, tile.figure.textContent]))"
_NOTE_LENGTHS = """() => {
  window.lengths = [];
  const answer = () => document.querySelector(".said.assistant:last-child .text");
  const note = () => window.lengths.push(answer()?.textContent.length ?? 0);
  new MutationObserver(note).observe(document.getElementById("log"), { childList: true, subtree: true });
}"""
_FOCUSED = (
    "document.activeElement === document.body ? '' : document.activeElement.id || document.activeElement.className"
)
_AXE = "axe.run({resultTypes: ['violations']}).then(({violations}) => violations.map(({id, impact, nodes}) => \
({id, impact, nodes: nodes.map(({html}) => html)})))"


class Visit(Watched):
    """One page."""

    def __init__(self, browser: Any, **options: Any) -> None:
        super().__init__(browser, WAIT_S, **options)

    def open(self, path: str = "/ui") -> None:
        """Go there and wait until it is up to date."""
        self.page.goto(JOB["url"] + path)
        self.until_link("Live")

    def until_link(self, beginning: str) -> None:
        """Wait until the page says this of its connection."""
        self.until(f"document.getElementById('link').textContent.startsWith({json.dumps(beginning)})")

    def until(self, condition: str, within_s: float = WAIT_S) -> None:
        """Wait for what JavaScript says. Playwright's own way evaluates text in the page, which is forbidden there."""
        end_s = time.monotonic() + within_s
        while not self.page.evaluate(condition):
            if time.monotonic() > end_s:
                raise TimeoutError(condition)
            self.page.wait_for_timeout(POLL_MS)

    def figures(self) -> dict[str, str]:
        """The numbers of the tiles."""
        found: dict[str, str] = self.page.evaluate(_FIGURES)
        return found

    @property
    def uncaught(self) -> list[str]:
        """The errors of its scripts, without what the browser says of refused requests."""
        return [line for line in self.said if line.startswith("uncaught")]

    def violations(self) -> list[dict[str, Any]]:
        """What axe-core finds."""
        self.page.evaluate(Path(JOB["axe"]).read_text(encoding="utf-8"))
        found: list[dict[str, Any]] = self.page.evaluate(_AXE)
        return found


def figures_under_load(visit: Visit) -> list[dict[str, str]]:
    """The numbers twice, once they are there and once they are others."""
    visit.until("TILES.every((tile) => tile.figure.textContent !== NOTHING) && points.some((p) => p.requests > 0)")
    first = visit.figures()
    visit.until(f"JSON.stringify({_FIGURES}) !== {json.dumps(json.dumps(first, separators=(',', ':')))}")
    return [first, visit.figures()]


def chat(visit: Visit, question: str) -> dict[str, Any]:
    """Ask with the keyboard alone; tells the lengths the answer had as it grew, and its end."""
    page = visit.page
    visit.until("document.getElementById('model').value !== ''")
    page.locator("#question").focus()
    page.keyboard.type(question)
    page.evaluate(_NOTE_LENGTHS)
    page.keyboard.press("Enter")
    page.locator(".said.assistant .facts").last.wait_for()
    return {
        "lengths": page.evaluate("window.lengths"),
        "text": page.locator(".said.assistant .text").last.text_content(),
        "facts": page.locator(".said.assistant .facts").last.text_content(),
        "question_is_empty": page.locator("#question").input_value() == "",
        "focused": page.evaluate("document.activeElement.id"),
    }


def tab_order(visit: Visit) -> list[str]:
    """Which elements Tab leads to on a page that was just opened."""
    page = visit.page
    found: list[str] = []
    for _ in range(30):
        page.keyboard.press("Tab")
        name = page.evaluate(_FOCUSED)
        if not name or name in found:
            break
        found.append(name)
    return found


def desktop(browser: Any, scheme: str) -> dict[str, Any]:
    """A page on a desk: everything that is asked of it."""
    visit = Visit(browser, color_scheme=scheme, **DESKTOP)
    visit.open()
    report: dict[str, Any] = {"tabs": tab_order(visit), "figures": figures_under_load(visit)}
    report["chat"] = chat(visit, "Tell me something in a few words")
    visit.until(f"points.length >= {JOB['points']}", WAIT_S + 2 * JOB["points"])
    visit.page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    visit.shoot(scheme)
    return report | judged(visit)


def phone(browser: Any) -> dict[str, Any]:
    """The same in a hand, reached at the root: whole, and not wider than the screen."""
    visit = Visit(browser, color_scheme="light", **PHONE)
    visit.open("/")
    chat(visit, "And in other words?")
    visit.page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    visit.shoot("phone", whole=True)
    overflow = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return {"overflow": overflow} | judged(visit)


def key_panel(browser: Any) -> dict[str, Any]:
    """The place for a key, opened."""
    visit = Visit(browser, color_scheme="dark", **DESKTOP)
    visit.open()
    visit.page.locator("#key-toggle").press("Enter")
    visit.shoot("key")
    return {"focused": visit.page.evaluate("document.activeElement.id")} | judged(visit)


def mishaps(browser: Any) -> dict[str, Any]:
    """A model whose backend is away, an answer that is stopped, and a question after both."""
    visit = Visit(browser, **DESKTOP)
    visit.open()
    page = visit.page
    visit.until("document.getElementById('model').value !== ''")
    page.locator("#model").select_option(JOB["away_model"])
    page.locator("#question").fill("Is anybody there?")
    page.locator("#send").click()
    page.locator(".said .problem").wait_for()
    report: dict[str, Any] = {"problem": page.locator(".said .problem").text_content()}
    report["given_back"] = page.locator("#question").input_value()
    page.locator("#model").select_option("demo")
    page.locator("#question").press("Enter")
    page.locator("#stop").click()
    page.locator(".said .problem").nth(1).wait_for()
    report["stopped"] = page.locator(".said .problem").nth(1).text_content()
    report["after"] = chat(visit, "Then again")["text"]
    return report | {"said_so_far": page.evaluate("conversation.length"), "uncaught": visit.uncaught}


def lost(browser: Any) -> dict[str, Any]:
    """A connection that breaks, and comes back."""
    visit = Visit(browser, **DESKTOP)
    visit.open()
    visit.page.route("**/ui/events", lambda route: route.abort())
    visit.page.evaluate("connection.abort()")
    visit.until_link("Not connected")
    said = visit.page.locator("#health").text_content()
    visit.page.unroute("**/ui/events")
    visit.until_link("Live")
    return {"health": said, "uncaught": visit.uncaught}


def keyed(browser: Any) -> dict[str, Any]:
    """A gateway that wants a key: the page asks for it, and has forgotten it when it is loaded again."""
    visit = Visit(browser, **DESKTOP)
    page = visit.page
    page.goto(JOB["keyed_url"] + "/ui")
    visit.until_link("Not connected: an API key")
    report: dict[str, Any] = {"focused": page.evaluate("document.activeElement.id")}
    page.keyboard.type(JOB["key"] + "-wrong")
    page.keyboard.press("Enter")
    visit.until("document.getElementById('key-why').textContent.startsWith('This key is not taken')")
    page.locator("#key").fill(JOB["key"])
    page.locator("#key").press("Enter")
    visit.until_link("Live")
    report["chat"] = chat(visit, "Hello")["text"]
    report["kept"] = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie.length]")
    report["asked"] = sorted(visit.asked)
    page.reload()
    visit.until_link("Not connected: an API key")
    return report | {"uncaught": visit.uncaught}


def judged(visit: Visit) -> dict[str, Any]:
    """What holds for every page."""
    return {"said": visit.said, "asked": sorted(visit.asked), "violations": visit.violations()}


def main() -> None:
    """Look, and report."""
    looks: dict[str, Callable[[Any], dict[str, Any]]] = {
        "light": lambda browser: desktop(browser, "light"),
        "dark": lambda browser: desktop(browser, "dark"),
        "phone": phone,
        "key": key_panel,
        "mishaps": mishaps,
        "lost": lost,
        "keyed": keyed,
    }
    look_and_report(looks)


if __name__ == "__main__":
    main()
