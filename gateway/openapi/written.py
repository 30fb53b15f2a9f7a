"""The routes of an application as the document wants them, and the document as text."""

import json
from collections.abc import Mapping
from typing import Any

import yaml
from aiohttp import web

from gateway.exchange import RouteInfo
from gateway.openapi.document import Route

# In C where PyYAML was built with it: ten times as fast.
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def routes_of(table: dict[web.AbstractRoute, RouteInfo]) -> list[Route]:
    """Return the routes of a table."""
    return [Route(route.method, info.label, info.dialect, info.exempt, info.admin) for route, info in table.items()]


def as_json(document: Mapping[str, Any]) -> str:
    """Return the document in JSON, in lines that can be compared."""
    return json.dumps(document, indent=1) + "\n"


def as_yaml(document: Mapping[str, Any]) -> str:
    """Return the document in YAML."""
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))
