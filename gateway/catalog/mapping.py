"""The content of MODEL_MAPPING_FILE: names of ours for models of the backend, and patterns of names."""

import re
from collections.abc import Mapping

from gateway.catalog.names import NameTable, without_latest
from gateway.codecs.virtual import VirtualModel, read_virtual_model
from gateway.mapping_entries import Entry

ANY_TEXT = "*"


class NameMapping:
    """The entries of the file. `virtuals` are those with a name of their own, in the file's order.

    A pattern is asked only for names that nobody has, and that with the most characters of its own first.
    """

    __slots__ = ("_names", "_patterns", "virtuals")

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        virtuals = [read_virtual_model(name.strip(), entry) for name, entry in entries.items()]
        self.virtuals = tuple(virtual for virtual in virtuals if ANY_TEXT not in virtual.name)
        self._names = NameTable({virtual.name: virtual for virtual in self.virtuals})
        patterns = [virtual for virtual in virtuals if ANY_TEXT in virtual.name]
        patterns.sort(key=lambda virtual: -len(virtual.name.replace(ANY_TEXT, "")))
        self._patterns = [(_compiled(virtual.name), virtual) for virtual in patterns]

    def find(self, name: str) -> VirtualModel | None:
        """Return the entry of `name`, in any of its forms."""
        return self._names.find(name)

    def find_pattern(self, name: str) -> VirtualModel | None:
        """Return the entry of the pattern that `name` matches, as written or without `:latest`; "" matches none."""
        if not name:
            return None
        bare = without_latest(name)
        for pattern, virtual in self._patterns:
            if pattern.fullmatch(name) or pattern.fullmatch(bare):
                return virtual
        return None


def _compiled(pattern: str) -> re.Pattern[str]:
    # Atomic groups: a part between two stars is taken where it first fits, so that no name makes the search long.
    parts = pattern.split(ANY_TEXT)
    middle = "".join(f"(?>.*?{re.escape(part)})" for part in parts[1:-1] if part)
    return re.compile(re.escape(parts[0]) + middle + ".*" + re.escape(parts[-1]), re.IGNORECASE | re.DOTALL)
