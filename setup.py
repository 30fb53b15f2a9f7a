"""What a build adds to pyproject.toml: the commit in `_version.py`, and archives that depend on nothing else."""

import gzip
import os
import re
import shutil
import sys
import tarfile
from datetime import datetime
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
# A build frontend does not put the project on the path.
sys.path.insert(0, str(ROOT))

from gateway.version import VersionFacts, version_facts  # noqa: E402 - needs the path above

VERSION_FILE = "gateway/_version.py"
EARLIEST_S = 315_532_800
"""1 January 1980 in seconds since 1970: nothing in a zip file is older."""


def source_date_s(facts: VersionFacts) -> int:
    """Return the one date of everything that is built, in seconds since 1970: as asked for, else the commit's."""
    if asked := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(asked)
    return int(datetime.fromisoformat(facts.commit_date).timestamp()) if facts.commit_date else EARLIEST_S


def write_version(folder: Path, facts: VersionFacts) -> None:
    """Write commit and date into the copy of `_version.py` below `folder`."""
    path = folder / VERSION_FILE
    text = path.read_text(encoding="utf-8")
    for name, value in (("COMMIT", facts.commit), ("COMMIT_DATE", facts.commit_date)):
        text = re.sub(rf'^{name} = ".*"$', f'{name} = "{value or ""}"', text, count=1, flags=re.MULTILINE)
    # The copy has the mode of the source, which may not be writable.
    path.unlink()
    path.write_text(text, encoding="utf-8")


def set_modes(folder: Path) -> None:
    """Give every file below `folder` the same mode: that of a checkout depends on whose it is."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


class BuildModules(build_py):
    """Copies the package, and nothing that an earlier build has left behind."""

    def run(self) -> None:
        """Build, unless the installation is editable: that one runs from the source tree."""
        if not self.editable_mode:
            shutil.rmtree(Path(self.build_lib) / "gateway", ignore_errors=True)
        super().run()
        if not self.editable_mode:
            write_version(Path(self.build_lib), version_facts())


class BuildWheel(bdist_wheel):
    """Packs a wheel in which modes are the same everywhere; its dates are SOURCE_DATE_EPOCH's."""

    def write_wheelfile(self, *arguments: Any, **options: Any) -> None:
        """Write the last file before all are packed."""
        super().write_wheelfile(*arguments, **options)
        set_modes(Path(self.bdist_dir))


class BuildSource(sdist):
    """Packs a source archive that knows its commit, with the same dates, modes and owners everywhere."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Lay out what is packed."""
        super().make_release_tree(base_dir, files)
        write_version(Path(base_dir), version_facts())

    def make_archive(self, base_name: str, format: str, *_: Any, base_dir: str, **__: Any) -> str:  # noqa: A002 - a name of setuptools
        """Pack `base_dir` and return the archive's path."""
        if format != "gztar":
            raise ValueError(f"source archives are .tar.gz, not {format}")
        date_s = int(os.environ["SOURCE_DATE_EPOCH"])

        def same_everywhere(entry: tarfile.TarInfo) -> tarfile.TarInfo:
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = date_s
            entry.mode = 0o755 if entry.isdir() else 0o644
            return entry

        path = f"{base_name}.tar.gz"
        with (
            open(path, "wb") as file,
            gzip.GzipFile("", "wb", 9, file, date_s) as packed,
            tarfile.open(mode="w", fileobj=packed) as archive,
        ):
            archive.add(base_dir, filter=same_everywhere)
        return path


os.environ["SOURCE_DATE_EPOCH"] = str(source_date_s(version_facts()))
setup(cmdclass={"build_py": BuildModules, "bdist_wheel": BuildWheel, "sdist": BuildSource})
