"""Models as a backend's list has them."""

import json
from typing import Any

from gateway.codecs.models import ModelInfo, read_models

type Json = dict[str, Any]


def read(*entries: Any) -> tuple[ModelInfo, ...]:
    """Return the models of a list with these entries."""
    return read_models(json.dumps({"object": "list", "data": entries}).encode())


def read_one(**entry: Any) -> ModelInfo:
    """Return the model of a list with this one entry, called `m`."""
    (model,) = read({"id": "m", **entry})
    return model
