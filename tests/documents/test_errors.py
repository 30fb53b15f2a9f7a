"""docs/errors.md has every kind of error with its status, every code of our own, and the texts as they are said."""

import re
from collections.abc import Iterator
from importlib import import_module

from gateway.errors import ProxyException, UpstreamStatusError
from gateway.exchange import ROUTES, Dialect
from tests.conftest import StartGateway
from tests.documents.files import ROOT
from tests.documents.raised import HOLE, raised

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
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+) \| \S.+ \| \S.+ \|$", table, re.MULTILINE))
    assert set(rows) == said
    assert all(status in {str(found.status) for found in classes()} for status in rows.values())


def test_the_list_of_statuses_leads_to_every_section() -> None:
    head = PAGE.partition("\n## How an error looks\n")[0]
    led: dict[str, set[str]] = {}
    for status, links in re.findall(r"^\| (\d{3}) \| (.+) \|$", head, re.MULTILINE):
        led[status] = set(re.findall(r"\[`(\w+)`\]\(#", links))
    by_status: dict[str, set[str]] = {}
    for kind, status in sections().items():
        if status.isdecimal() and status != "499":  # which no client sees
            by_status.setdefault(status, set()).add(kind)
    assert led == by_status
    assert re.findall(r"\[`(\w+)`\]\(#", head) == list(dict.fromkeys(re.findall(r"\[`(\w+)`\]\(#", head)))
    assert set(re.findall(r"\[`(\w+)`\]\(#", head)) == sections().keys()


def test_every_section_has_a_cause_and_a_cure_for_each_symptom() -> None:
    parts = re.split(r"^#{2,3} ", PAGE, flags=re.MULTILINE)
    tables = {part.partition("\n")[0]: re.findall(r"^\| (.+) \|$", part, re.MULTILINE) for part in parts[1:]}
    others = ["What clients say", "It does not start", "No error, and still wrong"]
    named = [title for title in tables if title.startswith("`")]
    assert len(named) == len(sections())
    for title in [*named, *others]:
        head, _, *rows = (row.split(" | ") for row in tables[title])
        assert head == ["Symptom", "Cause", "Cure"], title
        assert rows, title
        assert [row for row in rows if len(row) != len(head) or not all(row)] == []


def test_the_texts_of_the_symptoms_are_those_that_are_said() -> None:
    known = source()
    body = PAGE.partition("\n## The request\n")[2].partition("\n## What clients say\n")[0]
    quoted = [text for row in re.findall(r"^\| (.+?) \|", body, re.MULTILINE) for text in re.findall(r"`([^`]+)`", row)]
    parts = [part.strip() for text in quoted if " " in text for part in text.split("…")]
    told = [part for part in parts if len(part) > 5]
    assert len(told) > 50
    assert [part for part in told if part not in known] == []


def symptoms() -> list[str]:
    """Return what the sections of errors quote."""
    body = PAGE.partition("\n## The request\n")[2].partition("\n## What clients say\n")[0]
    return [text for text in re.findall(r"`([^`\n]+)`", body) if " " in text]


def says(symptom: str, text: str) -> bool:
    """Whether a quoted text is in that of an error, or is one of those that it may become: "…" stands for anything."""
    quoted, made = (".*".join(map(re.escape, one.split(HOLE))) for one in (symptom, text))
    return bool(re.search(quoted, text) or re.fullmatch(made, symptom))


async def test_the_form_of_an_error_follows_from_the_path_as_the_page_says(start: StartGateway) -> None:
    assert "`/v1` and `/admin` have OpenAI's form, an object; everything else Ollama's, a text:" in PAGE
    gateway = await start(ADMIN_KEY="admin-secret-1")
    for info in gateway.app[ROUTES].values():
        expected = Dialect.OPENAI if info.label.startswith(("/v1/", "/admin/")) else Dialect.OLLAMA
        assert info.dialect is expected, info.label


def test_every_text_of_an_error_has_a_symptom() -> None:
    errors = frozenset(found.__name__ for found in classes())
    # `check` says what it finds of a backend, and no client is answered so.
    told = list(raised(errors, (*OWN, "doctor")))
    assert len(told) > 120
    assert [one for one in told if not any(says(symptom, one.text) for symptom in symptoms())] == []
