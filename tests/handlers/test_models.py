"""GET /api/tags, POST /api/show, GET /api/ps."""

import asyncio
import json
from typing import Any

import pytest
from pytest_aiohttp import AiohttpClient

from gateway.codecs.models import ModelInfo, read_models
from gateway.errors import TranslationError
from gateway.handlers.models import PsHandler, ShowHandler, TagsHandler
from tests.catalog.listed import Fetch, ListedModels, catalog_of, unreachable
from tests.catalog.serving import Client, serve


async def gateway(aiohttp_client: AiohttpClient, listed: Fetch, **settings: Any) -> Client:
    catalog = catalog_of(listed, **settings)
    return await serve(aiohttp_client, [TagsHandler(catalog), ShowHandler(catalog, 20_000), PsHandler(catalog, 20_000)])


async def show(client: Client, body: bytes) -> tuple[int, Any]:
    async with client.post("/api/show", data=body) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


async def test_tags_list_the_backends_ids_and_the_mappings_names_as_they_are(aiohttp_client: AiohttpClient) -> None:
    client = await gateway(aiohttp_client, ListedModels("org/A", "b:7b"), mapping={"alias": "org/A", "x*": "b:7b"})
    async with client.get("/api/tags") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        models = (await response.json())["models"]
    assert [model["name"] for model in models] == ["org/A", "b:7b", "alias"]
    assert len({model["digest"] for model in models}) == 3


async def test_tags_answer_head_without_a_body(aiohttp_client: AiohttpClient) -> None:
    client = await gateway(aiohttp_client, ListedModels("a"))
    async with client.head("/api/tags") as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) > 0
        assert await response.read() == b""


async def test_tags_change_with_the_list(aiohttp_client: AiohttpClient) -> None:
    listed = ListedModels("a")
    client = await gateway(aiohttp_client, listed, cache_ttl_s=0)
    names = []
    for ids in (("a",), ("a",), ("a", "b"), ()):
        listed.ids = ids
        async with client.get("/api/tags") as response:
            names.append([model["model"] for model in (await response.json())["models"]])
    assert names == [["a"], ["a"], ["a", "b"], []]


async def test_tags_show_each_client_what_its_own_key_lists(aiohttp_client: AiohttpClient) -> None:
    listed = ListedModels("for-all")
    listed.by_key = {"key-one": ("one",), "key-two": ("two",)}
    client = await gateway(aiohttp_client, listed, per_client_key=True)
    for key, name in (("key-one", "one"), ("key-two", "two"), ("key-one", "one")):
        async with client.get("/api/tags", headers={"Authorization": f"Bearer {key}"}) as response:
            assert [model["name"] for model in (await response.json())["models"]] == [name]


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [(unreachable(401), 401, "no list"), (unreachable(502), 502, "no list"), (TranslationError("HTML"), 502, "HTML")],
)
async def test_tags_answer_the_backends_error_when_there_is_no_list(
    aiohttp_client: AiohttpClient, error: Exception, status: int, text: str
) -> None:
    listed = ListedModels()
    listed.error = error
    client = await gateway(aiohttp_client, listed)
    async with client.get("/api/tags") as response:
        assert (response.status, await response.json()) == (status, {"error": text})


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"Org/Model"}',
        b'{"name":"Org/Model"}',
        b'{"model":"org/model:latest","verbose":true}',
        b'{"model":"alias"}',
        b'{"model":"","name":"alias:latest","options":null}',
    ],
)
async def test_show_finds_a_model_under_every_name(aiohttp_client: AiohttpClient, body: bytes) -> None:
    client = await gateway(aiohttp_client, ListedModels("Org/Model"), mapping={"alias": "Org/Model"})
    status, answer = await show(client, body)
    asked = json.loads(body)
    assert status == 200
    assert answer["model_info"] == {
        "general.architecture": "unknown",
        "general.basename": asked.get("model") or asked["name"],
        "unknown.context_length": 20_000,
    }
    assert answer["capabilities"] == ["completion", "tools"]
    assert answer["details"]["family"] == ""


async def test_show_tells_what_the_backend_says_of_a_model(aiohttp_client: AiohttpClient) -> None:
    async def fetch(_client_key: str | None) -> tuple[ModelInfo, ...]:
        return read_models(b'{"data":[{"id":"m","max_model_len":4096,"capabilities":["embedding"]}]}')

    client = await gateway(aiohttp_client, fetch)
    status, answer = await show(client, b'{"model":"m"}')
    assert (status, answer["capabilities"], answer["model_info"]["unknown.context_length"]) == (
        200,
        ["embedding"],
        4096,
    )


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 400, "missing request body"),
        (b"{}", 400, "model is required"),
        (b"null", 400, "model is required"),
        (b'{"model":" "}', 400, "model is required"),
        (b'{"model":"no such name"}', 400, "invalid model name"),
        (b'{"model":"foo"}', 404, "model 'foo:latest' not found"),
        (b'{"model":"library/foo:7b"}', 404, "model 'foo:7b' not found"),
        (b'{"model":7}', 400, "json: cannot unmarshal number into Go struct field ShowRequest.model of type string"),
    ],
)
async def test_show_refuses_in_ollamas_words(
    aiohttp_client: AiohttpClient, body: bytes, status: int, text: str
) -> None:
    client = await gateway(aiohttp_client, ListedModels("a"))
    assert await show(client, body) == (status, {"error": text})


async def test_show_finds_listed_names_that_ollama_would_not_accept(aiohttp_client: AiohttpClient) -> None:
    client = await gateway(aiohttp_client, ListedModels("@cf/a b/c/d/e"))
    status, _ = await show(client, b'{"model":"@cf/a b/c/d/e:latest"}')
    assert status == 200


@pytest.mark.parametrize("body", [b'{"model":"unknown"}', b"{}"])
async def test_show_falls_back_on_the_default_model(aiohttp_client: AiohttpClient, body: bytes) -> None:
    client = await gateway(aiohttp_client, ListedModels("llama-3"), default_model="llama-3")
    status, answer = await show(client, body)
    assert (status, answer["details"]["family"]) == (200, "llama")


async def test_show_answers_for_any_name_when_there_is_no_list(aiohttp_client: AiohttpClient) -> None:
    listed = ListedModels()
    listed.error = unreachable()
    status, answer = await show(await gateway(aiohttp_client, listed), b'{"model":"nomic-embed-text"}')
    assert (status, answer["capabilities"]) == (200, ["embedding"])


async def test_show_tells_copilot_the_name_it_asked_for(aiohttp_client: AiohttpClient) -> None:
    client = await gateway(aiohttp_client, ListedModels("org/Model"))
    headers = {"User-Agent": "GitHubCopilotChat/0.42.0"}
    async with client.post("/api/show", data=b'{"model":"ORG/model:latest"}', headers=headers) as response:
        assert (await response.json())["model_info"]["general.basename"] == "ORG/model:latest"


async def test_show_tells_what_a_pattern_stands_for(aiohttp_client: AiohttpClient) -> None:
    client = await gateway(aiohttp_client, ListedModels("a"), mapping={"x*": {"model": "a", "context_length": 5}})
    status, answer = await show(client, b'{"model":"x1"}')
    assert (status, answer["model_info"]["unknown.context_length"]) == (200, 5)
    assert answer["modelfile"] == "FROM a\n"


async def test_ps_lists_what_the_backend_says_is_loaded(aiohttp_client: AiohttpClient) -> None:
    async def fetch(_client_key: str | None) -> tuple[ModelInfo, ...]:
        return read_models(
            b'[{"id":"a","status":{"value":"loaded"},"meta":{"n_ctx":4096,"size":7}},'
            b'{"id":"b","status":{"value":"unloaded"}},{"id":"c","state":"loaded"},{"id":"d"}]'
        )

    client = await gateway(aiohttp_client, fetch)
    async with client.get("/api/ps") as response:
        models = (await response.json())["models"]
    assert [(model["name"], model["size"], model["context_length"]) for model in models] == [
        ("a", 7, 4096),
        ("c", 0, 20_000),
    ]


@pytest.mark.parametrize("error", [None, unreachable()])
async def test_ps_is_empty_where_nothing_is_known(aiohttp_client: AiohttpClient, error: Exception | None) -> None:
    listed = ListedModels("a")
    listed.error = error
    client = await gateway(aiohttp_client, listed)
    async with client.get("/api/ps") as response:
        assert (response.status, await response.json()) == (200, {"models": []})


async def test_a_burst_of_questions_asks_the_backend_once(aiohttp_client: AiohttpClient) -> None:
    names = [f"model-{number}" for number in range(20)]
    listed = ListedModels(*names)
    client = await gateway(aiohttp_client, listed)
    answers = await asyncio.gather(*(show(client, json.dumps({"model": name}).encode()) for name in names))
    assert {status for status, _ in answers} == {200}
    assert len(listed.calls) == 1
