"""What clients are shown of many backends: each name once."""

from collections.abc import Sequence

from gateway.catalog.names import folded
from gateway.codecs.models import ModelInfo


def union(shown: Sequence[tuple[ModelInfo, ...]], mapped: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]:
    """Return the models of all backends, in their order, then the mapping's.

    A name that the mapping has is the mapping's; one that several backends have is the first one's.
    """
    if len(shown) == 1 and not mapped:
        return shown[0]
    taken = {folded(model.id) for model in mapped}
    models: list[ModelInfo] = []
    for one in shown:
        fresh = [model for model in one if folded(model.id) not in taken]
        models += fresh
        # Only now: what one backend calls differently in case alone are two models of its own.
        taken.update(folded(model.id) for model in fresh)
    return (*models, *mapped)
