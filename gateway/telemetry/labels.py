"""Labels that stay few: whatever clients name, Prometheus gets a bounded number of series."""

OTHER = "other"
MAX_MODELS = 100
MAX_KEYS = 200
MAX_PAIRS = 1000
"""So many pairs of model and key are told apart."""
_LONGEST_NAME = 200


class Names:
    """The first `limit` names that come stand for themselves; all others are "other". `refused` counts those."""

    __slots__ = ("_known", "_limit", "refused")

    def __init__(self, limit: int) -> None:
        self._known: set[str] = set()
        self._limit = limit
        self.refused = 0

    def __len__(self) -> int:
        return len(self._known)

    def label(self, name: str | None) -> str:
        """Return the label for a name; "other" where there is none, and where it is none that can be shown."""
        if not name:
            return OTHER
        if name in self._known:
            return name
        if len(self._known) >= self._limit or len(name) > _LONGEST_NAME or not name.isprintable():
            self.refused += 1
            return OTHER
        self._known.add(name)
        return name
