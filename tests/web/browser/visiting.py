"""What the drivers of all pages share: a page that is watched, and the way a job comes in and its report goes out.

It runs with the interpreter of an environment that has playwright, which is not in the one of the tests.
"""

import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

JOB: dict[str, Any] = json.loads(sys.argv[1])
DESKTOP = {"viewport": {"width": 1440, "height": 1000}}


class Watched:
    """One page, and what it said and asked for."""

    def __init__(self, browser: Any, wait_s: float, **options: Any) -> None:
        self.page = browser.new_context(**options).new_page()
        self.page.set_default_timeout(1000 * wait_s)
        self.said: list[str] = []
        self.asked: set[str] = set()
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"uncaught: {error}"))
        self.page.on("request", lambda request: self.asked.add(request.url))

    def shoot(self, name: str, *, whole: bool = False) -> None:
        """Write a picture."""
        self.page.screenshot(path=Path(JOB["folder"]) / f"{name}.png", full_page=whole)


def look_and_report(looks: Mapping[str, Callable[[Any], dict[str, Any]]]) -> None:
    """Look as the job says, and write what was seen."""
    # Not in the environment of the type checker.
    playwright_of: Any = import_module("playwright.sync_api").sync_playwright
    with playwright_of() as playwright:
        # Chromium has no sandbox for root, who runs the tests in containers.
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=JOB["chromium"], args=options)
        json.dump({name: looks[name](browser) for name in JOB.get("looks", looks)}, sys.stdout)
        browser.close()
