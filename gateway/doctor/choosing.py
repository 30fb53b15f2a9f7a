"""Which models of a backend are asked: all would take long where a backend lists hundreds."""

from collections.abc import Collection, Sequence

from gateway.catalog.offer import Offer
from gateway.codecs.models import ModelInfo

LIMIT = 5
_KINDS = ("completion", "embedding", "vision", "thinking")
"""One of each is among those chosen, where there is one."""


def served(offer: Offer) -> list[ModelInfo]:
    """Return what the gateway would ask of a backend, by the backend's own names, each model once."""
    matches = (offer.find(model.id) for model in offer.shown)
    return list({match.model.id: match.model for match in matches if match is not None}.values())


def choose(models: Sequence[ModelInfo], *, limit: int | None = LIMIT) -> list[ModelInfo]:
    """Return at most `limit` models in their order: one of each kind first, then those that come first."""
    if limit is None or len(models) <= limit:
        return list(models)
    chosen: list[ModelInfo] = []
    for kind in _KINDS:
        able = [model for model in models if kind in model.capabilities]
        if able and not any(model in able for model in chosen):
            chosen.append(able[0])
    chosen += [model for model in models if model not in chosen]
    return [model for model in models if model in chosen[:limit]]


def named(offer: Offer, names: Collection[str], *, insist: bool = False) -> list[ModelInfo]:
    """Return the models that these names of clients lead to; `insist`: also where nothing says that they are there."""
    matches = (offer.find(name, insist=insist) for name in names)
    return list({match.model.id: match.model for match in matches if match is not None}.values())
