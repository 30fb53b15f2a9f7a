"""Runs a command and starts it anew whenever a Python file changes: `reload.py FOLDER COMMAND...`.

It compares times of files: events of a file system do not reach a container from every kind of machine.
"""

import signal
import subprocess  # for the command it was given # nosec B404
import sys
import threading
from contextlib import suppress
from pathlib import Path

LOOK_EVERY_S = 0.5
END_WITHIN_S = 2.0
"""How long the command may finish what it does; then comes the second signal, which ends it at once."""

type Stamps = dict[Path, int]


def stamps(folder: Path) -> Stamps:
    """Return when each Python file below the folder was changed, in nanoseconds since 1970."""
    found: Stamps = {}
    # Unlike rglob, it passes over a folder that is removed meanwhile, as another branch of git removes some.
    for below, _, files in folder.walk():
        for path in (below / name for name in files if name.endswith(".py")):
            # Editors write a new file and move it over the old one.
            with suppress(FileNotFoundError):
                found[path] = path.stat().st_mtime_ns
    return found


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start the command: the words this program was given, without a shell."""
    return subprocess.Popen(command)  # noqa: S603 - it runs what its user typed behind its name, with that user's rights, and without a shell # nosec B603


def end(process: subprocess.Popen[bytes]) -> int:
    """End the command and return its exit code."""
    for _ in range(2):
        process.terminate()
        try:
            return process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    return process.wait()


def watch(folder: Path, command: list[str]) -> int:
    """Run the command until a signal; return the last exit code. One that fails waits for the next change."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    seen, process = stamps(folder), start(command)
    while not stop.wait(LOOK_EVERY_S):
        now = stamps(folder)
        if now != seen:
            sys.stderr.write("reload: a file changed, starting again\n")
            end(process)
            seen, process = now, start(command)
    return end(process)


if __name__ == "__main__":
    sys.exit(watch(Path(sys.argv[1]), sys.argv[2:]))
