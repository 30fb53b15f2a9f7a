"""Source: one backend as the catalog sees it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.backend_settings import BackendSettings
from gateway.codecs.contract import Profile
from gateway.codecs.models import ModelInfo


@dataclass(frozen=True, slots=True)
class Source:
    """What lists one backend's models, and what is configured of it.

    `fetch` reads its list with a client's key (raises UpstreamError or TranslationError); `profile_of` gives the
    profile for a model's `owned_by`; `per_client_key`: what is listed depends on the client's key.
    """

    settings: BackendSettings
    fetch: Callable[[str | None], Awaitable[tuple[ModelInfo, ...]]]
    profile_of: Callable[[str], Profile]
    per_client_key: bool = False

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.settings.name

    def lists_like(self, other: "Source") -> bool:
        """Tell whether a list read from `other` is one of this source too."""
        return self.settings == other.settings and self.per_client_key == other.per_client_key
