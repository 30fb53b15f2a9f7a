"""A collector of traces: takes OTLP over HTTP on a real socket, and shows the spans."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.backend import LONG_S


@dataclass(frozen=True)
class SeenSpan:
    """One span as exported; ids in hex, `parent` empty for a root."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    failed: bool
    began_ns: int
    ended_ns: int
    attributes: dict[str, Any]


@dataclass
class Collector:
    """What was exported so far; `raw` are the bodies, `resource` its attributes."""

    url: str = ""
    spans: list[SeenSpan] = field(default_factory=list)
    raw: bytes = b""
    resource: dict[str, Any] = field(default_factory=dict)

    def named(self, name: str) -> list[SeenSpan]:
        """Return the spans of that name in the order in which they began."""
        return sorted((span for span in self.spans if span.name == name), key=lambda span: span.began_ns)

    async def root(self) -> SeenSpan:
        """Wait for the span of a POST, which is the last of its trace."""
        async with asyncio.timeout(LONG_S):
            while not (found := [span for span in self.spans if span.name.startswith("POST ")]):
                await asyncio.sleep(0.01)
        return found[0]

    async def take(self, request: web.Request) -> web.Response:
        """Keep one export."""
        body = await request.read()
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource = _plain(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [_seen(span) for span in scope.spans]
        return web.Response(content_type="application/x-protobuf")


def _seen(span: Any) -> SeenSpan:
    return SeenSpan(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        span.status.code == 2,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _plain(span.attributes),
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(item) for item in value.array_value.values] if kind == "array_value" else getattr(value, kind)


@asynccontextmanager
async def running_collector() -> AsyncIterator[Collector]:
    """Run a collector."""
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield collector
    finally:
        await runner.cleanup()
