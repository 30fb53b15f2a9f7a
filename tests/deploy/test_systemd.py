"""The unit, its settings and its installation. `docs/systemd.md` says what was tried under a real service manager."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from configparser import RawConfigParser
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from gateway.cli import EXIT_BAD_SETTINGS
from gateway.config import Config, settings
from gateway.stopping import LAST_WORDS_S
from tests.e2e.processes import START_WITHIN_S, STOP_WITHIN_S, free_port

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "systemd"
UNIT = SYSTEMD / "ollama-openai-proxy.service"
SOCKET = SYSTEMD / "ollama-openai-proxy.socket"
ADDRESSES = SYSTEMD / "restrict-addresses.conf"
PREFIX = "/opt/ollama-openai-proxy"
ENVIRONMENT = "/etc/ollama-openai-proxy/environment"
EXPOSURE = 1.1
DRAIN_S = Config.from_mapping({}).listen.shutdown_grace_s
ANALYZE = shutil.which("systemd-analyze")
wants_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed (package systemd)")
NOT_SHIPPED = (".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__")


def service() -> dict[str, str]:
    """Return the options of the unit's [Service]; of one that stands twice, the last."""
    parser = RawConfigParser(strict=False, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as the documentation of configparser does it
    parser.read(UNIT, encoding="utf-8")
    return dict(parser["Service"])


# The unit


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Return the unit as it lies on a server, with a program and a folder that this machine has."""
    text = UNIT.read_text(encoding="utf-8")
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace(f"{PREFIX}/venv/bin/python", "/bin/true").replace(PREFIX, "/"), encoding="utf-8")
    return copy


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze; it must find nothing to say of an error."""
    return subprocess.run([ANALYZE or "", *arguments], capture_output=True, text=True, check=False)


@wants_systemd
def test_the_unit_is_clean(unit: Path) -> None:
    verified = analyze("verify", unit)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@wants_systemd
def test_the_unit_is_clean_with_its_drop_in(unit: Path) -> None:
    folder = unit.with_name(f"{unit.name}.d")
    folder.mkdir()
    shutil.copy(ADDRESSES, folder)
    verified = analyze("verify", unit)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@wants_systemd
def test_the_socket_is_clean_and_starts_the_unit(unit: Path) -> None:
    shutil.copy(SOCKET, unit.parent)
    verified = analyze("verify", unit.with_name(SOCKET.name))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    assert SOCKET.stem == UNIT.stem


def test_the_socket_listens_where_the_program_would() -> None:
    listen = Config.from_mapping({}).listen
    assert f"\nListenStream={listen.host}:{listen.port}\n" in SOCKET.read_text(encoding="utf-8")


@wants_systemd
def test_the_unit_exposes_little(unit: Path) -> None:
    judged = analyze("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE * 10:.0f}", unit)
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", judged.stdout)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert exposure is not None
    assert float(exposure[1]) <= EXPOSURE


def test_the_metrics_of_the_process_are_not_hidden() -> None:
    assert "ProcSubset" not in service()


def test_the_drop_in_denies_every_address_it_does_not_name() -> None:
    lines = [line for line in ADDRESSES.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert lines == ["[Service]", "IPAddressDeny=any", "IPAddressAllow=localhost"]


def test_systemd_waits_longer_for_the_end_than_the_drain_takes() -> None:
    # What is left is for the last probe, the event loop and a busy machine.
    assert int(service()["TimeoutStopSec"]) >= DRAIN_S + LAST_WORDS_S + 10


def test_systemd_waits_for_the_programs_own_word_and_starts_it_again_when_it_fails() -> None:
    options = service()
    assert (options["Type"], options["NotifyAccess"], options["Restart"]) == ("notify", "main", "on-failure")
    assert int(options["WatchdogSec"]) >= 10


def test_a_reload_is_the_signal_that_the_program_knows_and_wants_no_program_but_the_shell() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        # systemd sets the variable, and replaces it only where it is a word of its own.
        reload = subprocess.run(
            shlex.split(service()["ExecReload"]), env={"MAINPID": str(process.pid), "PATH": "/nonexistent"}, check=False
        )
        if reload.returncode != 0:
            process.kill()
    assert (reload.returncode, process.returncode) == (0, -signal.SIGHUP)


def test_bad_settings_are_not_tried_again() -> None:
    assert service()["RestartPreventExitStatus"] == str(EXIT_BAD_SETTINGS)


# The settings


def test_the_environment_file_lists_every_setting_with_its_default_and_description() -> None:
    text = (SYSTEMD / "environment.example").read_text(encoding="utf-8")
    listed = re.findall(r"^# (.+)\n# Expected: (.+)\n#(\w+)=(.*)$", text, re.MULTILINE)
    assert [(said, name, default) for said, _, name, default in listed] == [
        (row.description, row.name, row.default) for row in settings()
    ]
    assert [expected.partition(". Example: ")[0] for _, expected, _, _ in listed] == [row.right for row in settings()]


def test_nothing_in_the_environment_file_is_set_as_it_comes() -> None:
    lines = (SYSTEMD / "environment.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_the_unit_sets_nothing_that_the_environment_file_cannot_change() -> None:
    options = service()
    assert options["EnvironmentFile"] == f"-{ENVIRONMENT}"
    assert "Environment" not in options


def test_the_document_names_the_figures_and_paths_of_the_unit() -> None:
    text = (ROOT / "docs" / "systemd.md").read_text(encoding="utf-8")
    options = service()
    half = int(options["WatchdogSec"]) // 2
    for said in (
        ENVIRONMENT,
        f"{PREFIX}/venv",
        f"every {half} seconds",
        f"After {options['WatchdogSec']} seconds of silence",
        f"running ones have {DRAIN_S:.0f} seconds to finish, streams then {LAST_WORDS_S:.0f} more",
        f"systemd waits {options['TimeoutStopSec']} seconds",
        f"again after {options['RestartSec']} seconds",
        f"says {EXPOSURE}",
    ):
        assert said in text


# The installation


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout that nobody works on meanwhile."""
    copy = tmp_path_factory.mktemp("a checkout") / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_SHIPPED))
    return copy


def install(checkout: Path, stage: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script of a checkout with everything below `stage`."""
    return subprocess.run(
        ["sh", str(checkout / "systemd" / "install.sh"), *arguments],
        env={**os.environ, "DESTDIR": str(stage), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def stage(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the service was installed once."""
    folder = tmp_path_factory.mktemp("stage")
    done = install(checkout, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of the last change of everything below a folder, in nanoseconds."""
    found = {str(path): path.lstat() for path in folder.rglob("*") if "__pycache__" not in path.parts}
    return {path: (status.st_ino, status.st_mtime_ns) for path, status in found.items() if not Path(path).is_dir()}


def test_a_second_installation_changes_nothing(checkout: Path, stage: Path) -> None:
    before = contents(stage)
    again = install(checkout, stage)
    assert (again.returncode, again.stdout) == (0, "Everything is as it should be.\n")
    assert contents(stage) == before


def test_a_later_installation_repairs_the_unit_and_keeps_the_settings(checkout: Path, stage: Path) -> None:
    unit, environment = stage / f"etc/systemd/system/{UNIT.name}", stage / ENVIRONMENT[1:]
    assert environment.stat().st_mode & 0o777 == 0o600
    environment.write_text("PROXY_PORT=8080\n", encoding="utf-8")
    unit.write_text("", encoding="utf-8")
    assert install(checkout, stage).stdout == f"wrote {unit}\n"
    assert unit.read_bytes() == UNIT.read_bytes()
    assert environment.read_text(encoding="utf-8") == "PROXY_PORT=8080\n"


def test_a_later_installation_repairs_a_program_that_does_not_run(checkout: Path, stage: Path) -> None:
    program = stage / PREFIX[1:]
    (module,) = (program / "venv").glob("lib/python*/site-packages/gateway/cli.py")
    module.unlink()
    again = install(checkout, stage)
    assert (again.returncode, again.stdout.startswith("installed ollama-openai-proxy ")) == (0, True), again.stderr
    assert module.is_file()


def test_nothing_that_is_run_names_the_folder_it_was_staged_in(stage: Path) -> None:
    command = (stage / PREFIX[1:] / "venv/bin/ollama-openai-proxy").read_text(encoding="utf-8")
    assert f"{PREFIX}/venv-" in command
    assert str(stage) not in command


def test_a_failed_update_leaves_what_was_installed(checkout: Path, stage: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt"
    shutil.copytree(checkout, spoilt)
    lock = spoilt / "requirements.txt"
    lock.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", lock.read_text(encoding="utf-8")), encoding="utf-8")
    before = contents(stage)
    assert install(spoilt, stage).returncode != 0
    assert contents(stage) == before


def test_a_wheel_is_installed_in_place_of_the_checkout(checkout: Path, stage: Path, tmp_path: Path) -> None:
    source, program = tmp_path / "source", stage / PREFIX[1:]
    shutil.copytree(checkout, source)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    subprocess.run(build, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    before = (program / "venv").readlink()
    done = install(checkout, stage, str(wheel))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (program / "venv").readlink() != before
    assert [path.name for path in program.glob("venv-*")] == [str((program / "venv").readlink())]


def test_the_removal_leaves_the_settings(checkout: Path, stage: Path, tmp_path: Path) -> None:
    copy = tmp_path / "stage"
    shutil.copytree(stage, copy, symlinks=True)
    foreign = copy / PREFIX[1:] / "venv-of-somebody" / "file"
    foreign.parent.mkdir()
    foreign.touch()
    assert install(checkout, copy, "--uninstall").returncode == 0
    left = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert left == {ENVIRONMENT[1:], str(foreign.relative_to(copy))}


REFUSED: dict[str, tuple[list[str], dict[str, str], str]] = {
    "a Python in a home": ([], {"PYTHON": "echo /home/somebody"}, "/home/somebody is in a home"),
    "a Python that is too old": ([], {"PYTHON": "exit 1"}, "is not a Python 3.12"),
    "a program in a home": ([], {"PREFIX": "/home/somebody"}, "is in a home"),
    "a path that a unit cannot hold": ([], {"PREFIX": "/opt/a b"}, "not an absolute path of plain letters"),
    "everything": (["--uninstall"], {"PREFIX": "/"}, "not an absolute path of plain letters"),
    "a folder of the moment": (["--uninstall"], {"DESTDIR": "stage"}, "DESTDIR=stage is not an absolute path"),
    "an option that is none": (["--remove"], {}, "unknown option --remove"),
    "two wheels": (["a.whl", "b.whl"], {}, "takes one argument, not 2"),
    "a wheel that is not there": (["a.whl"], {}, "there is no a.whl"),
    "what is no wheel": (["setup.py"], {}, "setup.py is not a wheel"),
}


@pytest.mark.parametrize(("arguments", "given", "said"), REFUSED.values(), ids=REFUSED)
def test_the_script_refuses(arguments: list[str], given: dict[str, str], said: str, tmp_path: Path) -> None:
    # Programs that change something only write their names down: a missing refusal must not hurt this machine.
    programs, called = tmp_path / "programs", tmp_path / "called"
    programs.mkdir()
    script = given.get("PYTHON", "echo /usr")
    for name in ("install", "ln", "mkdir", "mktemp", "rm", "rmdir", "systemctl", "tar"):
        write_program(programs / name, f"echo {name} >>{shlex.quote(str(called))}; exit 1")
    write_program(tmp_path / "python", script)
    refused = subprocess.run(
        ["sh", str(SYSTEMD / "install.sh"), *arguments],
        env={**given, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHON": str(tmp_path / "python")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (refused.returncode, said in refused.stderr, called.exists()) == (1, True, False), refused.stderr


def write_program(path: Path, script: str) -> None:
    """Write an executable shell script."""
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


# The program, under what comes near the unit's restrictions where no service manager runs

RESTRICTED = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_MDWE = 65  # older kernels do not know it, and then go without
libc.prctl(PR_SET_MDWE, 1, 0, 0, 0)
os.umask(0o077)
os.execv(sys.argv[1], sys.argv[1:])
"""


def can_restrict() -> bool:
    """Tell whether this user may make a mount namespace with a read-only root."""
    if sys.platform != "linux" or not (shutil.which("unshare") and shutil.which("setpriv")):
        return False
    tried = ["unshare", "--mount", "--", "mount", "-o", "remount,bind,ro", "/"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def read(url: str) -> str:
    """Return the body of a page of this machine, asked for without a proxy."""
    with build_opener(ProxyHandler({})).open(url, timeout=START_WITHIN_S) as response:
        return str(response.read().decode())


def read_when_served(url: str, process: subprocess.Popen[bytes]) -> str:
    deadline_s = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            return read(url)
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"not served (exit code {process.poll()})")


@pytest.mark.skipif(not can_restrict(), reason="wants root on Linux, unshare and setpriv (package util-linux)")
def test_the_program_runs_and_shows_its_metrics_without_rights_on_a_read_only_root(stage: Path) -> None:
    start = service()["ExecStart"].replace(PREFIX, str(stage) + PREFIX).split()
    port = free_port()
    process = subprocess.Popen(
        [
            *("unshare", "--mount", "--ipc", "--", "sh", "-c", 'mount -o remount,bind,ro / && exec "$@"', "sh"),
            *("setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"),
            *(start[0], "-I", "-c", RESTRICTED, *start),
        ],
        cwd="/",
        env={"OPENAI_API_BASE_URL": "http://127.0.0.1:9/v1", "PROXY_PORT": str(port)},
    )
    try:
        shown = read_when_served(f"http://127.0.0.1:{port}/metrics", process)
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_WITHIN_S) == 0
    finally:
        process.kill()
        process.wait()
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"} <= set(shown.split())
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
