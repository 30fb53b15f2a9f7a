"""The image built and run by a docker daemon, on the base image that docker/Dockerfile names."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.image import NAME, ROOT, Image, pairs, run

LABEL = "gateway-under-test"
TIGHT = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")


def why_not() -> str | None:
    """Return what is missing for a build, or None."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    if sys.platform != "linux":
        return "containers share the network with the tests, which is possible on Linux alone"
    asked = ["docker", "info", "--format", "{{.OSType}}"]
    answered = subprocess.run(asked, capture_output=True, text=True, check=False)
    return None if answered.stdout.strip() == "linux" else "docker is installed, but no daemon answers"


@contextmanager
def built_image(folder: Path) -> Iterator[Image]:
    """Build with docker/build.sh; image and containers are gone afterwards, the base image stays."""
    base = os.environ.get("PYTHON_IMAGE") or _base_of_the_dockerfile()
    if not run("docker", "image", "ls", "--quiet", base).strip():
        run("docker", "pull", "--quiet", base)
    try:
        run("docker/build.sh", BUILDER="docker", PYTHON_IMAGE=base, IMAGE=NAME)
        (described,) = json.loads(run("docker", "image", "inspect", NAME))
        own_layers_bytes = _layers_bytes(NAME) - _layers_bytes(base)
        yield Image(described["Config"], _unpack(folder), own_layers_bytes, _line)
    finally:
        _remove("container", run("docker", "container", "ls", "--all", "--quiet", f"--filter=label={LABEL}"))
        _remove("image", run("docker", "image", "ls", "--quiet", NAME))


def _line(command: Sequence[str], settings: Mapping[str, str]) -> list[str]:
    program, *arguments = command
    given = [f"--env={pair}" for pair in pairs(settings)]
    start = ["docker", "run", "--rm", f"--label={LABEL}", "--network=host", *TIGHT]
    return [*start, *given, f"--entrypoint={program}", NAME, *arguments]


def _base_of_the_dockerfile() -> str:
    (name,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
    return str(name)


def _layers_bytes(image: str) -> int:
    sizes = run("docker", "image", "history", "--human=false", "--format={{.Size}}", image)
    return sum(map(int, sizes.split()))


def _unpack(folder: Path) -> Path:
    """Return a folder with the image's files, which the daemon keeps where only root can read."""
    archive, root = folder / "image.tar", folder / "root"
    root.mkdir()
    container = run("docker", "container", "create", f"--label={LABEL}", NAME).strip()
    run("docker", "container", "export", f"--output={archive}", container)
    run("tar", "--no-same-owner", "--exclude=dev/*", "-C", root, "-xf", archive)
    archive.unlink()
    return root


def _remove(kind: str, listed: str) -> None:
    if found := set(listed.split()):
        run("docker", kind, "rm", "--force", *found)
