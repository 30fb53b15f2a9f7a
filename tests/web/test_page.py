import base64
import hashlib
import re

import pytest

from gateway.web.page import assemble, read_page

DOCUMENT = read_page().body.decode()
POLICY = read_page().policy
PARTS = {
    "page.html": '<link rel="stylesheet" href="a.css">\n<p>Hello</p>\n<script src="b.js"></script>',
    "a.css": "p { color: red; }\n",
    "b.js": "const pattern = /\\d+/;\n",
}


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def directives(policy: str) -> dict[str, list[str]]:
    return {name: values for name, *values in (part.split() for part in policy.split("; "))}


def test_the_page_names_no_file_and_no_other_place() -> None:
    named = re.findall(r"""\b(?:src|href|action|srcset|url)\s*[=(]\s*["']?([^"'\s>)]+)""", DOCUMENT)
    assert named
    assert [name for name in named if not name.startswith(("data:", "#"))] == []
    assert "@import" not in DOCUMENT
    assert set(re.findall(r"https?://[\w./]+", DOCUMENT)) == {"http://www.w3.org/2000/svg"}


def test_the_policy_allows_the_pages_own_styles_and_scripts_and_nothing_else() -> None:
    allowed = directives(POLICY)
    assert allowed["default-src"] == ["'none'"]
    assert allowed["script-src"] == [hash_of(text) for text in re.findall(r"<script>(.*?)</script>", DOCUMENT, re.S)]
    assert allowed["style-src"] == [hash_of(text) for text in re.findall(r"<style>(.*?)</style>", DOCUMENT, re.S)]
    assert allowed["connect-src"] == ["'self'"]
    assert allowed["img-src"] == ["data:"]
    assert all(allowed[name] == ["'none'"] for name in ("base-uri", "form-action", "frame-ancestors"))
    assert len(allowed["script-src"]) > 1
    assert len(allowed["style-src"]) == 1


@pytest.mark.parametrize(
    "way", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "localStorage"]
)
def test_no_script_makes_markup_of_text_or_keeps_anything(way: str) -> None:
    assert way not in DOCUMENT


def test_no_markup_has_styles_or_scripts_that_the_policy_would_refuse() -> None:
    assert re.findall(r"<[^>]*\s(?:style|on\w+)=", DOCUMENT) == []


def test_the_parts_are_written_into_the_document_as_they_are() -> None:
    page = assemble(PARTS.__getitem__)
    assert page.body.decode() == (
        "<style>\np { color: red; }\n</style>\n<p>Hello</p>\n<script>\nconst pattern = /\\d+/;\n</script>"
    )


@pytest.mark.parametrize("name", PARTS)
def test_a_change_of_any_part_is_another_entity(name: str) -> None:
    changed = {**PARTS, name: PARTS[name] + "\n"}
    assert assemble(changed.__getitem__).etag != assemble(PARTS.__getitem__).etag
    assert assemble(PARTS.__getitem__) == assemble(PARTS.__getitem__)
