"""Another commit of this project as a folder beside it, for as long as it is measured."""

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.targets import ROOT, TargetError


@asynccontextmanager
async def checkout(revision: str, repository: Path = ROOT) -> AsyncIterator[tuple[Path, str]]:
    """Yield a folder with the files of a revision, and its short hash. Raises TargetError for one that is unknown."""
    if revision.startswith("-"):
        raise TargetError(f"{revision!r} is no revision")
    commit = await _git(repository, "rev-parse", "--short", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    with TemporaryDirectory(prefix="bench-") as folder:
        tree = Path(folder, "tree")
        await _git(repository, "worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            yield tree, commit
        finally:
            await _git(repository, "worktree", "remove", "--force", str(tree))


async def _git(repository: Path, *arguments: str) -> str:
    try:
        process = await asyncio.create_subprocess_exec("git", *arguments, cwd=repository, stdout=PIPE, stderr=PIPE)
    except FileNotFoundError:
        raise TargetError("git is not installed") from None
    said, complaint = await process.communicate()
    if process.returncode:
        raise TargetError(f"git {arguments[0]}: {complaint.decode('utf-8', 'replace').strip()}")
    return said.decode().strip()
