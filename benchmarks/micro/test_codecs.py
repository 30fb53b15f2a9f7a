"""A benchmark for each workload; `extra_info` says how many chunks, requests or vectors one run handles."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.workloads import WORKLOADS


@pytest.mark.parametrize("name", WORKLOADS)
def test_codec(benchmark: BenchmarkFixture, name: str) -> None:
    """Measure one codec alone."""
    workload = WORKLOADS[name]()
    benchmark.extra_info.update(units=workload.units, unit=workload.unit)
    benchmark(workload.run)
