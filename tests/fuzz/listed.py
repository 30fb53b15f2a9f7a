"""The answers of 500 and above that are right: route, status, text. Standard library only: two environments read it."""

import re
from collections.abc import Sequence
from typing import NamedTuple


class Listed(NamedTuple):
    """A 5xx that Ollama gives as well, or that says what a gateway cannot do."""

    routes: Sequence[str]
    status: int
    text: re.Pattern[str]
    why: str


_GENERATION = ("POST /api/chat", "POST /api/generate")
_INFERENCE = (*_GENERATION, "POST /api/embed", "POST /api/embeddings")
_KIND = "type (float32|integer|boolean|array)|an array of strings"

LISTED: Sequence[Listed] = (
    Listed(_INFERENCE, 500, re.compile(rf'option "\w+" must be of ({_KIND})'), "an option of a wrong type"),
    Listed(
        _GENERATION,
        500,
        re.compile(r'invalid format: ".*"; expected "json" or a valid JSON Schema object', re.DOTALL),
        "a format that is neither",
    ),
    Listed(("POST /api/copy",), 501, re.compile(r"models cannot be copied here: .+MODEL_MAPPING_FILE.+"), "no copies"),
    Listed(
        ("POST /api/create",), 501, re.compile(r"models cannot be created here: .+MODEL_MAPPING_FILE.+"), "no models"
    ),
)


def is_listed(route: str, status: int, text: str) -> bool:
    """Whether the answer of a route is one of these."""
    return any(route in row.routes and status == row.status and row.text.fullmatch(text) is not None for row in LISTED)
