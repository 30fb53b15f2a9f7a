"""The `openapi` command: prints the document of all routes that there can be."""

import asyncio

from gateway._version import __version__
from gateway.app import CLOSE, create_app
from gateway.config import Config
from gateway.exchange import ROUTES
from gateway.openapi.document import Route, build
from gateway.openapi.written import as_json, as_yaml, routes_of

_EVERYTHING = {"OPENAI_API_BASE_URL": "http://127.0.0.1/v1", "ADMIN_KEY": "any"}
"""With these settings every route is there. No backend is asked."""


def describe(*, in_yaml: bool) -> str:
    """Return the document as text."""
    config = Config.from_mapping(_EVERYTHING)
    routes = asyncio.run(_routes(config))
    document = build(routes, __version__, metrics_path=config.metrics.path, wants_key=False)
    return as_yaml(document) if in_yaml else as_json(document)


async def _routes(config: Config) -> list[Route]:
    app = create_app(config)
    app.freeze()
    try:
        return routes_of(app[ROUTES])
    finally:
        await app[CLOSE]()
        await app.cleanup()
