"""Names of models as clients write them."""

import re

from gateway.errors import RequestError

MAX_NAME_CHARS = 512
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_name(name: str) -> None:
    """Raise RequestError for what can be nobody's name.

    Ollama is stricter; but backends list ids with `@`, spaces and many slashes, and what is listed must be usable.
    """
    if not name.strip() or len(name) > MAX_NAME_CHARS or _CONTROL.search(name):
        raise RequestError("invalid model name")


def shortest_with_tag(name: str) -> str:
    """Return `name` without Ollama's default host and namespace, and with a tag: `library/foo` is `foo:latest`."""
    short = _without(_without(name, "registry.ollama.ai/"), "library/")
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"


def _without(name: str, prefix: str) -> str:
    return name[len(prefix) :] if name[: len(prefix)].lower() == prefix else name
