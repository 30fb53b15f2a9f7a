"""The golden backend's list of models: one for each situation, and some that say more of themselves."""

from typing import Any

from tests.golden.situations import SITUATIONS

CODER = "golden-coder"
"""A model that can fill in the middle of a text."""
LATEST = "Golden/Mixed-7B:free"
"""A model with a namespace, a tag and capitals in its name."""
CONTEXT_LENGTH = 65536

_SAYING_MORE: list[dict[str, Any]] = [
    {"id": CODER, "capabilities": ["completion", "insert", "tools"], "max_model_len": CONTEXT_LENGTH},
    {"id": LATEST, "max_model_len": CONTEXT_LENGTH, "created": 1_790_000_000},
]

MODELS: list[dict[str, Any]] = [
    {"object": "model", "owned_by": "tests", **entry}
    for entry in [*({"id": situation.name} for situation in SITUATIONS), *_SAYING_MORE]
]
NAMES = [entry["id"] for entry in MODELS]
