"""How many CPUs there are to use: a quota of time bounds them, wherever on the way up it stands."""

import os
from pathlib import Path

import pytest

from gateway.cpus import usable_cpus


@pytest.fixture(autouse=True)
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process sixteen CPUs to run on."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(16)), raising=False)


def counted(folder: Path, own: str, quotas: dict[str, str]) -> int:
    """Return the number with these `cpu.max` by the name of their group; `own`: the text that tells the own group."""
    for group, text in quotas.items():
        (folder / group).mkdir(parents=True, exist_ok=True)
        (folder / group / "cpu.max").write_text(text)
    (folder / "own").write_text(own)
    return usable_cpus(folder / "root", folder / "own")


@pytest.mark.parametrize(
    ("quota", "cpus"), [("max 100000", 16), ("400000 100000", 4), ("150000 100000", 2), ("5000 100000", 1)]
)
def test_a_quota_bounds_the_cpus_and_a_part_of_one_counts_whole(tmp_path: Path, quota: str, cpus: int) -> None:
    assert counted(tmp_path, "0::/\n", {"root": quota}) == cpus
    assert counted(tmp_path, "0::/a/b\n", {"root": "max 100000", "root/a/b": quota}) == cpus


def test_the_tightest_quota_on_the_way_up_counts(tmp_path: Path) -> None:
    quotas = {"root/a/b": "800000 100000", "root/a": "300000 100000"}
    assert counted(tmp_path, "0::/a/b\n", quotas) == 3


def test_a_group_outside_of_what_can_be_seen_bounds_nothing(tmp_path: Path) -> None:
    assert counted(tmp_path, "0::/../other\n", {"root": "max 100000", "other": "100000 100000"}) == 16


@pytest.mark.parametrize("own", ["", "12:cpu:/a\n", "0::/a\n0::/b\n"])
def test_without_groups_of_version_2_all_cpus_count(tmp_path: Path, own: str) -> None:
    assert counted(tmp_path, own, {"root": "100000 100000"}) == 16


@pytest.mark.parametrize("quota", ["", "many 100000", "100000", "100000 0"])
def test_what_is_no_quota_bounds_nothing(tmp_path: Path, quota: str) -> None:
    assert counted(tmp_path, "0::/\n", {"root": quota}) == 16


def test_files_that_are_not_there_bound_nothing(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path, tmp_path / "none") == 16


def test_this_machine_has_at_least_one() -> None:
    assert 1 <= usable_cpus() <= 16


def test_where_nobody_tells_what_a_process_may_run_on_all_there_are_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cpus(tmp_path, tmp_path / "none") == 1
