"""The two version answers: Ollama's plain number for its clients, and what exactly is running for people."""

import asyncio
import platform
from collections.abc import Callable

import aiohttp
import msgspec
from aiohttp import web

from gateway.exchange import Dialect
from gateway.handlers.routing import RouteTable
from gateway.handlers.writers import json_response
from gateway.version import VersionFacts

OLLAMA_API_VERSION = "0.32.15"
"""The Ollama release whose API is implemented. Clients refuse servers that are too old: never below 0.13.4."""
OPENAI_API_VERSION = "v1"


class VersionHandler:
    """Answers `/api/version`, and `/v1/version` unless that is switched off.

    `facts` may take some milliseconds at its first call: it runs in a thread.
    """

    def __init__(self, facts: Callable[[], VersionFacts], *, detailed: bool) -> None:
        self._facts = facts
        self._detailed = detailed
        self._ollama = msgspec.json.encode({"version": OLLAMA_API_VERSION})

    def register(self, routes: RouteTable) -> None:
        """Add the routes."""
        for method in ("GET", "HEAD"):
            routes.add(method, "/api/version", self.ollama, dialect=Dialect.OLLAMA, exempt=True)
        if self._detailed:
            routes.add("GET", "/v1/version", self.details, dialect=Dialect.OPENAI)

    async def ollama(self, request: web.Request) -> web.Response:
        """Answer with the number Ollama clients ask for."""
        return json_response(self._ollama)

    async def details(self, request: web.Request) -> web.Response:
        """Answer with version, commit and what it runs on."""
        facts = await asyncio.to_thread(self._facts)
        content = {
            "version": facts.version,
            "commit": facts.commit,
            "commit_date": facts.commit_date,
            "build": facts.kind,
            "python": platform.python_version(),
            "aiohttp": aiohttp.__version__,
            "platform": f"{platform.system()} {platform.machine()}",
            "api_versions": {"ollama": OLLAMA_API_VERSION, "openai": OPENAI_API_VERSION},
        }
        return json_response(msgspec.json.encode(content))
