"""The pages of docs/reference: a section for each route, with its calls and the status that they are answered with."""

import re
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from tests.documents.files import ROOT, Block, blocks

PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
LANGUAGES = ("sh", "python", "js")
_HEADING = re.compile(r"^## ([A-Z]+(?:, [A-Z]+)*) (/\S*)$")


class Section(NamedTuple):
    """What a page says of one route. `status` is 0 where it does not say."""

    page: str
    methods: tuple[str, ...]
    path: str
    blocks: tuple[Block, ...]
    status: int

    @property
    def name(self) -> str:
        """What its heading says."""
        return f"{', '.join(self.methods)} {self.path}"

    @property
    def target(self) -> str:
        """Where a link in docs leads to it; the heading of `/` alone has nothing that a link could name."""
        anchor = re.sub(r"[^\w -]", "", self.name).lower().replace(" ", "-")
        return f"reference/{self.page}" + ("" if self.path == "/" else f"#{anchor}")


@cache
def sections() -> list[Section]:
    """Return all sections about routes, in the order of the pages."""
    found: list[Section] = []
    for page in PAGES:
        lines = page.read_text(encoding="utf-8").splitlines()
        starts = [at for at, line in enumerate(lines) if line.startswith("## ")] + [len(lines)]
        for start, end in pairwise(starts):
            heading = _HEADING.match(lines[start])
            if heading is None:
                continue
            said = re.search(r"^Answers (\d{3}): ", "\n".join(lines[start:end]), re.MULTILINE)
            inside = tuple(block for block in blocks(page) if start < block.line <= end)
            methods = tuple(heading[1].split(", "))
            found.append(Section(page.name, methods, heading[2], inside, int(said[1]) if said else 0))
    return found
