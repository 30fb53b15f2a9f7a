"""What is known of models: the backends' lists, the names of models, and where each leads."""

from aiohttp import web

from gateway.catalog.catalog import Catalog

__all__ = ["CATALOG", "Catalog"]

CATALOG: web.AppKey[Catalog] = web.AppKey("catalog", Catalog)
"""Where an application keeps its catalog."""
