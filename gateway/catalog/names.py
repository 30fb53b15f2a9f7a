"""Names of models: the forms in which clients write one and the same name."""

LATEST = ":latest"


def without_latest(name: str) -> str:
    """Return `name` without the `:latest` that Ollama's clients add (in any case)."""
    return name[: -len(LATEST)] if name[-len(LATEST) :].lower() == LATEST else name


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
            if (folded := form.casefold()) in self._folded:
                return self._folded[folded]
        return None
