"""`make fuzz`: schemathesis against a gateway process before a demo backend process, for two minutes at most."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e import processes
from tests.fuzz.document import as_json

REQUIREMENTS = Path(__file__).with_name("requirements-fuzz.txt")
CACHE = processes.ROOT / ".e2e_cache"
BUDGET_S = 90
"""For requests. What was found is then made smaller, and the processes start and end: two minutes in all."""
GIVE_UP_S = 120
CHECKS = "only_listed_server_errors,errors_in_the_shape_of_the_dialect,streams_end_honestly"


def main() -> int:
    """Run it. Returns schemathesis' own exit code: 0 when nothing was found."""
    program = schemathesis()
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.joinpath("openapi.json").write_text(as_json(), "utf-8")
        with (
            processes.demo_backend(folder) as backend,
            processes.gateway(folder, OPENAI_API_BASE_URL=backend.url, MAX_RETRIES="0", LOG_LEVEL="WARNING") as gateway,
        ):
            return _run(program, folder, gateway.url)


def _run(program: Path, folder: Path, url: str) -> int:
    command = [
        str(program),
        "run",
        "openapi.json",
        *("--url", url),
        *("--checks", CHECKS),
        *("--phases", "coverage,fuzzing"),
        *("--max-time", str(BUDGET_S)),
        *("--request-timeout", "20"),
        *("--generation-database", "none"),
        *("--suppress-health-check", "all"),
        *("--warnings", "off"),
        *sys.argv[1:],
    ]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(processes.ROOT),
        "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
        "NO_PROXY": "127.0.0.1",
    }
    try:
        return subprocess.run(command, cwd=folder, env=environment, check=False, timeout=GIVE_UP_S).returncode
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"stopped after {GIVE_UP_S} s, nothing was found until then\n")
        return 0


def schemathesis() -> Path:
    """The program, in an environment that holds exactly what the lock says; made when it is not there."""
    folder = CACHE / f"fuzz-python{sys.version_info.major}.{sys.version_info.minor}"
    lock = folder / "lock"
    if not lock.exists() or lock.read_bytes() != REQUIREMENTS.read_bytes():
        sys.stdout.write(f"Installing {REQUIREMENTS.name} into {folder.relative_to(processes.ROOT)}\n")
        sys.stdout.flush()
        shutil.rmtree(folder, ignore_errors=True)
        CACHE.mkdir(exist_ok=True)
        (CACHE / ".gitignore").write_text("*\n")
        _quietly(sys.executable, "-m", "venv", str(folder))
        pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _quietly(*pip, "--require-hashes", "-r", str(REQUIREMENTS))
        shutil.copyfile(REQUIREMENTS, lock)
    return folder / "bin" / "st"


def _quietly(*command: str) -> None:
    # A PYTHONPATH of the caller would let pip find packages there and leave them out.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}")


if __name__ == "__main__":
    sys.exit(main())
