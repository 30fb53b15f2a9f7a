"""A short soak finds nothing, and what a long one would find is found."""

import pytest

from tests.soak.__main__ import Sample, judged, soak
from tests.soak.load import Clients
from tests.support.backend import ScriptedBackend

STEADY = [Sample(at, at, 0, 50.0 + at % 3, 40) for at in range(20)]


@pytest.fixture
async def clients(backend: ScriptedBackend) -> Clients:
    """Clients that have done nothing wrong."""
    from tests.support.program import client

    async with client() as session:
        return Clients("http://127.0.0.1:9", session, backend, 1)


async def test_what_stays_as_it_is_is_no_complaint(clients: Clients) -> None:
    assert judged(STEADY, clients, 0.0) == []


async def test_what_grows_or_goes_wrong_is_told(clients: Clients) -> None:
    growing = [Sample(at, at, 0, 50.0 + at, 40 + 2 * at) for at in range(20)]
    clients.wrong["embed"] += 2
    assert judged(growing, clients, 1.0) == [
        "embed: 2 wrong answers",
        "memory grew by 10.0 MB",
        "20 more descriptors are open",
        "1 requests are in flight, though nobody asks",
    ]


@pytest.mark.slow
async def test_a_short_soak_finds_nothing() -> None:
    report = await soak(12.0, seed=7)
    assert report["complaints"] == []
    assert len(report["done"]) == 11
    assert sum(report["done"].values()) > 100
