"""build: the document, from the routes there are, what is said of each, and the schemas that read their requests."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from openapi_pydantic.v3.v3_1 import Components, OpenAPI, PathItem, Schema, Server

from gateway.exchange import Dialect
from gateway.openapi import ollama_operations, openai_operations, own_operations, shared
from gateway.openapi.described import Describing
from gateway.openapi.operation import Operation

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    **ollama_operations.OPERATIONS,
    **openai_operations.OPERATIONS,
    **own_operations.OPERATIONS,
}


class Route(NamedTuple):
    """A route that is served. `path` is as the document has it: `{name}` without a pattern."""

    method: str
    path: str
    dialect: Dialect
    exempt: bool = False
    admin: bool = False


def build(routes: Iterable[Route], version: str, *, metrics_path: str, wants_key: bool) -> dict[str, Any]:
    """Return the document of these routes, as JSON has it.

    `metrics_path`: where the numbers are. `wants_key`: whether clients must show a key, or may. Of HEAD only what has
    no GET beside it is told. Raises KeyError for a route of which nothing is said.
    """
    described = Describing(wants_key=wants_key)
    paths: dict[str, PathItem] = {}
    tags: set[str] = set()
    for route in _in_order(_told(routes)):
        said = OPERATIONS[route.method, _described_path(route, metrics_path)]
        tags.add(said.tag)
        item = paths.setdefault(route.path, PathItem())
        setattr(item, route.method.lower(), described.operation(said, route.dialect, _security(route, wants_key)))
    document = OpenAPI(
        openapi=shared.OPENAPI,
        info=shared.info(version),
        servers=[Server(url="/", description="This gateway")],
        tags=shared.tags(tags),
        paths=paths,
        components=Components(
            schemas={name: Schema.model_validate(schema) for name, schema in described.schemas().items()},
            responses=dict(described.responses),
            headers=dict(shared.headers()),
            securitySchemes=dict(shared.security_schemes()),
        ),
    )
    written: dict[str, Any] = _plain(
        json.loads(document.model_dump_json(by_alias=True, exclude_unset=True, exclude_none=True))
    )
    return written


def _told(routes: Iterable[Route]) -> list[Route]:
    known = list(routes)
    got = {route.path for route in known if route.method == "GET"}
    return [route for route in known if route.method != "HEAD" or route.path not in got]


def _described_path(route: Route, metrics_path: str) -> str:
    key = (route.method, route.path)
    return own_operations.METRICS_PATH if route.path == metrics_path and key not in OPERATIONS else route.path


def _in_order(routes: Sequence[Route]) -> list[Route]:
    """Return the routes as they are described: by what people look for, and the same whatever was registered first."""
    order = {key: number for number, key in enumerate(OPERATIONS)}
    return sorted(routes, key=lambda route: order.get((route.method, route.path), len(order)))


def _security(route: Route, wants_key: bool) -> list[dict[str, list[str]]]:
    if route.admin:
        return [{shared.ADMIN_KEY: []}]
    if route.exempt:
        return []
    either: list[dict[str, list[str]]] = [{shared.KEY: []}, {shared.KEY_HEADER: []}]
    return either if wants_key else [*either, {}]


def _plain(value: Any) -> Any:
    """Return the document without what the library adds: `deprecated` where it is false, bounds as floats."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: _bound(inner) if name in _BOUNDS else _plain(inner) for name, inner in value.items()}


_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})


def _bound(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else _plain(value)
