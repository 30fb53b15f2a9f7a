"""What is configured of each backend, and of models by name: frozen values, however they were written down."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, SecretStr
from yarl import URL

PROFILE_NAMES = (
    "openai",
    "azure",
    "vllm",
    "llamacpp",
    "ollama",
    "openrouter",
    "litellm",
    "lmstudio",
    "mistral",
    "transformers",
    "generic",
    "demo",
)
"""The rows of the profiles, which `profile` may name."""
DELIVERIES = ("live", "guarded", "whole")
type Delivery = Literal["live", "guarded", "whole"]


_CREDENTIAL = re.compile(r"auth|cookie|credential|key|passw|secret|token", re.IGNORECASE)


def names_a_credential(header: str) -> bool:
    """Tell whether a header of this name carries what opens doors: `Authorization`, `api-key`, `Cookie` and so on."""
    return _CREDENTIAL.search(header) is not None


def _frozen[Key, Value](mapping: Mapping[Key, Value]) -> Mapping[Key, Value]:
    return MappingProxyType(dict(mapping))


def _shown(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping fit for a dump; secrets are masked."""
    return {name: str(value) if isinstance(value, SecretStr) else value for name, value in mapping.items()}


type ByName[Value] = Annotated[Mapping[str, Value], AfterValidator(_frozen), PlainSerializer(_shown)]
"""A mapping that nobody changes later."""


class Frozen(BaseModel):
    """A part of what is configured; unknown names are errors, and no error quotes a value."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        strict=True,
        validate_default=True,
    )


class Timeouts(Frozen):
    """A backend's clocks in seconds: to connect, to the first token, between tokens, for an answer in one piece.

    `headers_s`: to the headers of a stream; None: no sooner than the first token.
    """

    connect_s: float = 5.0
    headers_s: float | None = None
    first_token_s: float = 60.0
    idle_s: float = 60.0
    total_s: float = 600.0


class Clocks(Frozen):
    """Clocks of one model, in seconds; None: those of its backend."""

    headers_s: float | None = None
    first_token_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None

    def over(self, timeouts: Timeouts) -> Timeouts:
        """Return a backend's clocks with these in their place."""
        own = {name: value for name, value in self if value is not None}
        return timeouts.model_copy(update=own)


class Limits(Frozen):
    """How much a backend is asked at once, a minute, and in one batch of texts; None is no bound of ours."""

    concurrency: int | None = None
    requests_per_minute: int | None = None
    embedding_batch: int | None = None


class TlsSettings(Frozen):
    """How a backend's certificate is checked (`ca`: a PEM file beside the system's), and what we show of ourselves."""

    verify: bool = True
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


class BackendSettings(Frozen):
    """One backend, complete. `base_url` has no slash at its end; `rename`: the client's name to the backend's.

    `models`: exact names and globs; None: whatever it lists. `pass_client_key`: the client's own key is sent on.
    `profile`: the name of a row of the profiles, None: detected. `priority`: lower is asked first. `learned`:
    parameters it is known to refuse, by its name for the model (`*`: for all).
    """

    name: str
    base_url: Annotated[URL, PlainSerializer(str, when_used="json")]
    api_key: SecretStr | None = None
    pass_client_key: bool = False
    models: tuple[str, ...] | None = None
    rename: ByName[str] = Field(default_factory=dict)
    priority: int = 1
    weight: int = 1
    profile: str | None = None
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    tls: TlsSettings = TlsSettings()
    headers: ByName[SecretStr] = Field(default_factory=dict)
    learned: ByName[tuple[str, ...]] = Field(default_factory=dict)

    @property
    def has_key(self) -> bool:
        """Whether requests carry a key of ours: as such, or in a header whose name says so."""
        return self.api_key is not None or any(names_a_credential(name) for name in self.headers)

    def secrets(self) -> list[str]:
        """Return what no log and no answer may show: its key, and what headers carry whose names say so."""
        found = [self.api_key.get_secret_value()] if self.api_key is not None else []
        for name, value in self.headers.items():
            if names_a_credential(name):
                # What follows the scheme in `Bearer KEY` is the secret by itself too.
                words = value.get_secret_value().split()
                found += dict.fromkeys([value.get_secret_value(), *words[-1:]])
        return found


class ModelRule(Frozen):
    """What is configured of a model by the name that clients use (or by a glob of names).

    `fallbacks`: models to ask when it is down, rate limited, silent, or its context too short, in this order.
    `delivery`: None means DELIVERY. `clocks` stands in the file as `timeouts`.
    """

    fallbacks: tuple[str, ...] = ()
    delivery: Delivery | None = None
    sticky: bool = False
    clocks: Clocks | None = None


class Fleet(Frozen):
    """All backends, and the rules for models: what a reload replaces as one."""

    backends: tuple[BackendSettings, ...] = ()
    rules: ByName[ModelRule] = Field(default_factory=dict)
