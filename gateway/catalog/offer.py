"""Offer: what one backend has under which names, by its configuration and by its list."""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.backend_settings import BackendSettings
from gateway.catalog.names import NameTable, PatternTable, folded, without_latest
from gateway.codecs.contract import Profile
from gateway.codecs.models import ModelInfo, unlisted_model, virtual_model
from gateway.codecs.virtual import VirtualModel

EXACT, RENAMED, PATTERN, LISTED, GUESSED = range(5)
"""The tiers: how a backend comes to have a name. With GUESSED nobody knows whether it has it."""


class Match(NamedTuple):
    """A model that a name leads to: as the backend calls it, and as it is shown to clients."""

    tier: int
    model: ModelInfo
    shown: ModelInfo


class Offer:
    """One list as a backend gave it, under its `settings`, with an index: built once a refresh, asked every request.

    `models` is the backend's list, None while it was never read; `profiles` what was known of their owners then.
    `shown` is what clients see of it: what its settings let through, and then the names of its settings.
    `complete`: nothing is missing there, because the list was read or the settings name each model.
    """

    __slots__ = (
        "_any_name",
        "_configured",
        "_listed",
        "_patterns",
        "_renamed",
        "complete",
        "models",
        "profiles",
        "shown",
    )

    def __init__(
        self,
        settings: BackendSettings,
        models: tuple[ModelInfo, ...] | None,
        profiles: Mapping[str, Profile] | None = None,
    ) -> None:
        self.models = models
        self.profiles = profiles
        self._listed = NameTable({model.id: model for model in models or ()})
        self._any_name = settings.models is None
        self._patterns = PatternTable({name: name for name in settings.models or ()})
        renames = NameTable(dict(settings.rename))
        renamed = {name: self._named(RENAMED, name, model) for name, model in settings.rename.items()}
        exact = {name: self._named(EXACT, name, renames.find(name) or name) for name in self._patterns.named}
        self._renamed, self._configured = NameTable(renamed), NameTable(exact)
        self.complete = models is not None or 0 < len(settings.models or ()) == len(exact)
        self.shown = self._shown([match.shown for match in (*renamed.values(), *exact.values())])

    def find(self, name: str, *, insist: bool = False) -> Match | None:
        """Return the model that `name` means here, None where it means none.

        `insist`: whoever configured it wants that name asked for, written like this, listed or not.
        """
        if (match := self._configured.find(name) or self._renamed.find(name)) is not None:
            return match
        model = self._listed.find(name)
        tier = self._tier(name, model, insist=insist)
        if tier is None:
            return None
        if model is None:
            # `:latest` is what Ollama's clients add to a name without a tag: no backend knows it.
            model = unlisted_model(name if insist else without_latest(name))
        return Match(tier, model, model)

    def first_to_complete(self) -> Match | None:
        """Return the first model shown that completes texts."""
        found = next((model for model in self.shown if "completion" in model.capabilities), None)
        return self.find(found.id) if found is not None else None

    def _tier(self, name: str, model: ModelInfo | None, *, insist: bool) -> int | None:
        if not self._any_name:
            if not self._patterns.find_pattern(name) and not (model and self._patterns.find_pattern(model.id)):
                return None
            return PATTERN if model is not None or self.models is None else GUESSED
        if model is not None:
            return LISTED
        return GUESSED if insist or self.models is None else None

    def _named(self, tier: int, name: str, model: str) -> Match:
        """Return the match of a name that the settings have for the backend's `model`."""
        behind = self._listed.find(model) or unlisted_model(model)
        if folded(behind.id) == folded(name):
            return Match(tier, behind, behind)
        return Match(tier, behind, virtual_model(VirtualModel(name, behind.id), behind))

    def _shown(self, configured: list[ModelInfo]) -> tuple[ModelInfo, ...]:
        if not configured and self._any_name:
            return self.models or ()
        own = [model for model in self.models or () if self._lets_through(model.id)]
        names = {folded(model.id) for model in own}
        more: dict[str, ModelInfo] = {}
        for model in configured:
            if folded(model.id) not in names:
                more.setdefault(folded(model.id), model)
        return (*own, *more.values())

    def _lets_through(self, model_id: str) -> bool:
        """Tell whether the backend's own `model_id` is shown: not where the settings give its name to another model."""
        if (match := self._renamed.find(model_id)) is not None:
            return match.model.id == model_id
        return self._any_name or bool(self._patterns.find(model_id) or self._patterns.find_pattern(model_id))
