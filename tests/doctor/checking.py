"""Checks run in a test: what they found, in words short enough to compare."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from yarl import URL

from gateway.backend_settings import BackendSettings, Timeouts
from gateway.config import Config
from gateway.doctor.results import BackendReport, ModelReport, Report
from gateway.doctor.rounds import visit_all
from gateway.doctor.visit import Selection
from tests.doctor.strict import StrictBackend
from tests.support.backend import LONG_S


def settings(
    url: URL | str, name: str = "main", *, key: str | None = None, patience_s: float = LONG_S
) -> BackendSettings:
    """Return the settings of a backend."""
    return BackendSettings(
        name=name,
        base_url=URL(url),
        api_key=SecretStr(key) if key else None,
        timeouts=Timeouts(first_token_s=patience_s),
    )


async def checked(*backends: BackendSettings, selection: Selection | None = None) -> Report:
    """Run a check without printing."""
    config = Config.from_mapping({"HEALTH_CHECK_TIMEOUT": str(LONG_S)})
    return await visit_all(backends, config.backend, selection or Selection(), lambda *_: None)


async def check_one(backend: BackendSettings, selection: Selection | None = None) -> BackendReport:
    """Check one backend."""
    (report,) = (await checked(backend, selection=selection)).backends
    return report


@asynccontextmanager
async def serving(backend: StrictBackend) -> AsyncIterator[str]:
    """Serve a backend; give its base URL."""
    server = TestServer(backend.app())
    async with server:
        yield str(server.make_url("/v1"))


def words(model: ModelReport) -> dict[str, str]:
    """Return the answer to each check in a word, `-` where it was not asked."""
    return {name: str(result.answer) if result.asked else "-" for name, result in model.findings()}
