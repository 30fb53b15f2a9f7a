"""Backends' lists that a test holds in its hand, catalogs on them, and a clock that moves when told."""

import asyncio
import contextvars
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from yarl import URL

from gateway.backend_settings import BackendSettings, ModelRule
from gateway.catalog import Catalog
from gateway.catalog.source import Source
from gateway.codecs.contract import Profile
from gateway.codecs.models import ModelInfo, read_models
from gateway.errors import ProxyException, UpstreamStatusError
from gateway.mapping_entries import Entry

type Fetch = Callable[[str | None], Awaitable[tuple[ModelInfo, ...]]]

REQUEST_MARK: contextvars.ContextVar[str] = contextvars.ContextVar("request_mark", default="none")


class Clock:
    """Seconds that pass only when a test adds to `now_s`."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class ListedModels:
    """Answers as a lister does: `ids`, or a key's own in `by_key`, or `error`; waits while `gate` is shut."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids
        self.by_key: dict[str | None, tuple[str, ...]] = {}
        self.error: Exception | None = None
        self.calls: list[str | None] = []
        self.marks: list[str] = []
        self.cancelled = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, client_key: str | None) -> tuple[ModelInfo, ...]:
        """Read the list once."""
        self.calls.append(client_key)
        self.marks.append(REQUEST_MARK.get())
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return models_of(*self.by_key.get(client_key, self.ids))


def models_of(*ids: str) -> tuple[ModelInfo, ...]:
    """Return models with these ids, owned by `owner-of-<id>`."""
    return read_models(json.dumps([{"id": name, "owned_by": f"owner-of-{name}"} for name in ids]).encode())


def source_of(name: str, fetch: Fetch, *, per_client_key: bool = False, **settings: Any) -> Source:
    """Return the backend `name` with this list; the profile of a model is named after its owner."""
    url = URL(f"http://{name.casefold()}.test/v1")
    return Source(BackendSettings(name=name, base_url=url, **settings), fetch, Profile, per_client_key)


def fleet_of(
    *sources: Source,
    mapping: Mapping[str, Entry] | None = None,
    rules: Mapping[str, ModelRule] | None = None,
    default_model: str | None = None,
    cache_ttl_s: float = 60.0,
    **more: Any,
) -> Catalog:
    """Return a catalog of these backends."""
    return Catalog(
        sources,
        mapping=mapping or {},
        rules=rules or {},
        default_model=default_model,
        cache_ttl_s=cache_ttl_s,
        **more,
    )


def catalog_of(fetch: Fetch, *, per_client_key: bool = False, **more: Any) -> Catalog:
    """Return a catalog of the one backend `main`, which has whatever it lists."""
    return fleet_of(source_of("main", fetch, per_client_key=per_client_key), **more)


def unreachable(status: int = 502) -> ProxyException:
    """Return the error of a lister that got no list."""
    return UpstreamStatusError(status, "no list")


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)
