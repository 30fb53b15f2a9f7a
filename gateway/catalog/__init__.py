"""What is known of models: the backend's list, names and their mapping."""

from aiohttp import web

from gateway.catalog.catalog import Catalog

__all__ = ["CATALOG", "Catalog"]

CATALOG: web.AppKey[Catalog] = web.AppKey("catalog", Catalog)
"""Where an application keeps its catalog."""
