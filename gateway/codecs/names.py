"""Names of models as clients write them."""

import re

from gateway.codecs.go_texts import go_quote
from gateway.errors import RequestError

MAX_NAME_CHARS = 512
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_NAME = re.compile(
    rf"(?:[A-Za-z0-9_][A-Za-z0-9_.:-]{{0,349}}/)?(?:[A-Za-z0-9_][A-Za-z0-9_-]{{0,79}}/)?{_PART}(?::{_PART})?"
)


def check_name(name: str) -> None:
    """Raise RequestError for what can be nobody's name.

    Ollama is stricter; but backends list ids with `@`, spaces and many slashes, and what is listed must be usable.
    """
    if not name.strip() or len(name) > MAX_NAME_CHARS or _CONTROL.search(name):
        raise RequestError("invalid model name")


def is_ollama_name(name: str) -> bool:
    """Tell whether `name` is one by Ollama's grammar, `[host/][namespace/]model[:tag]`; ids of backends need not be."""
    return _NAME.fullmatch(name) is not None


def unusable_name(name: str) -> RequestError | None:
    """Return what Ollama says of a name that nobody serves where its grammar is wrong, None for a well-formed one."""
    try:
        check_source(name)
    except RequestError as error:
        return error
    return None if is_ollama_name(name.strip()) else RequestError("invalid model name")


def full_name(name: str) -> str:
    """Return `name` with Ollama's default host, namespace and tag: `foo` is `registry.ollama.ai/library/foo:latest`."""
    short = shortest_with_tag(name)
    return f"registry.ollama.ai/{short if '/' in short else f'library/{short}'}"


def check_source(name: str) -> None:
    """Raise RequestError for a name that says twice where its model runs: `:local`, `:cloud` or a tag with `-cloud`."""
    name = name.strip()
    base = _without_source(name)
    if base is not None and _without_source(base) is not None:
        raise RequestError(f"use either :local or :cloud, not both: {go_quote(name)}")


def _without_source(name: str) -> str | None:
    """Return the name without what says where its model runs, None where nothing does."""
    base, colon, tag = name.rpartition(":")
    tag = tag.strip()
    if colon and tag.lower() in ("cloud", "local"):
        return base
    if colon and "/" not in tag and tag.lower().endswith("-cloud"):
        return f"{base}:{tag[: -len('-cloud')]}"
    return None


def shortest_with_tag(name: str) -> str:
    """Return `name` without Ollama's default host and namespace, and with a tag: `library/foo` is `foo:latest`."""
    short = _without(_without(name, "registry.ollama.ai/"), "library/")
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"


def is_same_model(asked: str, answered: str) -> bool:
    """Tell whether a backend's answer names the model it was asked for.

    Servers leave out or add what stands before the last slash, and name the file a model was loaded from. A dated
    version, or another tag, is another name: it tells what the one that was asked for stands for today.
    """
    one, other = _bare(asked), _bare(answered)
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")


def _bare(name: str) -> str:
    return name.strip().replace("\\", "/").casefold().removesuffix(":latest").removesuffix(".gguf")


def _without(name: str, prefix: str) -> str:
    return name[len(prefix) :] if name[: len(prefix)].lower() == prefix else name
