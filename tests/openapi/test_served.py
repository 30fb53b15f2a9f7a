"""The document as it is served, and the gateway as it is documented."""

import asyncio
import gzip
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import FormData, web
from aiohttp.test_utils import TestServer

from gateway.cli import EXIT_UNREAD
from gateway.demo import run_demo
from gateway.exchange import ROUTES
from gateway.web import described
from gateway.web.entity import takes_gzip
from tests.conftest import StartGateway
from tests.handlers.serving import API_KEY, WITH_KEY
from tests.openapi.documented import Described, carried, document, operations, problems, resolved
from tests.support.gateway import Gateway, Reply, running_gateway
from tests.test_cli import PATIENCE_S, ROOT, environment, run

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
ADMIN = {"Authorization": "Bearer admin-secret-1"}
STREAMS = ("application/x-ndjson", "text/event-stream")
NOT_ASKED = ("/ui/events",)
"""What never ends by itself."""


def routes(gateway: Gateway) -> set[tuple[str, str]]:
    return {(route.method, info.label) for route, info in gateway.app[ROUTES].items()}


async def served(gateway: Gateway, **headers: str) -> dict[str, Any]:
    reply = await gateway.ask("/openapi.json", method="GET", headers=headers)
    assert reply.status == 200
    found: dict[str, Any] = reply.json
    return found


# The document


@pytest.mark.parametrize(
    "settings",
    [
        {"ADMIN_KEY": "admin-secret-1"},
        {"METRICS_PATH": "/internal/metrics"},
        {"ENABLE_METRICS": "false", "UI_ENABLED": "false", "VERSION_ENDPOINT_ENABLED": "false"},
        {"METRICS_PATH": "/metrics", "ENABLE_PROMETHEUS_METRICS": "false"},
    ],
    ids=lambda settings: " ".join(settings),
)
async def test_it_has_every_route_of_this_gateway_and_no_other(start: StartGateway, settings: dict[str, str]) -> None:
    gateway = await start(**settings)
    told = {(operation.method, operation.path) for operation in operations(await served(gateway))}
    there = routes(gateway)
    assert told <= there
    assert {(method, path) for method, path in there - told if method != "HEAD"} == set()
    assert {path for _, path in there} == {path for _, path in told}


async def test_with_everything_it_is_the_one_that_the_command_prints(start: StartGateway) -> None:
    assert await served(await start(ADMIN_KEY="admin-secret-1")) == document()


async def test_the_form_in_yaml_says_the_same(gateway: Gateway) -> None:
    reply = await gateway.ask("/openapi.yaml", method="GET")
    assert reply.headers["Content-Type"] == "application/yaml; charset=utf-8"
    assert yaml.load(reply.text, Loader) == await served(gateway)  # noqa: S506 - a safe one, in C where it is there


async def test_it_is_sent_with_a_tag_and_not_sent_again(gateway: Gateway) -> None:
    first = await gateway.ask("/openapi.json", method="GET", headers={"Accept-Encoding": "identity"})
    tag = first.headers["ETag"]
    assert first.headers["Content-Type"] == "application/json; charset=utf-8"
    assert first.headers["Vary"] == "Accept-Encoding"
    again = await gateway.ask("/openapi.json", method="GET", headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status, again.body) == (304, b"")
    other = await gateway.ask("/openapi.yaml", method="GET", headers={"If-None-Match": tag})
    assert other.status == 200


async def test_it_is_compressed_for_who_takes_that(gateway: Gateway) -> None:
    plain = await gateway.ask("/openapi.json", method="GET", headers={"Accept-Encoding": "identity"})
    async with gateway.opened("/openapi.json", method="GET", headers={"Accept-Encoding": "br, gzip"}) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        assert int(packed.headers["Content-Length"]) < len(plain.body) / 5
        assert await packed.read() == plain.body
        assert packed.headers["ETag"] != plain.headers["ETag"]
    assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize(
    ("accept_encoding", "wanted"),
    [
        ("gzip", True),
        ("br;q=1, GZIP ; q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.00", False),
        ("", False),
        ("br", False),
    ],
)
def test_what_a_client_takes_is_read_from_its_header(accept_encoding: str, wanted: bool) -> None:
    assert takes_gzip(accept_encoding) is wanted


async def test_head_tells_of_it_without_it(gateway: Gateway) -> None:
    reply = await gateway.ask("/openapi.json", method="HEAD", headers={"Accept-Encoding": "identity"})
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["Content-Length"]) == len(
        (await gateway.ask("/openapi.json", method="GET", headers={"Accept-Encoding": "identity"})).body
    )


async def test_it_is_made_once_however_many_ask(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[described.Forms] = []
    make = described.DescriptionHandler._make

    def count(self: described.DescriptionHandler, *arguments: Any) -> described.Forms:
        made.append(make(self, *arguments))
        return made[-1]

    monkeypatch.setattr(described.DescriptionHandler, "_make", count)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(served(gateway)) for _ in range(3)]
    assert len(made) == 1
    assert all(task.result() == asked[0].result() for task in asked)


async def test_where_keys_are_wanted_it_wants_one(start: StartGateway) -> None:
    gateway = await start(API_KEYS=API_KEY)
    for path in ("/openapi.json", "/openapi.yaml"):
        reply = await gateway.ask(path, method="GET")
        assert (reply.status, set(reply.json)) == (401, {"error"})
    told = await served(gateway, **WITH_KEY)
    assert {} not in told["paths"]["/api/chat"]["post"]["security"]


async def test_switched_off_there_is_none(start: StartGateway) -> None:
    gateway = await start(DOCS_ENABLED="false")
    assert [path for _, path in routes(gateway) if "openapi" in path] == []
    assert (await gateway.ask("/openapi.json", method="GET")).status == 404


def test_the_command_prints_it_with_no_backend_configured(tmp_path: Path) -> None:
    done = run(tmp_path, "openapi")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == document()


def test_who_reads_only_the_beginning_of_it_sees_no_complaint(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway", "openapi"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE_S) == EXIT_UNREAD


def test_what_makes_it_is_not_imported_by_the_server() -> None:
    program = "import sys, gateway.server; print(*(name for name in sys.modules if 'openapi' in name))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


# What it says of answers


@pytest.fixture
async def demo() -> AsyncIterator[Gateway]:
    """A gateway in front of the demo backend."""
    async with run_demo(pace_s=0) as url, running_gateway(str(url), {"ADMIN_KEY": "admin-secret-1"}) as gateway:
        yield gateway


@pytest.fixture
async def keyed(start: StartGateway) -> Gateway:
    """A gateway that wants keys."""
    return await start(API_KEYS=API_KEY, ADMIN_KEY="admin-secret-1")


def check(operation: Described, reply: Reply, *, of_backend: bool = False) -> None:
    """Fail where an answer is not as documented. A status `of_backend` may be any where `default` is told of."""
    responses = operation.said["responses"]
    about = f"{operation.name} answers {reply.status}: {reply.body[:300]!r}"
    status = str(reply.status)
    if of_backend and status not in responses:
        status = "default"
    assert status in responses, about
    said = resolved(responses[status])
    media = reply.headers.get("Content-Type", "").partition(";")[0]
    if not reply.body:
        return
    assert media in said["content"], about
    schema = said["content"][media]["schema"]
    if media == "application/json":
        assert problems(schema, reply.json) == [], about
        assert undocumented(schema, reply.json) == set(), about
    elif media in STREAMS:
        for one in carried(media, reply.text):
            assert problems(schema["x-items"], one) == [], about
            assert any(not undocumented(kind, one) for kind in schema["x-items"]["anyOf"])


def undocumented(schema: dict[str, Any], value: Any) -> set[str]:
    """Return the keys of objects that their schemas do not have; of a backend's own answers there may be more."""
    known = resolved(schema)
    if "anyOf" in known:
        fitting = [undocumented(one, value) for one in known["anyOf"] if not problems(one, value)]
        return min(fitting, key=len) if fitting else set()
    if isinstance(value, list):
        return {key for one in value for key in undocumented(known.get("items", {}), one)}
    if known.get("additionalProperties") or "properties" not in known or not isinstance(value, dict):
        return set()
    fields: dict[str, Any] = known["properties"]
    within = {key for name in value.keys() & fields for key in undocumented(fields[name], value[name])}
    return within | (value.keys() - fields)


def bodies(operation: Described) -> list[Any]:
    """Return the requests that are shown."""
    content = operation.said.get("requestBody", {}).get("content", {}).get("application/json", {})
    return [example["value"] for example in content.get("examples", {}).values()]


async def test_what_is_answered_is_what_is_documented(demo: Gateway) -> None:
    for operation in operations():
        path = operation.path
        for parameter in operation.said.get("parameters", ()):
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
        for body in [*bodies(operation), b"{", b""] if "requestBody" in operation.said else [None]:
            for accept in ("application/json", "text/event-stream", "text/html"):
                headers = {"Accept": accept, **(ADMIN if path.startswith("/admin/") else {})}
                if path not in NOT_ASKED:
                    check(operation, await demo.ask(path, body, method=operation.method, headers=headers))


async def test_what_is_shown_as_a_request_is_answered(demo: Gateway) -> None:
    answering = [one for one in operations() if any(status[0] == "2" for status in one.said["responses"])]
    assert sum(len(bodies(one)) for one in answering) > 20
    for operation in answering:
        headers = ADMIN if operation.path.startswith("/admin/") else {}
        for body in bodies(operation):
            reply = await demo.ask(operation.path, body, method=operation.method, headers=headers)
            assert reply.status == 200, f"{operation.name}: {body} gets {reply.text}"


async def test_what_is_shown_as_a_form_is_answered(demo: Gateway) -> None:
    forms = [
        (operation, example["value"])
        for operation in operations()
        for media, said in operation.said.get("requestBody", {}).get("content", {}).items()
        if media == "multipart/form-data"
        for example in said["examples"].values()
    ]
    assert len(forms) == 2
    for operation, value in forms:
        form = FormData()
        form.add_field("request", value["request"])
        for image in value["image"]:
            form.add_field("image", image.encode(), filename="image")
        async with demo.client.post(demo.url + operation.path, data=form) as response:
            assert response.status == 200, await response.text()
            assert "GIF" in await response.text()


async def test_a_request_that_is_found_is_told_as_documented(demo: Gateway) -> None:
    asked = await demo.ask("/api/chat", {"model": "demo", "messages": [{"role": "user", "content": "hi"}]})
    request_id = asked.headers["X-Request-ID"]
    found = next(one for one in operations() if one.said["operationId"] == "find_request")
    reply = await demo.ask(f"/admin/requests/{request_id}", method="GET", headers=ADMIN)
    assert reply.status == 200
    check(found, reply)


async def test_the_status_page_is_told_as_documented(demo: Gateway) -> None:
    await demo.ask("/api/chat", {"model": "demo", "messages": [{"role": "user", "content": "hi"}]})
    schema = document()["components"]["schemas"]["StatusSnapshot"]
    async with demo.opened("/ui/events", method="GET") as response:
        async for line in response.content:
            if line.startswith(b"data: {") and b'"point":null' not in line:
                snapshot = json.loads(line.removeprefix(b"data: "))
                break
    assert problems(schema, snapshot) == []
    assert undocumented(schema, snapshot) == set()
    assert set(snapshot) == set(schema["properties"])
    assert snapshot["point"]
    assert snapshot["backends"]
    assert snapshot["recent"]


async def test_what_is_refused_without_a_key_is_documented(keyed: Gateway) -> None:
    for operation in operations():
        path = re.sub(r"\{\w+\}", "any", operation.path)
        reply = await keyed.ask(path, method=operation.method)
        assert (reply.status == 401) == bool(operation.said["security"]), operation.name
        check(operation, reply)


@pytest.mark.parametrize("status", [401, 403, 404, 418, 422, 429, 500, 503])
async def test_what_a_backend_refuses_is_documented(status: int) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "no", "type": "x", "code": "y"}}, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    async with TestServer(app) as backend:
        settings = {"ADMIN_KEY": "admin-secret-1", "MAX_RETRIES": "0"}
        async with running_gateway(str(backend.make_url("/v1")), settings) as gateway:
            for operation in operations():
                if "default" in operation.said["responses"]:
                    path = operation.path.replace("{model}", "m")
                    for body in bodies(operation)[:1] or [None]:
                        check(operation, await gateway.ask(path, body, method=operation.method), of_backend=True)


async def test_an_error_is_worded_as_documented(demo: Gateway) -> None:
    reply = await demo.ask("/api/chat", {"model": "llama3", "messages": [{"role": "user", "content": "hi"}]})
    responses = next(one for one in operations() if one.path == "/api/chat").said["responses"]
    examples = resolved(responses["404"])["content"]["application/json"]["examples"]
    assert reply.json == examples["unknown_model"]["value"]


@pytest.mark.parametrize(
    ("path", "headers", "told", "text"),
    [
        ("/nowhere", {}, "404 (`404 page not found`)", "404 page not found"),
        ("/api/chat", {}, "405 (`405 method not allowed`, with `Allow`)", "405 method not allowed"),
        ("/api/tags", {"X-Much": "a" * 40_000}, "400 where the bytes are no HTTP or the head is over 16 KiB", "16384"),
        ("/v1/models", {"Expect": "foo"}, "417 for an `Expect` other than `100-continue`", "Expect: foo"),
    ],
)
async def test_what_is_refused_in_plain_text_is_told_of_all_routes_at_once(
    demo: Gateway, path: str, headers: dict[str, str], told: str, text: str
) -> None:
    reply = await demo.ask(path, method="GET", headers=headers)
    assert told in " ".join(document()["info"]["description"].split())
    assert told.startswith(str(reply.status))
    assert reply.headers["Content-Type"].startswith("text/plain")
    assert text in reply.text


async def test_a_coding_of_a_blob_that_cannot_be_read_is_documented(demo: Gateway) -> None:
    found = next(one for one in operations() if one.said["operationId"] == "upload_blob")
    path = f"/api/blobs/sha256:{'0' * 64}"
    reply = await demo.ask(path, b"{}", headers={"Content-Encoding": "br"})
    assert reply.status == 415
    check(found, reply)


def test_packed_bytes_are_the_same_each_time() -> None:
    from gateway.web.entity import entity

    one, two = entity(b"a" * 100), entity(b"a" * 100)
    assert one == two
    assert gzip.decompress(one.packed) == b"a" * 100
