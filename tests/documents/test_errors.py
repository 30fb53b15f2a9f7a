"""docs/errors.md has every kind of error with its status, every code of our own, and the texts as they are said."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from importlib import import_module

from gateway.errors import ProxyException, UpstreamStatusError
from tests.documents.files import ROOT

PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
OWN = ("demo", "openapi")
"""Packages whose errors are not the gateway's own: another server's, and examples."""


def source() -> str:
    """Return the gateway's source; strings that go on in the next line are joined."""
    package = ROOT / "gateway"
    paths = [path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in OWN]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(paths))
    return re.sub(r"[\"']\n\s+f?[\"']", "", text)


def classes(of: type[ProxyException] = ProxyException) -> Iterator[type[ProxyException]]:
    """Yield the error tree; importing the application loads whoever adds to it."""
    import_module("gateway.app")
    yield of
    for child in of.__subclasses__():
        if child.__module__.startswith("gateway."):
            yield from classes(child)


def sections() -> dict[str, str]:
    """Return what the page says behind each kind: its status, in words for a backend's own, empty where it varies."""
    return dict(re.findall(r"^### `(\w+)`(?:, (.+))?$", PAGE, re.MULTILINE))


def test_every_kind_has_a_section_with_its_status() -> None:
    kinds = {found.kind: str(found.status) for found in classes()}
    kinds[UpstreamStatusError.kind] = "as the backend said"
    middleware = (ROOT / "gateway/middlewares/errors.py").read_text(encoding="utf-8")
    plain = re.search(r"^_PLAIN_KINDS = \{(.*)\}$", middleware, re.MULTILINE)
    assert plain is not None
    kinds |= {name: status for status, name in re.findall(r'(\d+): "(\w+)"', plain[1])}
    kinds |= dict.fromkeys(re.findall(r'\.kind = "(\w+)"', middleware), "")
    assert sections() == kinds


def test_every_code_is_listed_with_its_status() -> None:
    said = {name or "model_not_found" for name in re.findall(r"\bcode=(?:\"(\w+)\"|NOT_FOUND)", source())}
    table = PAGE.partition("\n## Codes\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", table, re.MULTILINE))
    assert set(rows) == said
    assert all(status in {str(found.status) for found in classes()} for status in rows.values())


def test_the_page_names_every_status_that_is_an_error_of_ours() -> None:
    head = PAGE.partition("\n## How an error looks\n")[0]
    named = set(re.findall(r"\b[45]\d\d\b", head))
    statuses = {str(found.status) for found in classes()} - {"499"}  # which no client sees
    assert named == statuses | {str(HTTPStatus.METHOD_NOT_ALLOWED.value)}


def test_the_texts_of_the_symptoms_are_those_that_are_said() -> None:
    known = source()
    body = PAGE.partition("\n## The request\n")[2].partition("\n## What clients say\n")[0]
    quoted = [text for row in re.findall(r"^\| (.+?) \|", body, re.MULTILINE) for text in re.findall(r"`([^`]+)`", row)]
    parts = [part.strip() for text in quoted if " " in text for part in text.split("…")]
    told = [part for part in parts if len(part) > 5]
    assert len(told) > 50
    assert [part for part in told if part not in known] == []
