"""The content of MODEL_MAPPING_FILE: names of ours for models of the backends, and patterns of names."""

from collections.abc import Mapping

from gateway.catalog.names import PatternTable
from gateway.codecs.virtual import VirtualModel, read_virtual_model
from gateway.mapping_entries import Entry


class NameMapping:
    """The entries of the file. `virtuals` are those with a name of their own, in the file's order.

    A pattern is asked only for names that nobody has, and that with the most characters of its own first.
    """

    __slots__ = ("_table", "virtuals")

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        virtuals = [read_virtual_model(name.strip(), entry) for name, entry in entries.items()]
        self._table = PatternTable({virtual.name: virtual for virtual in virtuals})
        self.virtuals = tuple(self._table.named.values())

    def find(self, name: str) -> VirtualModel | None:
        """Return the entry of `name`, in any of its forms."""
        return self._table.find(name)

    def find_pattern(self, name: str) -> VirtualModel | None:
        """Return the entry of the pattern that `name` matches, as written or without `:latest`; "" matches none."""
        return self._table.find_pattern(name)
