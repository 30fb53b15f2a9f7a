"""All backends, visited side by side: a slow one must not hold up the others."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence

from gateway.backend_settings import BackendSettings
from gateway.backends.sessions import create_session
from gateway.config import BackendConfig
from gateway.doctor.line import count_requests
from gateway.doctor.results import Report, Tally
from gateway.doctor.visit import Progress, Selection, Visit
from gateway.settings_text import ConfigError, Problem

AT_ONCE = 4
"""Backends visited at the same time; each is asked one thing after the other."""


async def visit_all(
    backends: Sequence[BackendSettings], config: BackendConfig, selection: Selection, progress: Progress
) -> Report:
    """Visit the backends that are selected. Raises ConfigError where the TLS files of one cannot be loaded."""
    chosen = select(backends, selection)
    tally = Tally()
    async with create_session(config) as session:
        count_requests(session, tally)
        visits = [Visit(session, one, config.health_check_timeout_s, tally, progress) for one in chosen]
        await _some_at_once(visit.knock() for visit in visits)
        known = any(visit.has(selection.models) for visit in visits)
        await _some_at_once(visit.ask_models(selection, known_elsewhere=known) for visit in visits)
    return Report(tuple(visit.report for visit in visits), tally)


def select(backends: Sequence[BackendSettings], selection: Selection) -> list[BackendSettings]:
    """Return the selected backends. Raises ConfigError for a name that none has."""
    known = {settings.name.casefold(): settings for settings in backends}
    for name in selection.backends:
        if name.casefold() not in known:
            names = ", ".join(settings.name for settings in backends)
            raise ConfigError([Problem("--backend", f"there is no backend {name!r}", f"one of {names}")])
    wanted = {name.casefold() for name in selection.backends}
    return [settings for name, settings in known.items() if not wanted or name in wanted]


async def _some_at_once(steps: Iterable[Awaitable[None]]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def run(step: Awaitable[None]) -> None:
        async with gate:
            await step

    async with asyncio.TaskGroup() as group:
        for step in steps:
            group.create_task(run(step))
