"""Pull, push, delete, copy and create."""

import json

import pytest
from pytest_aiohttp import AiohttpClient

from gateway.handlers.management import management_handlers
from tests.catalog.serving import Client, serve


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> Client:
    return await serve(aiohttp_client, management_handlers())


@pytest.mark.parametrize(("path", "first"), [("/api/pull", "pulling manifest"), ("/api/push", "retrieving manifest")])
@pytest.mark.parametrize("body", [b'{"model":"any/model:7b"}', b'{"name":"@odd name"}', b'{"model":"m","stream":null}'])
async def test_pull_and_push_report_progress_line_by_line_up_to_success(
    path: str, first: str, body: bytes, client: Client
) -> None:
    async with client.post(path, data=body) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/x-ndjson"
        text = await response.text()
    assert text.endswith("}\n")
    lines = [json.loads(line) for line in text[:-1].split("\n")]
    assert [set(line) for line in lines] == [{"status"}] * len(lines)
    assert (lines[0]["status"], lines[-1]["status"]) == (first, "success")


@pytest.mark.parametrize("path", ["/api/pull", "/api/push"])
async def test_pull_and_push_without_streaming_answer_one_object(path: str, client: Client) -> None:
    async with client.post(path, data=b'{"model":"m","stream":false}') as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        assert await response.read() == b'{"status":"success"}'


@pytest.mark.parametrize("body", [b'{"model":"any/model"}', b'{"name":"any:7b"}'])
async def test_delete_answers_200_without_a_body(body: bytes, client: Client) -> None:
    async with client.delete("/api/delete", data=body) as response:
        assert response.status == 200
        assert await response.read() == b""


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/copy", b'{"source":"a","destination":"b"}'),
        ("/api/create", b'{"model":"a","from":"b"}'),
        ("/api/create", b'{"name":"a","modelfile":"FROM b","stream":true}'),
    ],
)
async def test_copy_and_create_say_what_to_do_instead(path: str, body: bytes, client: Client) -> None:
    async with client.post(path, data=body) as response:
        assert response.status == 501
        assert response.content_type == "application/json"
        answer = await response.json()
    assert set(answer) == {"error"}
    assert "MODEL_MAPPING_FILE" in answer["error"]


@pytest.mark.parametrize(
    ("method", "path", "body", "text"),
    [
        ("POST", "/api/pull", b'{"model":""}', "invalid model name"),
        ("POST", "/api/push", b"{}", "model is required"),
        ("DELETE", "/api/delete", b'{"model":" "}', "model is required"),
        ("POST", "/api/create", b'{"from":"b"}', "invalid model name"),
        ("POST", "/api/copy", b'{"destination":"b"}', 'source "" is invalid'),
        ("POST", "/api/copy", b'{"source":"a"}', 'destination "" is invalid'),
        (
            "POST",
            "/api/pull",
            b'{"model":"m","stream":"no"}',
            "json: cannot unmarshal string into Go struct field PullRequest.stream of type bool",
        ),
    ],
)
async def test_bad_requests_are_refused_in_ollamas_words(
    method: str, path: str, body: bytes, text: str, client: Client
) -> None:
    async with client.request(method, path, data=body) as response:
        assert (response.status, await response.json()) == (400, {"error": text})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/pull"),
        ("POST", "/api/push"),
        ("DELETE", "/api/delete"),
        ("POST", "/api/copy"),
        ("POST", "/api/create"),
    ],
)
async def test_an_empty_body_is_missing(method: str, path: str, client: Client) -> None:
    async with client.request(method, path) as response:
        assert (response.status, await response.json()) == (400, {"error": "missing request body"})
