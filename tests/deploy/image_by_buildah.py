"""The image built by buildah, which wants no daemon, on a stand-in for the base image: no registry either.

The stand-in is a small Debian with the Python that runs the tests. Its size is not that of the official base image. The
files are run with chroot, in a mount namespace: user, environment, folder and a read-only root as the image says.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.deploy.image import NAME, ROOT, Image, Line, pairs, run, variables

WANTED = ("buildah", "mmdebstrap", "unshare", "chroot")
BASE = "localhost/python-stand-in"
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
        yield Image(config, root, _own_layers_bytes(folder / "layers", store), _line(config, root))
    finally:
        run("buildah", "rm", "--all", **store)
        run("buildah", "rmi", "--all", "--force", **store)


def _line(config: Mapping[str, Any], root: Path) -> Line:
    def line(command: Sequence[str], settings: Mapping[str, str]) -> list[str]:
        private = ["unshare", "--mount", "sh", "-c", IN_PRIVATE, str(root)]
        as_user = ["chroot", f"--userspec={config['User']}", "--groups=", str(root)]
        in_folder = ["env", "--ignore-environment", f"--chdir={config['WorkingDir']}"]
        return [*private, *as_user, *in_folder, *pairs({**variables(config), **settings}), *command]

    return line


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
