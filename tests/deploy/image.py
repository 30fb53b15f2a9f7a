"""The image, really built: by buildah, which wants no daemon, on a stand-in for the base image: no registry either.

The stand-in is a small Debian with the Python that runs the tests. Its size is not that of the official base image.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WANTED = ("buildah", "mmdebstrap", "unshare", "chroot")
BASE = "localhost/python-stand-in"
NAME = "localhost/gateway-under-test"
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
LIBRARIES = "ca-certificates,libbz2-1.0,libexpat1,libffi8,liblzma5,libreadline8,libsqlite3-0,libssl3,libuuid1,zlib1g"
"""What Python's own modules are linked with."""
NOT_IN_PYTHON = ("__pycache__", "site-packages", "test", "tests", "idlelib", "tkinter", "config-3.*", "*.a", "*.pyc")
NOT_IN_DEBIAN = ("./usr/share/doc", "./usr/share/man", "./usr/share/locale", "./var/lib/apt/lists", "./dev")
IN_PRIVATE = (
    'mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" '
    '&& mount -o remount,bind,ro "$0" && exec "$@"'
)
"""Runs a command with the folder $0 read-only, for this command alone."""


def why_not() -> str | None:
    """Return what is missing for a build, or None."""
    missing = [name for name in WANTED if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if sys.version_info[:2] != (3, 12):
        return "the stand-in for the base image is made of the running Python, which is not 3.12"
    return None if os.geteuid() == 0 else "building and mounting without a daemon wants root"


def run(*command: str | Path, **environment: str) -> str:
    """Run a command that must succeed; return its output."""
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: what it says of itself, and its files."""

    config: dict[str, Any]
    root: Path
    own_layers_bytes: int
    """The layers above the base image, uncompressed."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment that the image gives to what it runs."""
        return dict(entry.split("=", 1) for entry in self.config["Env"])

    def start(self, command: Sequence[str], **settings: str) -> subprocess.Popen[bytes]:
        """Start a command as a container would: its user, its environment, its folder, nothing to be written to."""
        private = ["unshare", "--mount", "sh", "-c", IN_PRIVATE, str(self.root)]
        as_user = ["chroot", f"--userspec={self.config['User']}", "--groups=", str(self.root)]
        in_folder = ["env", "--ignore-environment", f"--chdir={self.config['WorkingDir']}"]
        return subprocess.Popen(
            [*private, *as_user, *in_folder, *pairs({**self.environment, **settings}), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *command: str, **settings: str) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it said."""
        process = self.start(command, **settings)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said.decode()


def pairs(environment: Mapping[str, str]) -> list[str]:
    """Return an environment as `env` takes it."""
    return [f"{name}={value}" for name, value in environment.items()]


@contextmanager
def built_image(folder: Path) -> Iterator[Image]:
    """Build with docker/build.sh in a store of its own below `folder`; it is gone afterwards."""
    storage = folder / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n')
    store = {"CONTAINERS_STORAGE_CONF": str(storage), "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(folder)}
    _download_wheels(folder / "wheels")
    _make_base(folder / "base", store)
    names = {"BUILDER": "buildah", "PYTHON_IMAGE": BASE, "IMAGE": NAME}
    run("docker/build.sh", "--volume", f"{folder}/wheels:/wheels:ro", **store, **names)
    container = run("buildah", "from", NAME, **store).strip()
    try:
        config = json.loads(run("buildah", "inspect", "--type", "image", NAME, **store))["Docker"]["config"]
        root = Path(run("buildah", "mount", container, **store).strip())
        yield Image(config, root, _own_layers_bytes(folder / "layers", store))
    finally:
        run("buildah", "rm", "--all", **store)
        run("buildah", "rmi", "--all", "--force", **store)


def _download_wheels(folder: Path) -> None:
    command = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes")
    run(*command, "--only-binary", ":all:", "--dest", folder, "--requirement", ROOT / "requirements.txt")


def _make_base(folder: Path, store: Mapping[str, str]) -> None:
    """Make the stand-in: Debian with apt, this Python at the place of the official image's, pip reading /wheels."""
    archive = f"{folder}.tar"
    run("mmdebstrap", "--quiet", "--variant=apt", f"--include={LIBRARIES}", "bookworm", archive)
    folder.mkdir()
    run("tar", "-C", folder, *(f"--exclude={name}" for name in NOT_IN_DEBIAN), "-xf", archive)
    (folder / "dev").mkdir()
    _copy_python(folder)
    (folder / "etc/pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    container = run("buildah", "from", "scratch", **store).strip()
    run("buildah", "add", "--quiet", container, folder, "/", **store)
    run("buildah", "config", "--env", f"PATH={PATH}", "--cmd", "python3", container, **store)
    run("buildah", "commit", "--quiet", "--rm", container, BASE, **store)


def _copy_python(folder: Path) -> None:
    local, prefix = folder / "usr/local", Path(sys.base_prefix)
    ignored = shutil.ignore_patterns(*NOT_IN_PYTHON)
    shutil.copytree(prefix / "lib/python3.12", local / "lib/python3.12", ignore=ignored, symlinks=True)
    (local / "lib/python3.12/site-packages").mkdir()
    shutil.copy2(prefix / "bin/python3.12", local / "bin/python3.12")
    for name in ("python", "python3"):
        (local / "bin" / name).symlink_to("python3.12")
    for library in (prefix / "lib").glob("libpython3.12.so*"):
        shutil.copy2(library, local / "lib" / library.name, follow_symlinks=False)
    if shutil.which("strip"):
        for library in local.rglob("*.so*"):
            if not library.is_symlink():
                run("strip", "--strip-unneeded", library)
    run("chroot", folder, "ldconfig")
    run("chroot", folder, "/usr/local/bin/python", "-m", "ensurepip", PYTHONDONTWRITEBYTECODE="1")


def _own_layers_bytes(folder: Path, store: Mapping[str, str]) -> int:
    sizes: list[list[int]] = []
    for name in (BASE, NAME):
        target = folder / name.rpartition("/")[2]
        target.mkdir(parents=True)
        run("buildah", "push", "--quiet", "--disable-compression", name, f"dir:{target}", **store)
        layers = json.loads((target / "manifest.json").read_text())["layers"]
        sizes.append([(target / layer["digest"].partition(":")[2]).stat().st_size for layer in layers])
    base, whole = sizes
    assert whole[: len(base)] == base
    return sum(whole[len(base) :])


def unpacked_bytes(root: Path) -> int:
    """Return the size of all files below a folder."""
    found = [path.lstat() for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum({(entry.st_dev, entry.st_ino): entry.st_size for entry in found}.values())
