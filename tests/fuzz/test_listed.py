"""What `make fuzz` lets pass, and the document it starts from."""

import re

import pytest

from tests.fuzz.document import as_json, document
from tests.fuzz.listed import LISTED, is_listed


@pytest.mark.parametrize(
    ("route", "status", "text"),
    [
        ("POST /api/chat", 500, 'option "temperature" must be of type float32'),
        ("POST /api/embed", 500, 'option "stop" must be of an array of strings'),
        ("POST /api/generate", 500, 'invalid format: "[]"; expected "json" or a valid JSON Schema object'),
    ],
)
def test_the_errors_that_ollama_gives_as_well_pass(route: str, status: int, text: str) -> None:
    assert is_listed(route, status, text)


@pytest.mark.parametrize(
    ("route", "status", "text"),
    [
        ("POST /api/show", 500, 'option "temperature" must be of type float32'),
        ("POST /api/chat", 502, 'option "temperature" must be of type float32'),
        ("POST /api/chat", 500, "internal server error"),
    ],
)
def test_another_route_status_or_text_does_not_pass(route: str, status: int, text: str) -> None:
    assert not is_listed(route, status, text)


def test_every_listed_route_is_one_of_the_document() -> None:
    paths = document()["paths"]
    listed = {route for row in LISTED for route in row.routes}
    assert [route for route in listed if route.split()[0].lower() not in paths.get(route.split()[1], {})] == []


def test_every_reference_of_the_document_leads_somewhere() -> None:
    # A broken one would silently leave its operation out.
    named = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', as_json()))
    assert named
    assert named <= document()["components"]["schemas"].keys()
    assert as_json().count('"$ref"') == as_json().count('"$ref": "#/components/schemas/')
