import asyncio
from time import sleep
from typing import Any

from gateway.telemetry.metrics import Metrics
from gateway.telemetry.system import LagWatch, SystemNumbers, watched


def test_machine_and_process_are_read() -> None:
    system = SystemNumbers()
    system.refresh()
    assert system.cpu_share is None, "the first reading is of no time at all"
    system.refresh()
    assert system.cpu_share is not None
    assert 0 <= system.cpu_share <= 1
    assert system.memory_bytes["total"] >= system.memory_bytes["used"] > 0
    assert system.disk_bytes["total"] > 0
    assert system.threads is not None
    assert system.threads >= 1
    assert system.descriptors is not None
    assert system.descriptors >= 1
    assert system.refreshed_s is not None


def test_every_number_of_the_system_is_shown() -> None:
    metrics = Metrics("1.2.3")
    for _ in range(2):
        metrics.system.refresh()
    metrics.loop_lags.observe(0.002)
    found = {family.name: family for family in metrics.registry.collect() if family.samples}
    assert {
        "gateway_system_cpu_ratio",
        "gateway_system_memory_bytes",
        "gateway_system_disk_bytes",
        "gateway_system_network_bytes",
        "gateway_open_descriptors",
        "gateway_threads",
        "gateway_event_loop_lag_seconds",
        "gateway_uptime_seconds",
    } <= found.keys()
    assert found["gateway_system_network_bytes"].type == "counter"


async def test_a_loop_that_is_blocked_is_late() -> None:
    lags: list[float] = []
    watch = LagWatch(lags.append, every_s=0.01)
    await asyncio.sleep(0.03)
    sleep(0.2)  # noqa: ASYNC251 - blocks the loop, which is the point
    await asyncio.sleep(0.03)
    watch.stop()
    assert max(lags) >= 0.15
    count = len(lags)
    await asyncio.sleep(0.05)
    assert len(lags) == count


async def test_the_numbers_are_kept_fresh_while_they_are_watched() -> None:
    metrics = Metrics("1.2.3")
    async with watched(metrics, refresh_s=0.01):
        async with asyncio.timeout(10):
            while metrics.system.cpu_share is None:
                await asyncio.sleep(0.01)
            assert "system-numbers" in {task.get_name() for task in asyncio.all_tasks()}
    # Not told by the numbers: a reading that was under way in its thread still ends.
    assert "system-numbers" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_a_reading_that_fails_is_not_the_last(monkeypatch: Any) -> None:
    metrics = Metrics("1.2.3")
    readings: list[int] = []

    def fail(_: SystemNumbers) -> None:
        readings.append(1)
        raise RuntimeError("no such machine")

    monkeypatch.setattr(SystemNumbers, "refresh", fail)
    async with watched(metrics, refresh_s=0.01):
        async with asyncio.timeout(10):
            while len(readings) < 2:
                await asyncio.sleep(0.01)
