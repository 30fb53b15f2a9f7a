"""Which models a key may use."""

from fnmatch import fnmatchcase

from gateway.callers import Caller

_LATEST = ":latest"


def allowed(caller: Caller, model: str) -> bool:
    """Whether the caller may use `model`: one of its globs matches, in any case, with or without `:latest`."""
    if caller.models is None:
        return True
    name = _folded(model)
    return any(fnmatchcase(name, _folded(glob)) for glob in caller.models)


def _folded(name: str) -> str:
    return name.casefold().removesuffix(_LATEST)
