"""The document says all there is, and what it says is true of the schemas and of itself."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_pydantic.v3.v3_1 import OpenAPI
from pydantic import BaseModel

from gateway._version import __version__
from gateway.description import describe
from gateway.exchange import Dialect
from gateway.openapi import refusals, shared
from gateway.openapi.document import OPERATIONS, Route, build
from gateway.schemas import ollama, openai
from tests.openapi.documented import Described, carried, document, operations, problems, resolved, text

COPY = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
ALL = operations()
JSON = "application/json"
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
STREAMS = ("application/x-ndjson", "text/event-stream")
ASKED = {
    name
    for module in (ollama, openai)
    for name, model in vars(module).items()
    if isinstance(model, type) and issubclass(model, BaseModel)
} | {"Options", "LogLevelRequest"}
UNSET = re.compile(r"\b(Unset|None|Empty|Where|missing|not used|Of a message)\b")
LIMITS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}


def contents(operation: Described) -> list[tuple[str, str, dict[str, Any]]]:
    """Return what is sent and answered: by "request" or the status, the media type, and what is said of it."""
    found = [
        ("request", media, said) for media, said in operation.said.get("requestBody", {}).get("content", {}).items()
    ]
    for status, response in operation.said["responses"].items():
        found += [(status, media, said) for media, said in resolved(response).get("content", {}).items()]
    return found


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a schema, itself first."""
    if isinstance(schema, dict):
        yield schema
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from parts(inner)


def test_the_copy_in_the_documentation_is_the_document() -> None:
    assert COPY.read_text(encoding="utf-8") == text(), "python -m gateway openapi > docs/openapi.json"


def test_the_form_in_yaml_is_the_same_document() -> None:
    assert yaml.load(describe(in_yaml=True), Loader) == document()  # noqa: S506 - a safe one, in C where it is there


def test_the_document_is_openapi_3_1() -> None:
    assert document()["openapi"].startswith("3.1.")
    assert OpenAPI.model_validate(document()).openapi == document()["openapi"]


def test_it_says_whose_it_is() -> None:
    info = document()["info"]
    assert info["version"] == __version__
    assert info["license"]["identifier"] == "MIT"
    assert info["contact"]["name"]
    assert info["termsOfService"].startswith("https://")
    assert info["title"]
    assert info["summary"]
    assert info["description"]


def test_every_operation_has_an_id_of_its_own_a_summary_a_meaning_and_a_known_tag() -> None:
    ids = [operation.said["operationId"] for operation in ALL]
    assert len(set(ids)) == len(ids)
    assert all(operation.said["summary"] and operation.said["description"] for operation in ALL)
    tags = {tag["name"] for tag in document()["tags"]}
    assert {tag for operation in ALL for tag in operation.said["tags"]} == tags
    assert all(tag["description"] for tag in document()["tags"])


def test_every_field_has_a_meaning() -> None:
    without = [
        f"{name}.{field}"
        for name, schema in document()["components"]["schemas"].items()
        for part in parts(schema)
        for field, said in part.get("properties", {}).items()
        if not said.get("description")
    ]
    assert without == []


def test_what_clients_and_backends_send_inside_is_told_too() -> None:
    schemas = document()["components"]["schemas"]
    request = schemas["ChatCompletionRequest"]["properties"]
    assert set(request["tools"]["items"]["properties"]) == {"type", "function"}
    kinds = schemas["ChatMessage"]["properties"]["content"]["anyOf"]
    (told,) = (kind["items"]["properties"] for kind in kinds if kind["type"] == "array")
    assert set(told) == {"type", "text", "image_url", "input_audio"}
    assert set(schemas["CompletionToolCall"]["properties"]) == {"index", "id", "type", "function"}
    assert schemas["StatusSnapshot"]["properties"]["recent"]["items"]["$ref"].endswith("/RecentRequest")


def test_every_field_of_a_request_has_a_default_or_says_what_happens_without_it() -> None:
    without = [
        f"{name}.{field}"
        for name, schema in document()["components"]["schemas"].items()
        if name in ASKED
        for field, said in schema["properties"].items()
        if "default" not in said and field not in schema.get("required", ()) and not UNSET.search(said["description"])
    ]
    assert without == []


def test_every_number_has_a_limit_or_says_who_sets_it() -> None:
    without = [
        f"{name}.{field}"
        for name, schema in document()["components"]["schemas"].items()
        for field, said in schema.get("properties", {}).items()
        if said.get("type") in ("integer", "number")
        and not (LIMITS | {"format"}) & said.keys()
        and "backend" not in said["description"].lower()
    ]
    assert without == []


def test_no_bound_is_one_that_a_double_cannot_hold() -> None:
    bounds = [part[key] for part in parts(document()["components"]["schemas"]) for key in LIMITS & part.keys()]
    assert [bound for bound in bounds if isinstance(bound, int) and abs(bound) > 2**53] == []


def test_every_schema_and_parameter_has_a_meaning() -> None:
    assert [name for name, schema in document()["components"]["schemas"].items() if not schema["description"]] == []
    parameters = [said for operation in ALL for said in operation.said.get("parameters", ())]
    assert parameters
    assert all(said["description"] and said["schema"] for said in parameters)
    assert [said["name"] for said in parameters if said.get("example") is None] == []
    assert all(problems(said["schema"], said["example"]) == [] for said in parameters)


def test_every_body_of_a_request_has_a_meaning() -> None:
    bodies = [operation.said["requestBody"] for operation in ALL if "requestBody" in operation.said]
    assert bodies
    assert all(body["description"] for body in bodies)


@pytest.mark.parametrize("name", ["ChatRequest", "GenerateRequest", "EmbedRequest", "ChatCompletionRequest"])
def test_a_schema_has_the_fields_that_are_read(name: str) -> None:
    model = getattr(ollama, name, None) or getattr(openai, name)
    fields = {field.alias or key for key, field in model.model_fields.items()}
    assert set(document()["components"]["schemas"][name]["properties"]) == fields


def test_limits_and_defaults_are_told() -> None:
    schemas = document()["components"]["schemas"]
    assert schemas["ChatRequest"]["properties"]["stream"]["default"] is True
    assert schemas["ChatCompletionRequest"]["properties"]["stream"]["default"] is False
    assert schemas["ChatCompletionRequest"]["properties"]["messages"]["maxItems"] == openai.MAX_MESSAGES
    assert schemas["ChatCompletionRequest"]["properties"]["messages"]["minItems"] == 1
    assert schemas["ChatRequest"]["properties"]["top_logprobs"]["maximum"] == 20
    assert schemas["ToolCallFunction"]["properties"]["index"]["format"] == "int64"
    assert schemas["Options"]["properties"]["stop"]["type"] == "array"


@pytest.mark.parametrize("operation", ALL, ids=lambda operation: operation.name)
def test_every_body_has_examples_that_fit_it(operation: Described) -> None:
    for place, media, said in contents(operation):
        examples = said.get("examples", {})
        assert examples, f"{place} {media}"
        for name, example in examples.items():
            assert problems(said["schema"], example["value"]) == [], f"{place} {media} {name}"
            if media in STREAMS:
                objects = list(carried(media, example["value"]))
                assert objects
                for one in objects:
                    assert problems(said["schema"]["x-items"], one) == [], f"{place} {name}: {one}"


@pytest.mark.parametrize("operation", ALL, ids=lambda operation: operation.name)
def test_every_error_has_the_body_of_its_dialect(operation: Described) -> None:
    in_openai = operation.path.startswith(("/v1/", "/admin/"))
    for status, response in operation.said["responses"].items():
        if status[0] in "123" or operation.path in ("/ready", "/api/me"):
            continue
        said = resolved(response)
        assert said["description"]
        assert "X-Request-ID" in said["headers"]
        for example in said.get("content", {}).get(JSON, {}).get("examples", {}).values():
            error = example["value"]["error"]
            assert isinstance(error, dict if in_openai else str)
    assert {"400", "413", "500", "503"} <= set(operation.said["responses"])


def test_errors_without_a_body_are_those_of_foreign_pages() -> None:
    assert [name for name in refusals.REFUSALS if refusals.body_of(name, Dialect.OLLAMA) is None] == ["foreign"]


def test_every_route_that_wants_a_key_says_so_and_what_happens_without() -> None:
    for operation in ALL:
        security = operation.said["security"]
        if operation.path.startswith("/admin/"):
            assert security == [{shared.ADMIN_KEY: []}]
        assert ("401" in operation.said["responses"]) == bool(security)
    assert set(document()["components"]["securitySchemes"]) == {shared.KEY, shared.KEY_HEADER, shared.ADMIN_KEY}


def test_where_keys_are_wanted_none_may_be_left_out() -> None:
    routes = [Route("POST", "/api/chat", Dialect.OLLAMA)]
    for wants_key in (True, False):
        built = build(routes, "1", metrics_path="/v1/metrics", wants_key=wants_key)
        assert ({} in built["paths"]["/api/chat"]["post"]["security"]) is not wants_key


def test_the_numbers_are_told_where_they_are() -> None:
    routes = [Route("GET", "/internal/metrics", Dialect.OLLAMA)]
    built = build(routes, "1", metrics_path="/internal/metrics", wants_key=False)
    assert built["paths"]["/internal/metrics"]["get"]["operationId"] == "metrics"


def test_a_route_of_which_nothing_is_said_is_refused() -> None:
    with pytest.raises(KeyError):
        build([Route("GET", "/unheard/of", Dialect.OLLAMA)], "1", metrics_path="/v1/metrics", wants_key=False)


def test_nothing_is_said_of_routes_that_are_not_there() -> None:
    assert {(operation.method, operation.path) for operation in ALL} == set(OPERATIONS)


def test_every_error_belongs_to_a_route() -> None:
    told = "".join(document()["components"]["responses"])
    words = {name: "".join(word.capitalize() for word in name.split("_")) for name in refusals.REFUSALS}
    assert [name for name, word in words.items() if word not in told] == []
