"""Texts for a terminal: what a backend says may hold anything."""

import textwrap
from collections.abc import Sequence


def plain(text: str) -> str:
    """Return one line; what a terminal would obey becomes a question mark."""
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))


def shortened(text: str, width: int) -> str:
    """Return at most `width` characters, an ellipsis the last where some are missing."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def aligned(rows: Sequence[tuple[str, str]], *, width: int, indent: str = "") -> list[str]:
    """Return lines of names and values in two columns, long values wrapped below themselves."""
    first = max((len(name) for name, _ in rows), default=0)
    lines: list[str] = []
    for name, value in rows:
        start = f"{indent}{plain(name):<{first}}  "
        rest = " " * len(start)
        wrapped = textwrap.wrap(plain(value), max(width, len(start) + 20), initial_indent=start, subsequent_indent=rest)
        lines += wrapped or [start.rstrip()]
    return lines
