"""The pages of the API reference as they are sent, and what they are made of."""

import base64
import gzip
import hashlib
import json
import re
from importlib.resources import files
from typing import Any

import pytest

from gateway.web.reference import PARTS, READ_PAGE, TRY_PAGE, Kept, read
from tests.conftest import StartGateway
from tests.handlers.serving import API_KEY, WITH_KEY
from tests.support.gateway import Gateway, Reply
from tests.web.vendored import MANIFEST, PACKAGES

PAGES = {"/docs": TRY_PAGE, "/redoc": READ_PAGE}
PLAIN = {"Accept-Encoding": "identity"}
ASSETS = files("gateway.web") / "assets"
VENDORED = files("gateway.web") / "vendored"
PINNED: dict[str, Any] = json.loads(MANIFEST.read_text(encoding="utf-8"))
CHECKSUMS = {name: checksum for package in PINNED.values() for name, checksum in package["files"].items()}
OWN_SCRIPTS = [name for name, kept in PARTS.items() if kept.folder == "assets" and name.endswith(".js")]


def text(kept: Kept) -> str:
    return gzip.decompress(read(kept).packed).decode()


def directives(policy: str) -> dict[str, list[str]]:
    return {name: values for name, *values in (part.split() for part in policy.split("; "))}


async def get(gateway: Gateway, path: str, **headers: str) -> Reply:
    return await gateway.ask(path, method="GET", headers={**PLAIN, **headers})


# What is sent


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_sent_with_its_policy_and_its_tag(gateway: Gateway, path: str) -> None:
    reply = await get(gateway, path)
    assert (reply.status, reply.text) == (200, text(PAGES[path]))
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert reply.headers["Content-Security-Policy"] == PAGES[path].policy
    assert reply.headers["Cache-Control"] == "no-cache"
    again = await get(gateway, path, **{"If-None-Match": reply.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("name", PARTS)
async def test_a_part_is_sent_as_it_is_kept(gateway: Gateway, name: str) -> None:
    plain = await get(gateway, f"/docs/{name}")
    assert (plain.status, plain.text) == (200, text(PARTS[name]))
    assert plain.headers["Content-Type"].startswith("text/css" if name.endswith(".css") else "text/javascript")
    async with gateway.opened(f"/docs/{name}", method="GET", headers={"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        assert int(packed.headers["Content-Length"]) == len(read(PARTS[name]).packed)
        assert await packed.read() == plain.body
    for tag in (plain.headers["ETag"], packed.headers["ETag"]):
        assert (await get(gateway, f"/docs/{name}", **{"If-None-Match": tag})).status == 304


@pytest.mark.parametrize("path", [*PAGES, "/docs/reference.css"])
async def test_head_tells_of_it_without_it(gateway: Gateway, path: str) -> None:
    reply = await gateway.ask(path, method="HEAD", headers=PLAIN)
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["Content-Length"]) == len((await get(gateway, path)).body)


@pytest.mark.parametrize("name", ["nothing.js", "vendored.json", "page.html", "..%2Fpage.css"])
async def test_nothing_else_of_the_package_is_sent(gateway: Gateway, name: str) -> None:
    reply = await get(gateway, f"/docs/{name}")
    assert (reply.status, reply.json) == (404, {"error": "the pages have no such part"})


async def test_a_slash_at_the_end_leads_to_the_page(gateway: Gateway) -> None:
    async with gateway.client.get(f"{gateway.url}/docs/", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (301, "/docs")


@pytest.mark.parametrize("path", PAGES)
async def test_where_keys_are_wanted_a_page_is_refused_without_one_and_asks_for_it(
    start: StartGateway, path: str
) -> None:
    gateway = await start(API_KEYS=API_KEY)
    reply = await get(gateway, path)
    assert (reply.status, reply.text) == (401, text(PAGES[path]))
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert reply.headers["Content-Security-Policy"] == PAGES[path].policy
    assert reply.headers["Cache-Control"] == "no-store"
    assert "ETag" not in reply.headers
    async with gateway.opened(path, method="GET", headers={"Accept-Encoding": "gzip"}) as packed:
        assert (packed.status, packed.headers["Content-Encoding"]) == (401, "gzip")
    assert (await gateway.ask(path, method="HEAD")).status == 401


@pytest.mark.parametrize("path", PAGES)
async def test_a_key_opens_a_page_and_a_tag_does_not(start: StartGateway, path: str) -> None:
    gateway = await start(API_KEYS=API_KEY)
    opened = await get(gateway, path, **WITH_KEY)
    assert (opened.status, opened.text) == (200, text(PAGES[path]))
    assert (await get(gateway, path, **{"If-None-Match": opened.headers["ETag"]})).status == 401
    assert (await get(gateway, path, **{"If-None-Match": "*"}, **WITH_KEY)).status == 304


async def test_the_parts_of_a_page_that_asks_for_a_key_come_without_one(start: StartGateway) -> None:
    gateway = await start(API_KEYS=API_KEY)
    assert (await get(gateway, "/docs/document.js")).status == 200
    assert (await get(gateway, "/openapi.json")).status == 401


async def test_switched_off_there_are_no_pages(start: StartGateway) -> None:
    gateway = await start(DOCS_ENABLED="false")
    for path in (*PAGES, "/docs/document.js"):
        assert (await get(gateway, path)).status == 404


async def test_clients_see_nothing_of_it(gateway: Gateway) -> None:
    assert (await get(gateway, "/")).text == "Ollama is running"
    assert (await gateway.ask("/docs")).status == 405
    assert (await get(gateway, "/api/docs")).status == 404


# What it is made of


@pytest.mark.parametrize("kept", PAGES.values(), ids=PAGES)
def test_a_policy_allows_no_inline_script_no_eval_and_no_other_place(kept: Kept) -> None:
    allowed = directives(kept.policy)
    assert allowed["default-src"] == ["'none'"]
    assert allowed["script-src"] == allowed["connect-src"] == ["'self'"]
    assert allowed["img-src"] == ["'self'", "data:"]
    assert all(allowed[name] == ["'none'"] for name in ("base-uri", "form-action", "frame-ancestors"))
    assert "unsafe" not in kept.policy
    assert "http" not in kept.policy


@pytest.mark.parametrize("kept", PAGES.values(), ids=PAGES)
def test_a_page_has_no_inline_script_or_style_and_names_only_what_is_there(kept: Kept) -> None:
    page = text(kept)
    assert re.findall(r"<script>|<style|\s(?:style|on\w+)=", page) == []
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    parts = {name.removeprefix("docs/") for name in named if name.startswith("docs/")}
    assert parts <= set(PARTS)
    assert {name for name in named if not name.startswith(("docs/", "data:"))} == {"docs", "redoc"}


def test_every_part_belongs_to_a_page() -> None:
    pages = "".join(map(text, PAGES.values()))
    assert [name for name in PARTS if f"docs/{name}" not in pages] == []


@pytest.mark.parametrize("name", OWN_SCRIPTS)
def test_no_script_of_ours_makes_markup_of_text_or_keeps_anything(name: str) -> None:
    script = text(PARTS[name])
    assert script.startswith('"use strict";')
    for way in (
        "innerHTML",
        "outerHTML",
        "document.write",
        "eval(",
        "new Function",
        "localStorage",
        "sessionStorage",
        "cookie",
    ):
        assert way not in script


# What others wrote


def test_what_is_vendored_is_what_is_pinned() -> None:
    assert {name: package["version"] for name, package in PINNED.items()} == {
        name: package.version for name, package in PACKAGES.items()
    }
    assert all(package["integrity"].startswith("sha512-") for package in PINNED.values())
    there = {entry.name for entry in VENDORED.iterdir()} - {"vendored.json"}
    assert there == set(CHECKSUMS)


@pytest.mark.parametrize("name", CHECKSUMS)
def test_a_vendored_file_has_its_checksum(name: str) -> None:
    data = (VENDORED / name).read_bytes()
    whole = gzip.decompress(data) if name.endswith(".gz") else data
    assert CHECKSUMS[name] == f"sha512-{base64.b64encode(hashlib.sha512(whole).digest()).decode()}"


def test_every_package_comes_with_its_licence() -> None:
    assert "Apache License" in (VENDORED / "swagger-ui.LICENSE").read_text(encoding="utf-8")
    assert (VENDORED / "swagger-ui.NOTICE").read_text(encoding="utf-8").strip()
    assert "MIT" in (VENDORED / "redoc.LICENSE").read_text(encoding="utf-8")


def test_what_is_vendored_is_small() -> None:
    assert sum(len((VENDORED / name).read_bytes()) for name in CHECKSUMS) < 1_000_000
