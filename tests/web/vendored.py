"""Renews what others wrote and the API reference shows: `python -m tests.web.vendored`. Wants npm.

Each file is kept as it is in its package, compressed, with its checksum, and with the licences that go with it.
"""

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.e2e.processes import ROOT

FOLDER = ROOT / "gateway" / "web" / "vendored"
MANIFEST = FOLDER / "vendored.json"


class Package(NamedTuple):
    """A package of npm: its version, the files that are served, and the texts that go with them by their names here."""

    version: str
    files: tuple[str, ...]
    texts: Mapping[str, str]


PACKAGES: Mapping[str, Package] = {
    "swagger-ui-dist": Package(
        "5.35.0",
        ("swagger-ui-bundle.js", "swagger-ui.css"),
        {
            "swagger-ui.LICENSE": "LICENSE",
            "swagger-ui.NOTICE": "NOTICE",
            "swagger-ui-bundle.LICENSE": "swagger-ui-bundle.js.LICENSE.txt",
        },
    ),
    "redoc": Package(
        "2.5.4",
        ("bundles/redoc.standalone.js",),
        {"redoc.LICENSE": "LICENSE", "redoc.standalone.LICENSE": "bundles/redoc.standalone.js.LICENSE.txt"},
    ),
}


def main() -> None:
    """Fetch the packages and write their files anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    manifest = {name: _take(name, package) for name, package in PACKAGES.items()}
    MANIFEST.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def digest(data: bytes) -> str:
    """Return a checksum in the form of npm's."""
    return f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"


def _take(name: str, package: Package) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{name}@{package.version}"]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as files:
            found = {entry.name.removeprefix("package/"): files.extractfile(entry) for entry in files if entry.isfile()}
            read = {
                path: file.read()
                for path in (*package.files, *package.texts.values())
                if (file := found[path]) is not None
            }
        checksums = {}
        for path in package.files:
            kept = f"{Path(path).name}.gz"
            # The time is left out, so that the same file is always the same bytes.
            FOLDER.joinpath(kept).write_bytes(gzip.compress(read[path], 9, mtime=0))
            checksums[kept] = digest(read[path])
        for kept, path in package.texts.items():
            FOLDER.joinpath(kept).write_bytes(read[path])
            checksums[kept] = digest(read[path])
        return {"version": package.version, "integrity": digest(archive.read_bytes()), "files": checksums}


if __name__ == "__main__":
    sys.stdout.write(f"Fetching {', '.join(f'{name} {package.version}' for name, package in PACKAGES.items())}\n")
    main()
