"""Whether requests are traced, as the standard OTEL_* variables say. OpenTelemetry is loaded only where they are."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from gateway.telemetry.logging import get_logger

if TYPE_CHECKING:
    from gateway.telemetry.spans import Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_log = get_logger("tracing")


class Trace(Protocol):
    """The spans of one request. Nothing here raises or waits."""

    def attempt(self, *, backend: str, model: str, host: str | None, port: int | None, path: str) -> dict[str, str]:
        """Begin the span of one try; return the headers that carry it to the backend."""
        ...

    def failed(self, kind: str, status: int | None = None) -> None:
        """End the span of a try without an answer: the kind of its error, and the status if the backend said one."""
        ...

    def answered(self, kind: str | None) -> None:
        """End the span of the try that did, at the end of its answer; `kind`: what broke it, None where nothing did."""
        ...

    def end(self, status: int) -> None:
        """End the span of the request, which was answered with this status."""
        ...


def wanted(environment: Mapping[str, str]) -> bool:
    """Tell whether the variables ask for traces: an endpoint is named, or OTEL_TRACES_EXPORTER is `otlp`."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter:
        return exporter == "otlp"
    return any(environment.get(name, "").strip() for name in ENDPOINTS)


def open_tracing(environment: Mapping[str, str], version: str) -> "Tracing | None":
    """Return what traces requests, None where nobody wants it, or where the extra `otel` is not installed."""
    if not wanted(environment):
        return None
    try:
        from gateway.telemetry.spans import Tracing
    except ImportError:
        _log.warning("tracing is off", detail="install ollama-openai-proxy[otel], or unset the OTEL_ variables")
        return None
    return Tracing(environment, version)
