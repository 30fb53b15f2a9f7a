import json
from collections.abc import Callable

import msgspec
import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics import exposition
from prometheus_client.registry import Collector

from gateway.telemetry.families import (
    Distribution,
    Example,
    Family,
    counter,
    gauge,
    histogram,
    merged,
    metric_of,
    one_gauge,
)

TIMES = Distribution((0.1, 1.0), (1, 2, 3), 7.5, (Example(1, 0.5, "req_1", None, 100.0),))


class Shown(Collector):
    """Families for a registry."""

    def __init__(self, *families: Family) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """Return them as Prometheus' client has them."""
        return [metric_of(family) for family in self._families]


def written(*families: Family) -> str:
    registry = CollectorRegistry()
    registry.register(Shown(*families))
    generate: Callable[[CollectorRegistry], bytes] = exposition.generate_latest
    return generate(registry).decode()


def test_counters_gauges_and_histograms_of_processes_add_up() -> None:
    one = [
        counter("gateway_a", "A.", ("x",), [(("1",), 5), (("2",), 1)]),
        gauge("gateway_b", "B.", (), [((), 3)]),
        histogram("gateway_c_seconds", "C.", (), [((), TIMES)]),
    ]
    other = [
        counter("gateway_a", "A.", ("x",), [(("1",), 7), (("3",), 2)]),
        gauge("gateway_b", "B.", (), [((), 4)]),
        histogram("gateway_c_seconds", "C.", (), [((), TIMES)]),
    ]
    a, b, c = merged([one, other])
    assert {row.labels: row.value for row in a.rows} == {("1",): 12, ("2",): 1, ("3",): 2}
    assert [row.value for row in b.rows] == [7]
    (times,) = [row.value for row in c.rows]
    assert isinstance(times, Distribution)
    assert (times.counts, times.total) == ((2, 4, 6), 15.0)


@pytest.mark.parametrize(("fold", "expected"), [("max", 9), ("min", 2)])
def test_what_no_sum_says_anything_about_is_folded_otherwise(fold: str, expected: int) -> None:
    parts = [[Family("gateway_a", "A.", "gauge", (), gauge("", "", (), [((), n)]).rows, fold)] for n in (2, 9)]  # type: ignore[arg-type]  # one of its words
    assert [row.value for row in merged(parts)[0].rows] == [expected]


def test_a_build_that_all_processes_share_is_said_once() -> None:
    build = metric_of(merged([[_info()], [_info()]])[0])
    assert [sample.labels for sample in build.samples] == [{"version": "1.2.3"}]


def _info() -> Family:
    return msgspec.structs.replace(counter("gateway_build", "B.", ("version",), [(("1.2.3",), 1)]), kind="info")


def test_histograms_with_other_buckets_are_not_mixed() -> None:
    changed = Distribution((0.2, 1.0), (5, 5, 5), 1.0)
    (family,) = merged([[histogram("gateway_c", "C.", (), [((), part)])] for part in (TIMES, changed)])
    assert [row.value for row in family.rows] == [TIMES]


def test_the_latest_example_of_a_bucket_stays() -> None:
    newer = Distribution((0.1, 1.0), (0, 1, 0), 0.6, (Example(1, 0.6, "req_2", "ab" * 16, 200.0),))
    (family,) = merged([[histogram("gateway_c", "C.", (), [((), part)])] for part in (newer, TIMES)])
    (times,) = [row.value for row in family.rows]
    assert isinstance(times, Distribution)
    assert [example.request_id for example in times.examples] == ["req_2"]


def test_families_survive_the_way_to_another_process() -> None:
    families = [histogram("gateway_c", "C.", ("x",), [(("1",), TIMES)]), one_gauge("gateway_b", "B.", 1.5, fold="max")]
    sent = json.loads(json.dumps(msgspec.to_builtins(families)))
    assert msgspec.convert(sent, list[Family], strict=False) == families


def test_openmetrics_has_the_ids_of_an_example() -> None:
    traced = Distribution((0.1,), (1, 0), 0.05, (Example(0, 0.05, "req_9", "ab" * 16, 1.0),))
    text = written(histogram("gateway_c", "C.", (), [((), traced)]))
    assert f'gateway_c_bucket{{le="0.1"}} 1.0 # {{request_id="req_9",trace_id="{"ab" * 16}"}} 0.05 1.0\n' in text


def test_an_id_that_is_too_long_for_an_example_is_left_out_of_it() -> None:
    long = Distribution(
        (0.1,), (1, 1), 1.0, (Example(0, 0.05, "r" * 128, "ab" * 16, 1.0), Example(1, 1, "r" * 128, None, 1))
    )
    text = written(histogram("gateway_c", "C.", (), [((), long)]))
    assert f'# {{trace_id="{"ab" * 16}"}} 0.05' in text
    assert "rrr" not in text
