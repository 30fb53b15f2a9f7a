"""GET /v1/models and /v1/models/{id}."""

from typing import Any

import pytest
from openai import AsyncOpenAI, NotFoundError
from pytest_aiohttp import AiohttpClient
from yarl import URL

from gateway.handlers.openai_models import OpenAIModelsHandler
from tests.catalog.listed import ListedModels, catalog_of, unreachable
from tests.catalog.serving import Client, serve


async def gateway(aiohttp_client: AiohttpClient, listed: ListedModels, **settings: Any) -> Client:
    return await serve(aiohttp_client, [OpenAIModelsHandler(catalog_of(listed, **settings))])


async def test_the_list_has_openais_shape_and_the_backends_order_then_the_mappings(
    aiohttp_client: AiohttpClient,
) -> None:
    client = await gateway(aiohttp_client, ListedModels("z", "org/A"), mapping={"alias": "z"})
    async with client.get("/v1/models") as response:
        assert response.status == 200
        assert await response.json() == {
            "object": "list",
            "data": [
                {"id": "z", "object": "model", "created": 0, "owned_by": "owner-of-z"},
                {"id": "org/A", "object": "model", "created": 0, "owned_by": "owner-of-org/A"},
                {"id": "alias", "object": "model", "created": 0, "owned_by": "owner-of-z"},
            ],
        }


async def test_a_list_without_models_has_empty_data(aiohttp_client: AiohttpClient) -> None:
    client = await gateway(aiohttp_client, ListedModels())
    async with client.get("/v1/models") as response:
        assert await response.json() == {"object": "list", "data": []}


async def test_the_list_changes_with_the_backends(aiohttp_client: AiohttpClient) -> None:
    listed = ListedModels("a")
    client = await gateway(aiohttp_client, listed, cache_ttl_s=0)
    for ids in (["a"], ["b", "c"]):
        listed.ids = tuple(ids)
        async with client.get("/v1/models") as response:
            assert [model["id"] for model in (await response.json())["data"]] == ids


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a", "a"),
        ("A:latest", "A:latest"),
        ("org/sub/Model-1", "org/sub/Model-1"),
        ("org%2Fsub%2FModel-1", "org/sub/Model-1"),
        ("%40cf/x%20y%3A7b", "@cf/x y:7b"),
        ("alias", "alias"),
    ],
)
async def test_one_model_is_found_by_every_form_of_its_name_and_echoes_it(
    aiohttp_client: AiohttpClient, path: str, name: str
) -> None:
    client = await gateway(aiohttp_client, ListedModels("a", "org/sub/Model-1", "@cf/x y:7b"), mapping={"alias": "a"})
    async with client.get(URL(f"/v1/models/{path}", encoded=True)) as response:
        assert response.status == 200
        answer = await response.json()
    assert (answer["id"], answer["object"]) == (name, "model")


async def test_an_unknown_model_is_an_openai_error_even_with_a_default_model(aiohttp_client: AiohttpClient) -> None:
    client = await gateway(aiohttp_client, ListedModels("a"), default_model="a")
    async with client.get("/v1/models/no/such") as response:
        assert response.status == 404
        error = (await response.json())["error"]
    assert error["message"] == "model 'no/such' not found"
    assert (error["type"], error["param"], error["code"]) == ("not_found_error", "model", "model_not_found")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/a"])
async def test_without_a_list_the_backends_error_is_the_answer(aiohttp_client: AiohttpClient, path: str) -> None:
    listed = ListedModels()
    listed.error = unreachable(504)
    client = await gateway(aiohttp_client, listed)
    async with client.get(path) as response:
        assert response.status == 504
        assert (await response.json())["error"]["message"] == "no list"


async def test_the_openai_sdk_lists_and_retrieves(aiohttp_client: AiohttpClient) -> None:
    client = await gateway(aiohttp_client, ListedModels("org/A", "b"))
    async with AsyncOpenAI(api_key="none", base_url=str(client.make_url("/v1")), max_retries=0) as sdk:
        assert [model.id async for model in await sdk.models.list()] == ["org/A", "b"]
        assert (await sdk.models.retrieve("org/A")).owned_by == "owner-of-org/A"
        with pytest.raises(NotFoundError, match="not found"):
            await sdk.models.retrieve("unknown")


@pytest.mark.parametrize("name", ["a%0Ab", "%0A", "a%0D%0Ab", "%E2%80%A8"])
async def test_a_name_with_line_ends_is_a_model_that_is_not_there_and_no_other_path(
    aiohttp_client: AiohttpClient, name: str
) -> None:
    client = await gateway(aiohttp_client, ListedModels("a"))
    async with client.get(URL(f"/v1/models/{name}", encoded=True)) as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "model_not_found"
