"""Images as files beside the JSON of a request."""

import base64
import gzip
import json
from typing import Any

import aiohttp
import pytest

from tests.conftest import StartGateway
from tests.support.answers import plain
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway, Reply, read_reply

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WAYS: dict[str, dict[str, Any]] = {
    "/api/chat": {"model": "m", "stream": False, "messages": [{"role": "user", "content": "what is it?"}]},
    "/api/generate": {"model": "m", "stream": False, "prompt": "what is it?"},
}
each_path = pytest.mark.parametrize("path", WAYS)


async def send(gateway: Gateway, path: str, form: aiohttp.FormData) -> Reply:
    """Send a form and read the answer."""
    async with gateway.client.post(gateway.url + path, data=form) as response:
        return await read_reply(response)


def form_of(path: str, *images: bytes, name: str = "request", times: int = 1) -> aiohttp.FormData:
    """Return a form with the request of a route and images."""
    form = aiohttp.FormData()
    for _ in range(times):
        form.add_field(name, json.dumps(WAYS[path]), content_type="application/json")
    for image in images:
        form.add_field("image", image, filename="a.png", content_type="image/png")
    return form


@each_path
async def test_the_images_of_a_form_reach_the_backend(backend: ScriptedBackend, gateway: Gateway, path: str) -> None:
    backend.play(plain())
    reply = await send(gateway, path, form_of(path, PNG, PNG))
    assert reply.status == 200, reply.body
    content = backend.calls[0].json["messages"][-1]["content"]
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert [part["image_url"]["url"] for part in content if part["type"] == "image_url"] == [url, url]
    assert [part["text"] for part in content if part["type"] == "text"] == ["what is it?"]


@each_path
async def test_a_form_says_the_same_as_json_with_base64(backend: ScriptedBackend, gateway: Gateway, path: str) -> None:
    backend.play(plain())
    await send(gateway, path, form_of(path, PNG))
    body = json.loads(json.dumps(WAYS[path]))
    (body["messages"][0] if "messages" in body else body)["images"] = [base64.b64encode(PNG).decode()]
    assert (await gateway.ask(path, body)).status == 200
    assert backend.calls[0].json == backend.calls[1].json


@each_path
async def test_a_form_without_one_request_is_a_400(backend: ScriptedBackend, gateway: Gateway, path: str) -> None:
    for form, text in (
        (form_of(path, PNG, times=0), 'no part "request"'),
        (form_of(path, PNG, times=2), 'more than one part "request"'),
        (form_of(path, PNG, name="json"), 'unknown part "json"'),
        (form_of(path, b""), "an image is empty"),
    ):
        reply = await send(gateway, path, form)
        assert reply.status == 400
        assert text in reply.json["error"]
    assert backend.calls == []


async def test_the_json_of_a_form_is_judged_as_any(gateway: Gateway) -> None:
    form = aiohttp.FormData({"request": '{"model":5}'})
    form.add_field("image", PNG, filename="a.png")
    reply = await send(gateway, "/api/chat", form)
    text = "json: cannot unmarshal number into Go struct field ChatRequest.model of type string"
    assert (reply.status, reply.json) == (400, {"error": text})


@each_path
async def test_the_bound_holds_for_forms(start: StartGateway, path: str) -> None:
    gateway = await start(REQUEST_MAX_SIZE="2000")
    assert (await send(gateway, path, form_of(path, PNG + bytes(3000)))).status == 413
    boundary = {"Content-Type": "multipart/form-data; boundary=edge", "Content-Encoding": "gzip"}
    packed = gzip.compress(b"--edge\r\n" + bytes(100_000))
    assert (await gateway.ask(path, packed, headers=boundary)).status == 413
