"""llama.cpp's `llama-server` as Debian builds it, unpacked into the tests' cache and run with the loader it came with.

The machine's own release need not have it: apt is shown a release that does, with lists and a cache of its own, and as
it knows of no installed package it brings everything along, the C library too.
"""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from tests.backends.real.installs import UnavailableError, appearing, need, run
from tests.e2e.environments import CACHE

RELEASE = "forky"
PACKAGE = "llama.cpp-tools"
PROGRAM = "llama-server"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Command(NamedTuple):
    """How a program is started: the first words of its command line, and its environment."""

    words: list[str]
    settings: dict[str, str]


def llama_server() -> Command:
    """How llama-server is started; it is fetched when it is not there.

    Where there is no apt, one on PATH is taken. Raises UnavailableError, with what is missing.
    """
    if not shutil.which("apt-get") and (own := shutil.which(PROGRAM)):
        return Command([own], {})
    root = CACHE / f"{PROGRAM}-{RELEASE}"
    if not root.exists():
        need("apt-get", "dpkg-deb")
        mirror = _mirror()
        with appearing(root) as folder:
            _unpack(mirror, folder)
            _settle(folder)
    libraries = _libraries(root)
    program = str(root / "usr" / "bin" / PROGRAM)
    # A router starts itself again by the name of its process, which is the loader's, with this variable's value as the
    # first argument: so the loader is told there, too, what to run.
    settings = {"LD_LIBRARY_PATH": f"{libraries}:{libraries / 'llama'}", "LLAMA_APP_CMD": program}
    return Command([str(next(libraries.glob("ld-linux*.so.*"))), program], settings)


def _mirror() -> str:
    """The address of the Debian archive that this machine uses."""
    if named := os.environ.get("DEBIAN_MIRROR"):
        return named
    addresses = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]).split()
    for address in addresses:
        if address.rstrip("/").endswith("/debian"):
            return address
    raise UnavailableError("apt has no Debian archive among its sources: name one in DEBIAN_MIRROR")


def _unpack(mirror: str, folder: Path) -> None:
    if not _KEYRING.exists():
        raise UnavailableError(f"{_KEYRING} not found: the package debian-archive-keyring has it")
    own = folder / "apt"
    for part in ("lists/partial", "cache/archives/partial"):
        (own / part).mkdir(parents=True)
    (own / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {mirror} {RELEASE} main\n")
    options = {
        "Dir::Etc::SourceList": own / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": own / "lists",
        "Dir::State::Status": "/dev/null",
        "Dir::Cache": own / "cache",
        "Acquire::Languages": "none",
        "APT::Update::Error-Mode": "any",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    run([*apt, "update"])
    run([*apt, "--yes", "--download-only", "install", PACKAGE])
    for package in (own / "cache" / "archives").glob("*.deb"):
        run(["dpkg-deb", "--extract", package, folder])
    shutil.rmtree(own)


def _settle(folder: Path) -> None:
    """Put what is looked for beside the running program, which is the loader, beside it."""
    libraries = _libraries(folder)
    for part in libraries.glob("ggml/backends*/*.so"):
        (libraries / part.name).symlink_to(part.relative_to(libraries))


def _libraries(folder: Path) -> Path:
    found = next((folder / "usr" / "lib").glob("*-linux-gnu*"), None)
    if found is None:
        raise UnavailableError(f"the package {PACKAGE} of {RELEASE} is not as expected")
    return found
