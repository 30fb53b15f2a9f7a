"""docs/reference has every route, each with curl, Python and JavaScript, and docs/api.md leads to all of them."""

import re

import pytest

from gateway.exchange import ROUTES
from tests.conftest import StartGateway
from tests.documents.files import ROOT
from tests.documents.reference import LANGUAGES, Section, sections
from tests.openapi.documented import operations

SECTIONS = sections()
CALLS = {"sh": r"\bcurl ", "python": r"\b(?:ollama|client|httpx)\.", "js": r"\b(?:ollama\s*\.|client\.|fetch\()"}
PACKAGES = {"ollama.md": ("ollama", "httpx"), "openai.md": ("openai",), "gateway.md": ("httpx",)}


def described() -> dict[str, str]:
    """Return what the document says that each route does, by method and path."""
    return {operation.name: operation.said["summary"] for operation in operations()}


def curl_method(arguments: str) -> str:
    """Return the method that curl asks with."""
    if named := re.search(r"-X (\w+)", arguments):
        return named[1]
    if "-sI " in arguments:
        return "HEAD"
    return "POST" if re.search(r"-d |--data", arguments) else "GET"


async def test_every_route_has_a_section_with_its_methods_and_no_other(start: StartGateway) -> None:
    gateway = await start(ADMIN_KEY="admin-secret-1")
    served = {(route.method, re.sub(r":[^}]+\}", "}", info.label)) for route, info in gateway.app[ROUTES].items()}
    shown = [(method, section.path) for section in SECTIONS for method in section.methods]
    assert len(shown) == len(set(shown))
    assert set(shown) == served


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_a_section_has_a_call_in_each_language_and_says_the_status(section: Section) -> None:
    assert tuple(block.language for block in section.blocks) == LANGUAGES
    assert section.status
    path = re.sub(r"\\\{\w+\\\}", r"[^/\\s\"'`]+", re.escape(section.path))
    for block in section.blocks:
        assert re.search(CALLS[block.language], block.text), block.place
        if "httpx" in block.text or "fetch(" in block.text or block.language == "sh":
            assert re.search(rf"http://127\.0\.0\.1:11434{path}[\s\"'`]", block.text), block.place
    python = section.blocks[1].text
    assert any(re.search(rf"^(?:import|from) {name}\b", python, re.MULTILINE) for name in PACKAGES[section.page])


def test_a_call_asks_with_the_method_of_its_section() -> None:
    for section in SECTIONS:
        shell, python, script = (block.text for block in section.blocks)
        method = section.methods[0]
        assert method == curl_method(shell.rpartition("curl ")[2])
        assert "httpx." not in python or f"httpx.{method.lower()}(" in python or f'stream("{method}"' in python
        assert "fetch(" not in script or method == "GET" or f'method: "{method}"' in script


def test_the_list_of_all_routes_leads_to_each_and_says_what_it_does() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    part = page.partition("\n## All routes\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \[`([^`]+)`\]\((\S+)\) \| (.+) \|$", part, re.MULTILINE)
    meanings = described()
    expected = [
        (section.name, section.target, meanings[f"{section.methods[0]} {section.path}"]) for section in SECTIONS
    ]
    assert sorted(rows) == sorted(expected)
