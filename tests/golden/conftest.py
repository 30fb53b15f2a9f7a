"""One golden backend and one gateway process in front of it, for all situations."""

from collections.abc import Iterator

import pytest

from tests.e2e import processes
from tests.golden.backend import GoldenBackend
from tests.golden.models import MODELS
from tests.golden.situations import SITUATIONS


@pytest.fixture(scope="session")
def golden_backend() -> Iterator[GoldenBackend]:
    """The backend, with all situations."""
    answers = {situation.name: situation.answer for situation in SITUATIONS}
    with GoldenBackend(answers, MODELS).serving() as backend:
        yield backend


@pytest.fixture(scope="session")
def golden_url(golden_backend: GoldenBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a gateway that tries each request once, and asks plainly where its clients do."""
    folder = tmp_path_factory.mktemp("golden")
    with processes.gateway(
        folder, OPENAI_API_BASE_URL=golden_backend.url, MAX_RETRIES="0", PLAIN_REQUESTS="direct"
    ) as program:
        yield program.url


@pytest.fixture(scope="session")
def golden_url_streaming(golden_backend: GoldenBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a gateway that asks for streams, also where its clients do not."""
    folder = tmp_path_factory.mktemp("golden-streaming")
    with processes.gateway(folder, OPENAI_API_BASE_URL=golden_backend.url, MAX_RETRIES="0") as program:
        yield program.url
