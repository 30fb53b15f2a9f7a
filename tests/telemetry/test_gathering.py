import json
from collections.abc import Sequence
from typing import Any

from gateway.telemetry.families import Distribution, Family
from gateway.telemetry.gathering import FAMILIES, Gathering, Ledger
from gateway.telemetry.metrics import Metrics
from tests.telemetry.test_metrics import finish, stream


def values(families: Sequence[Family], name: str) -> dict[tuple[str, ...], Any]:
    (family,) = [family for family in families if family.name == name]
    return {row.labels: row.value for row in family.rows}


def counted(requests: int) -> Metrics:
    metrics = Metrics("1.2.3")
    for _ in range(requests):
        finish(metrics, stream())
    return metrics


async def told(pid: int, requests: int) -> Any:
    """Return what a worker tells, as it comes out of the channel."""
    payload = await Gathering(counted(requests)).tell_families()
    return json.loads(json.dumps({**payload, "pid": pid}))


async def test_a_process_alone_shows_its_own_numbers() -> None:
    gathering = Gathering(counted(3))
    assert not gathering.shared
    assert values(await gathering.families(), "gateway_stream_chunks") == {(): 33}
    assert [summary.now.requests for summary in await gathering.summaries()] == [3]


async def test_whichever_worker_is_asked_the_answer_is_the_sum() -> None:
    workers = [counted(3), counted(4)]

    async def collect(topic: str) -> list[Any]:
        tellers = [Gathering(metrics) for metrics in workers]
        answers = [
            {**await teller.tell_families(), "pid": at + 1} if topic == FAMILIES else await teller.tell_summary()
            for at, teller in enumerate(tellers)
        ]
        return [json.loads(json.dumps(answer)) for answer in answers]

    for metrics in workers:
        gathering = Gathering(metrics, collect)
        families = await gathering.families()
        assert gathering.answered == 2
        assert values(families, "gateway_stream_chunks") == {(): 77}
        assert values(families, "gateway_requests") == {("/api/chat", "POST", "200", "ollama"): 7}
        times = values(families, "gateway_request_duration_seconds")[("/api/chat",)]
        assert isinstance(times, Distribution)
        assert (sum(times.counts), round(times.total, 9)) == (7, 0.28)
        assert values(families, "gateway_processes") == {(): 2}
        assert sum(summary.now.requests for summary in await gathering.summaries()) == 7


async def test_the_process_own_numbers_are_added_up_for_several_workers() -> None:
    payload = await Gathering(counted(0)).tell_families()
    names = {family["name"] for family in payload["families"]}
    assert {"process_cpu_seconds", "process_resident_memory_bytes", "process_open_fds"} <= names


async def test_a_worker_that_is_gone_goes_on_counting_with_its_last_word() -> None:
    ledger = Ledger()
    both = ledger.balance([1, 2], [await told(1, 5), await told(2, 1)])
    assert sum(len(one["families"]) > 0 for one in both) == 2
    ledger.note(await told(1, 6))
    answers = ledger.balance([2, 3], [await told(2, 2), await told(3, 0)])
    assert _chunks(answers) == (6 + 2 + 0) * 11
    again = ledger.balance([2, 3], [await told(2, 2), await told(3, 0)])
    assert _chunks(again) == (6 + 2 + 0) * 11


async def test_a_worker_that_gives_no_answer_counts_with_its_last_one() -> None:
    ledger = Ledger()
    ledger.balance([1, 2], [await told(1, 5), await told(2, 1)])
    assert _chunks(ledger.balance([1, 2], [None, await told(2, 3)])) == (5 + 3) * 11


async def test_gauges_of_the_gone_are_forgotten() -> None:
    ledger = Ledger()
    ledger.balance([1], [await told(1, 5)])
    (kept,) = ledger.balance([], [])
    assert kept["pid"] == 0
    assert {family["kind"] for family in kept["families"]} == {"counter", "histogram"}


def _chunks(answers: list[Any]) -> int:
    return sum(
        row[1] for answer in answers for family in answer["families"] if family["name"] == "gateway_stream_chunks"
        for row in family["rows"]
    )  # fmt: skip
