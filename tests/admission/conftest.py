"""A real Redis, a clock that only the test moves, and what admissions tell."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.admission import Admission
from gateway.admission.supervised import Ask
from gateway.config import Config
from gateway.exchange import Exchange
from tests.support.backend import LONG_S
from tests.support.redis_server import RedisServer

type OpenAdmission = Callable[..., Admission]


class Numbers:
    """What a meter was told."""

    def __init__(self) -> None:
        self.waits_s: list[float] = []
        self.refused: Counter[str] = Counter()
        self.missed = 0

    def admission_waited(self, wait_s: float) -> None:
        self.waits_s.append(wait_s)

    def admission_refused(self, reason: str) -> None:
        self.refused[reason] += 1

    def shared_limits_missed(self) -> None:
        self.missed += 1


@pytest.fixture
def numbers() -> Numbers:
    return Numbers()


@pytest.fixture
async def admission(numbers: Numbers) -> AsyncIterator[OpenAdmission]:
    """Opens admissions with settings by their names, and closes them."""
    async with AsyncExitStack() as stack:

        def opened(ask: Ask | None = None, worker: tuple[int, int] = (0, 1), **settings: str) -> Admission:
            config = Config.from_mapping({"OPENAI_API_BASE_URL": "http://backend.test/v1", **settings})
            admission = Admission(config, meter=numbers, ask=ask, worker=worker)
            stack.push_async_callback(admission.aclose)
            return admission

        yield opened


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A running Redis."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is waited for as long as a busy machine may take."""
    for module in ("gateway.admission.sharing", "gateway.redis_connections"):
        monkeypatch.setattr(f"{module}.REDIS_WAIT_S", LONG_S)


def exchange(prompt_tokens: int | None = None, completion_tokens: int | None = None) -> Exchange:
    """Return the record of a request that used so many tokens."""
    return Exchange("id", "POST", prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
