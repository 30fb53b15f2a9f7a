"""How a worker is started: what it is given, and what happens where no process can be made."""

import os
import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway import worker_process
from gateway.relay import Relay
from gateway.worker_process import Inherited, Plan, StartError, WorkerProcess
from tests.telemetry.capture import captured_logging

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no workers on Windows")


async def test_an_interpreter_that_is_gone_is_a_failed_start_and_leaves_no_descriptor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    readable, held = os.pipe()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, captured_logging("INFO", []) as log:
        plan = Plan(listener, activated=False, lifeline=readable, arguments=(), topics={}, relay=Relay("t"))
        before = len(os.listdir("/dev/fd"))
        with pytest.raises(StartError):
            await WorkerProcess.start(0, plan)
        assert len(os.listdir("/dev/fd")) == before
    assert b"No such file" in log.getvalue()
    os.close(readable)
    os.close(held)


def test_what_is_handed_over_is_read_as_it_was_written() -> None:
    inherited = Inherited(3, 4, 5, 1, 0)
    assert Inherited.parse(str(inherited)) == inherited
    with pytest.raises((ValueError, TypeError)):
        Inherited.parse("3,4")


def test_what_a_service_manager_means_for_the_supervisor_alone_does_not_reach_workers() -> None:
    environ = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "1", "LISTEN_FDS": "1", "LISTEN_PID": "1", "HOME": "/"}
    kept = worker_process._environment(environ)
    kept.pop("PYTHONPATH", None)
    assert kept == {"HOME": "/"}


@pytest.mark.parametrize("installed", [True, False])
def test_a_checkout_is_added_to_where_workers_look_and_an_installed_package_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: bool
) -> None:
    root = Path(worker_process.__file__).parents[1]
    monkeypatch.setattr(sys, "path", [str(tmp_path if installed else root), *sys.path])
    given = worker_process._environment({"PYTHONPATH": "/elsewhere"})["PYTHONPATH"]
    assert given == ("/elsewhere" if installed else f"{root}{os.pathsep}/elsewhere")
