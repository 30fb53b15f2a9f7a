"""Pull, push, delete, copy and create: static, which agrees, and strict, which answers as Ollama would."""

import json
from typing import Any, NamedTuple

import pytest
from pytest_aiohttp import AiohttpClient

from gateway.handlers.management import management_handlers
from tests.catalog.listed import ListedModels, catalog_of, unreachable
from tests.catalog.serving import Client, serve

NAMES = ("known", "vendor/model:free", "odd id@1")


@pytest.fixture
def listed() -> ListedModels:
    return ListedModels(*NAMES)


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, listed: ListedModels) -> Client:
    return await serve(aiohttp_client, management_handlers(catalog_of(listed), strict=False))


@pytest.fixture
async def strict(aiohttp_client: AiohttpClient, listed: ListedModels) -> Client:
    catalog = catalog_of(listed, mapping={"mine": "known"}, default_model="known")
    return await serve(aiohttp_client, management_handlers(catalog, strict=True))


async def ask(client: Client, path: str, body: Any) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    method = "DELETE" if path == "/api/delete" else "POST"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with client.request(method, path, data=data) as response:
        return response.status, await response.read()


STEPS = {
    "/api/pull": ["pulling manifest", "pulling ", "verifying sha256 digest", "writing manifest", "success"],
    "/api/push": ["retrieving manifest", "pushing ", "pushing manifest", "success"],
}


@pytest.mark.parametrize("path", STEPS)
@pytest.mark.parametrize("body", [b'{"model":"any/model:7b"}', b'{"name":"User/m.1"}', b'{"model":"m","stream":null}'])
async def test_pull_and_push_report_progress_line_by_line_up_to_success(
    path: str, body: bytes, client: Client, listed: ListedModels
) -> None:
    async with client.post(path, data=body) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/x-ndjson"
        text = await response.text()
    assert text.endswith("}\n")
    lines = [json.loads(line) for line in text[:-1].split("\n")]
    assert [line["status"].startswith(step) for line, step in zip(lines, STEPS[path], strict=True)] == [True] * len(
        lines
    )
    (layer,) = [line for line in lines if set(line) != {"status"}]
    assert layer["digest"].startswith("sha256:")
    assert len(layer["digest"]) == 71
    assert layer["status"].partition(" ")[2] == layer["digest"][7:19]
    assert 0 < layer["completed"] == layer["total"]
    assert listed.calls == []


@pytest.mark.parametrize("path", STEPS)
async def test_pull_and_push_without_streaming_answer_one_object(path: str, client: Client) -> None:
    async with client.post(path, data=b'{"model":"m","stream":false}') as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        assert await response.read() == b'{"status":"success"}'


@pytest.mark.parametrize("name", ["odd id@1", "ODD ID@1"])
async def test_the_id_of_a_model_may_break_ollamas_grammar(name: str, client: Client, strict: Client) -> None:
    for asked in (client, strict):
        assert (await ask(asked, "/api/pull", {"model": name}))[0] == 200
        assert (await ask(asked, "/api/copy", {"source": name, "destination": "b"}))[0] == 501
    assert (await ask(client, "/api/delete", {"model": name}))[0] == 200


async def test_any_name_may_be_an_id_while_there_is_no_list(listed: ListedModels, client: Client) -> None:
    listed.error = unreachable()
    assert (await ask(client, "/api/pull", {"model": "other id@1"}))[0] == 200


async def test_a_digest_belongs_to_a_name_in_any_of_its_forms(client: Client) -> None:
    layers = [(await ask(client, "/api/pull", {"model": name}))[1] for name in ("m", "m:latest", "library/m", "m:7b")]
    assert layers[0] == layers[1] == layers[2] != layers[3]


@pytest.mark.parametrize("body", [b'{"model":"any/model"}', b'{"name":"any:7b"}', b'{"model":"odd id@1"}'])
async def test_delete_answers_200_without_a_body(body: bytes, client: Client) -> None:
    assert await ask(client, "/api/delete", body) == (200, b"")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/copy", {"source": "a", "destination": "b"}),
        ("/api/copy", {"source": "odd id@1", "destination": "b"}),
        ("/api/create", {"model": "a", "from": "b"}),
        ("/api/create", {"name": "a", "files": {"a.gguf": "sha256:0"}, "stream": True}),
    ],
)
async def test_copy_and_create_say_what_to_do_instead(path: str, body: object, client: Client) -> None:
    status, answer = await ask(client, path, body)
    assert status == 501
    assert set(json.loads(answer)) == {"error"}
    assert "MODEL_MAPPING_FILE" in json.loads(answer)["error"]


class Refusal(NamedTuple):
    """A request that Ollama refuses, its status and its text."""

    path: str
    body: dict[str, Any]
    text: str
    status: int = 400


LONG = "m" * 600
WRONG = {
    "pull-without-a-model": Refusal("/api/pull", {"model": ""}, "invalid model name"),
    "pull-of-a-blank": Refusal("/api/pull", {"model": " "}, "invalid model name"),
    "pull-with-a-control-character": Refusal("/api/pull", {"model": "a\nb"}, "invalid model name"),
    "pull-of-a-long-name": Refusal("/api/pull", {"model": LONG}, "invalid model name"),
    "pull-of-both-places": Refusal(
        "/api/pull", {"model": "m:cloud:local"}, 'use either :local or :cloud, not both: "m:cloud:local"'
    ),
    "pull-with-a-wrong-type": Refusal(
        "/api/pull",
        {"model": "m", "stream": "no"},
        "json: cannot unmarshal string into Go struct field PullRequest.stream of type bool",
    ),
    "pull-of-a-malformed-name": Refusal("/api/pull", {"model": "m:"}, "invalid model name"),
    "delete-of-a-malformed-name": Refusal("/api/delete", {"model": "a b"}, 'name "a b" is invalid'),
    "copy-of-a-malformed-name": Refusal(
        "/api/copy", {"source": "a b", "destination": "a b"}, 'source "a b" is invalid'
    ),
    "push-without-a-model": Refusal("/api/push", {}, "model is required"),
    "delete-without-a-model": Refusal("/api/delete", {"model": " "}, "model is required"),
    "delete-with-a-control-character": Refusal("/api/delete", {"model": 'a"\t'}, 'name "a\\"\\t" is invalid'),
    "delete-of-both-places": Refusal(
        "/api/delete", {"model": " m:7b-cloud:local "}, 'use either :local or :cloud, not both: "m:7b-cloud:local"'
    ),
    "create-without-a-model": Refusal("/api/create", {"from": "b"}, "invalid model name"),
    "create-with-a-malformed-name": Refusal("/api/create", {"model": "a b", "from": "b"}, "invalid model name"),
    "create-with-an-empty-tag": Refusal("/api/create", {"model": "a:", "from": "b"}, "invalid model name"),
    "create-without-a-source": Refusal("/api/create", {"model": "a"}, "neither 'from' or 'files' was specified"),
    "create-from-a-modelfile": Refusal(
        "/api/create", {"name": "a", "modelfile": "FROM b"}, "neither 'from' or 'files' was specified"
    ),
    "copy-without-a-source": Refusal("/api/copy", {"destination": "b"}, 'source "" is invalid'),
    "copy-without-a-destination": Refusal("/api/copy", {"source": "a"}, 'destination "" is invalid'),
    "copy-to-a-malformed-name": Refusal(
        "/api/copy", {"source": "a", "destination": "a b"}, 'destination "a b" is invalid'
    ),
}
STRICT = {
    "delete-of-an-unknown-model": Refusal("/api/delete", {"model": "New"}, "model 'New' not found", 404),
    "copy-of-an-unknown-model": Refusal(
        "/api/copy", {"source": "New", "destination": "b"}, 'model "New" not found', 404
    ),
    "pull-of-an-unknown-model": Refusal(
        "/api/pull", {"model": "new", "stream": False}, "pull model manifest: file does not exist", 500
    ),
    "push-of-an-unknown-model": Refusal("/api/push", {"model": "new", "stream": False}, "model 'new' not found", 500),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
async def test_bad_requests_are_refused_in_ollamas_words(case: Refusal, client: Client, strict: Client) -> None:
    for asked in (client, strict):
        status, answer = await ask(asked, case.path, case.body)
        assert (status, json.loads(answer)) == (case.status, {"error": case.text})


@pytest.mark.parametrize("case", STRICT.values(), ids=STRICT)
async def test_strict_management_gives_ollamas_errors(case: Refusal, strict: Client) -> None:
    status, answer = await ask(strict, case.path, case.body)
    assert (status, json.loads(answer)) == (case.status, {"error": case.text})


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/api/pull", [{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}]),
        (
            "/api/push",
            [
                {"status": "retrieving manifest"},
                {"status": "couldn't retrieve manifest"},
                {"error": "model 'new' not found"},
            ],
        ),
    ],
)
async def test_strict_management_ends_a_stream_with_the_error(
    path: str, lines: list[dict[str, str]], strict: Client
) -> None:
    async with strict.post(path, data=b'{"model":"new"}') as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "application/x-ndjson")
        assert [json.loads(line) for line in (await response.text()).splitlines()] == lines


@pytest.mark.parametrize("name", ["known", "KNOWN:latest", "vendor/model:free", "odd id@1", "mine"])
async def test_strict_management_pulls_what_there_is_in_any_form_of_its_name(name: str, strict: Client) -> None:
    status, answer = await ask(strict, "/api/pull", {"model": name, "stream": False})
    assert (status, json.loads(answer)) == (200, {"status": "success"})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/push", {"model": "known"}),
        ("/api/push", {"model": "known", "stream": False}),
        ("/api/delete", {"model": "known"}),
        ("/api/delete", {"model": "mine"}),
        ("/api/copy", {"source": "known", "destination": "b"}),
        ("/api/create", {"model": "known", "from": "known"}),
    ],
)
async def test_strict_management_says_what_a_gateway_cannot_do(path: str, body: object, strict: Client) -> None:
    status, answer = await ask(strict, path, body)
    assert status == 501
    assert set(json.loads(answer)) == {"error"}


@pytest.mark.parametrize("path", ["/api/pull", "/api/push", "/api/delete"])
async def test_strict_management_cannot_answer_without_the_list(
    path: str, listed: ListedModels, strict: Client
) -> None:
    listed.error = unreachable()
    assert (await ask(strict, path, {"model": "known"}))[0] == 502


@pytest.mark.parametrize("path", ["/api/pull", "/api/push", "/api/delete", "/api/copy", "/api/create"])
async def test_an_empty_body_is_missing(path: str, client: Client) -> None:
    status, answer = await ask(client, path, b"")
    assert (status, json.loads(answer)) == (400, {"error": "missing request body"})
