"""The document, and a judge of JSON by the schemas in it."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator

from gateway.description import describe

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


class Described(NamedTuple):
    """One operation of the document."""

    method: str
    path: str
    said: dict[str, Any]

    @property
    def name(self) -> str:
        """What a test calls it."""
        return f"{self.method} {self.path}"


@cache
def text() -> str:
    """The document of everything, as the command prints it."""
    # In a thread: the first test that asks may have a running loop, and the command runs one of its own.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(describe, in_yaml=False).result()


@cache
def document() -> dict[str, Any]:
    """The same, read."""
    read: dict[str, Any] = json.loads(text())
    return read


def operations(whole: Mapping[str, Any] | None = None) -> list[Described]:
    """Return the operations of a document; of the one of everything, where none is given."""
    paths = (document() if whole is None else whole)["paths"]
    return [
        Described(method.upper(), path, said)
        for path, item in paths.items()
        for method, said in item.items()
        if method in METHODS
    ]


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference leads to; anything else as it is."""
    if "$ref" not in part:
        return part
    found: Any = document()
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)


def problems(schema: Mapping[str, Any], value: Any) -> list[str]:
    """Return what is wrong with a value by a schema of the document."""
    whole = {**schema, "components": document()["components"]}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(value)]


def carried(media: str, body: str) -> Iterator[Any]:
    """Yield the objects that the lines or events of a stream carry."""
    if media == "application/x-ndjson":
        yield from (json.loads(line) for line in body.splitlines())
        return
    for event in body.split("\n\n"):
        data = event.rpartition("data: ")[2]
        if data and data not in ("[DONE]", "[]"):
            yield json.loads(data)
