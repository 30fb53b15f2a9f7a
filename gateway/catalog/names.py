"""Names of models: the forms in which clients write one and the same name, and patterns of names."""

import re
from collections.abc import Mapping

LATEST = ":latest"
ANY_TEXT = "*"


def without_latest(name: str) -> str:
    """Return `name` without the `:latest` that Ollama's clients add (in any case)."""
    return name[: -len(LATEST)] if name[-len(LATEST) :].lower() == LATEST else name


def folded(name: str) -> str:
    """Return what all forms of one name have in common."""
    return without_latest(name).casefold()


class NameTable[Value]:
    """Finds values by name in constant time: as written, then in any case, then with `:latest` taken away or added."""

    __slots__ = ("_exact", "_folded")

    def __init__(self, values: dict[str, Value]) -> None:
        self._exact = values
        self._folded: dict[str, Value] = {}
        for name, value in values.items():
            self._folded.setdefault(name.casefold(), value)

    def find(self, name: str) -> Value | None:
        """Return the value of `name`, None where no form of it is known."""
        bare = without_latest(name)
        for form in (name, bare if bare != name else name + LATEST):
            if form in self._exact:
                return self._exact[form]
            if (any_case := form.casefold()) in self._folded:
                return self._folded[any_case]
        return None


class PatternTable[Value]:
    """Values by name, and by patterns of names in which `*` stands for any text; `named` are those without a star.

    Of several patterns that match, that with the most characters of its own counts; of equally long ones the first.
    """

    __slots__ = ("_names", "_patterns", "named")

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.named = {name: value for name, value in values.items() if ANY_TEXT not in name}
        self._names = NameTable(self.named)
        patterns = sorted(
            (name for name in values if ANY_TEXT in name), key=lambda name: -len(name.replace(ANY_TEXT, ""))
        )
        self._patterns = [(_compiled(pattern), values[pattern]) for pattern in patterns]

    def find(self, name: str) -> Value | None:
        """Return the value of `name` itself, in any of its forms."""
        return self._names.find(name)

    def find_pattern(self, name: str) -> Value | None:
        """Return the value of the pattern that `name` matches, as written or without `:latest`; "" matches none."""
        if not name or not self._patterns:
            return None
        bare = without_latest(name)
        for pattern, value in self._patterns:
            if pattern.fullmatch(name) or pattern.fullmatch(bare):
                return value
        return None


def _compiled(pattern: str) -> re.Pattern[str]:
    # Atomic groups: a part between two stars is taken where it first fits, so that no name makes the search long.
    parts = pattern.split(ANY_TEXT)
    middle = "".join(f"(?>.*?{re.escape(part)})" for part in parts[1:-1] if part)
    return re.compile(re.escape(parts[0]) + middle + ".*" + re.escape(parts[-1]), re.IGNORECASE | re.DOTALL)
