"""`check`: ask the backend for its models, and print what was found next to the settings."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.backends.backend import Backend
from gateway.backends.listing import ModelLister
from gateway.backends.pool import create_session
from gateway.codecs.models import ModelInfo
from gateway.config import Config
from gateway.errors import ProxyException, TranslationError, UpstreamStatusError

SHOWN_MODELS = 20

type Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a backend answered: its models, or an error; `latency_s` is the time either took."""

    latency_s: float
    models: tuple[ModelInfo, ...] = ()
    error: ProxyException | None = None

    @property
    def reachable(self) -> bool:
        """Whether the backend answered at all, if only with an error."""
        return self.error is None or isinstance(self.error, UpstreamStatusError | TranslationError)


def run_check(config: Config, *, demo: bool = False) -> int:
    """Ask and print; return 0 when the backend lists its models, else 1. Wants a backend or `demo`."""
    return asyncio.run(_check(config, demo=demo))


async def _check(config: Config, *, demo: bool) -> int:
    async with AsyncExitStack() as stack:
        if demo:
            from gateway.demo import run_demo

            config = config.for_backend(await stack.enter_async_context(run_demo()))
        finding = await ask_backend(config)
    print(table([*setting_rows(config), *finding_rows(finding)]))
    return 1 if finding.error else 0


async def ask_backend(config: Config) -> Finding:
    """Ask the backend for its models once, within HEALTH_CHECK_TIMEOUT."""
    if config.backend.base_url is None:
        raise ValueError("there is no backend to ask")
    backend = Backend(
        config.backend.base_url.host or "backend",
        config.backend.base_url,
        api_key=config.backend.api_key,
        pass_client_key=False,
    )
    started_s = time.monotonic()
    async with create_session(config.backend) as session:
        lister = ModelLister(session, backend, config.backend.health_check_timeout_s, attempts=1)
        try:
            models = await lister.fetch(None)
        except ProxyException as error:
            return Finding(time.monotonic() - started_s, error=error)
        return Finding(time.monotonic() - started_s, models)


def setting_rows(config: Config) -> list[Row]:
    """Return what is configured, without any secret."""
    backend, keys = config.backend, len(config.access.api_keys)
    return [
        ("settings", "valid"),
        *(("warning", warning) for warning in config.warnings),
        ("listen", f"{config.listen.host} port {config.listen.port}"),
        ("client keys", str(keys) if keys else "none: everybody may ask"),
        ("model mapping", f"{len(config.models.mapping)} names" if config.models.mapping_file else "none"),
        ("backend", str(backend.base_url)),
        ("backend key", "set" if backend.api_key else "none"),
        ("timeouts", f"connect {backend.connect_timeout_s:g} s, silence {backend.request_timeout_s:g} s"),
    ]


def finding_rows(finding: Finding) -> list[Row]:
    """Return what the backend answered."""
    latency = f"after {finding.latency_s * 1000:.0f} ms"
    if finding.error is None:
        return [("reachable", f"yes, {latency}"), ("models", str(len(finding.models))), *_model_rows(finding.models)]
    if not finding.reachable:
        return [("reachable", f"no, {latency}: {finding.error.message}")]
    status = f"status {finding.error.status}: " if isinstance(finding.error, UpstreamStatusError) else ""
    return [("reachable", f"yes, {latency}"), ("models", f"no list, {status}{finding.error.message}")]


def _model_rows(models: tuple[ModelInfo, ...]) -> list[Row]:
    rows = [("", model.id) for model in models[:SHOWN_MODELS]]
    hidden = len(models) - len(rows)
    return [*rows, ("", f"and {hidden} more")] if hidden else rows


def table(rows: Iterable[Row]) -> str:
    """Return aligned lines; what a terminal would obey (a backend chooses its names) becomes a question mark."""
    lines = list(rows)
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {_plain(value)}" for name, value in lines)


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
