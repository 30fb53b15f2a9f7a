"""The documents of the project and what stands in them: blocks of code, words in code's type, links."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOREIGN_FOLDERS = ("node_modules", "venv", "build", "dist")
_BLOCK = re.compile(r"^( *)```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of code. `line` is the first one of its text, counted from 1."""

    document: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{self.document}:{self.line}"


def documents() -> list[Path]:
    """Return the documents of the project, without those of environments and tools."""
    found: list[Path] = []
    for folder, inside, files in ROOT.walk():
        inside[:] = [name for name in inside if not name.startswith((".", *FOREIGN_FOLDERS))]
        found += [folder / name for name in files if name.endswith(".md")]
    return sorted(found)


def named(document: Path) -> str:
    """Return the name of a document, from the root."""
    return document.relative_to(ROOT).as_posix()


def blocks(document: Path) -> Iterator[Block]:
    """Yield each block of code of a document, without the spaces it is indented by."""
    text = document.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        indent, language, code = match.groups()
        line = text.count("\n", 0, match.start()) + 2
        yield Block(named(document), line, language.strip(), re.sub(f"^{indent}", "", code, flags=re.MULTILINE))


def without_code(text: str) -> str:
    """Return a document without its blocks of code."""
    return _BLOCK.sub("", text)


def quoted(document: Path) -> list[str]:
    """Return what stands between backticks in a document, outside of its blocks."""
    return re.findall(r"`([^`\n]+)`", without_code(document.read_text(encoding="utf-8")))


def links(document: Path) -> list[str]:
    """Return where the links and pictures of a document lead, in each form of Markdown; those of code left out."""
    text = re.sub(r"`[^`\n]*`", "", without_code(document.read_text(encoding="utf-8")))
    forms = (
        r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)",
        r"<(https?://[^>\s]+)>",
        r"^ {0,3}\[[^\]]+\]: *(\S+)",
        r"<[^>]*\b(?:href|src)=[\"']([^\"']+)",
    )
    return [target for form in forms for target in re.findall(form, text, re.MULTILINE)]


def prose(document: Path) -> str:
    """Return the sentences of a document: without code, addresses, comments and what links lead to."""
    text = without_code(document.read_text(encoding="utf-8"))
    for form in (r"<!--.*?-->", r"`[^`\n]*`", r"(?<=\])\([^)]*\)", r"https?://\S+", r"<[^>]+>"):
        text = re.sub(form, " ", text, flags=re.DOTALL)
    return text
