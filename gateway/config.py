"""Config: every setting, frozen and typed. Built from the environment and `.env`; importing this reads nothing.

`config_parts` and `client_parts` say of every setting what it is; `settings()` lists them for the documentation.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from pydantic import Field, PrivateAttr, ValidationError
from yarl import URL

from gateway.address_values import passwords_in
from gateway.backend_settings import BackendSettings, Fleet, TlsSettings
from gateway.client_parts import AccessConfig, ListenConfig
from gateway.config_parts import (
    PROMETHEUS_PATHS,
    SERVED_BELOW,
    SERVED_PATHS,
    BackendConfig,
    CacheConfig,
    LogConfig,
    MetricsConfig,
    ModelsConfig,
    Part,
)
from gateway.exposure import exposures
from gateway.mapping_entries import Entry
from gateway.setting_sources import (
    DOTENV_PATH,
    MAPPING_SETTING,
    given_settings,
    read_model_mapping,
    read_settings,
    secrets_in,
)
from gateway.setting_values import Flag
from gateway.settings_text import ConfigError, Problem, Setting, described, presentable

__all__ = [
    "PROMETHEUS_PATHS",
    "SERVED_BELOW",
    "SERVED_PATHS",
    "AccessConfig",
    "BackendConfig",
    "CacheConfig",
    "Config",
    "ConfigError",
    "ListenConfig",
    "LogConfig",
    "MetricsConfig",
    "ModelsConfig",
    "Problem",
    "Setting",
    "settings",
]

TLS_SETTINGS = ("TLS_CERT_FILE", "TLS_KEY_FILE")
MAIN_BACKEND = "main"
"""The name of the backend that OPENAI_API_BASE_URL configures."""


@dataclass(frozen=True, slots=True)
class _Again:
    """How the same configuration is read anew; no part of what it says, hence in no comparison and no repr."""

    read: "Callable[[], Config]" = field(compare=False, repr=False)


class Config(Part):
    """The whole configuration. `fleet`: all backends there are. `warnings` are sentences to say at the start."""

    backend: BackendConfig
    listen: ListenConfig
    access: AccessConfig
    models: ModelsConfig
    cache: CacheConfig
    metrics: MetricsConfig
    log: LogConfig
    version_endpoint: Flag = Field(
        True, validation_alias="VERSION_ENDPOINT_ENABLED", description="Serve /v1/version.", examples=["false"]
    )
    status_page: Flag = Field(
        True,
        validation_alias="UI_ENABLED",
        description="Serve the status page at /ui, and at / for browsers.",
        examples=["false"],
    )
    docs: Flag = Field(
        True,
        validation_alias="DOCS_ENABLED",
        description="Serve the API reference at /docs and /redoc, and its document at /openapi.json and /openapi.yaml.",
        examples=["false"],
    )
    fleet: Fleet = Field(default_factory=Fleet)
    warnings: tuple[str, ...] = ()
    _again: _Again | None = PrivateAttr(None)

    @classmethod
    def load(cls, environ: Mapping[str, str], dotenv_path: Path = DOTENV_PATH) -> Self:
        """Build from the environment, then `.env`. Raises ConfigError."""
        kept = dict(environ)

        def read() -> Mapping[str, str]:
            return read_settings(kept, dotenv_path)

        return cls.from_mapping(read(), reread=read)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, str], *, reread: Callable[[], Mapping[str, str]] | None = None) -> Self:
        """Build from settings by name; unknown names and empty values are ignored. Raises ConfigError.

        Reads the files that MODEL_MAPPING_FILE and BACKENDS_FILE name, and looks whether those of TLS can be read.
        `reread` returns the settings anew for the method of that name; without it they are these again.
        """
        rows = {row.name: row for row in settings()}
        given, warnings = given_settings(mapping, rows)
        problems = _missing_halves(given, rows)
        try:
            names = _names(given, rows)
        except ConfigError as error:
            names = {}
            problems += error.problems
        try:
            config = cls.model_validate(_by_part(given, names))
            config = config.model_copy(update=_backends(config, mapping))
        except ValidationError as error:
            problems += _problems(error, rows)
        except ConfigError as error:
            problems += error.problems
        if problems:
            raise ConfigError(presentable(_in_order(problems, rows), secrets_in(given)))
        said = (*warnings, *config.warnings, *exposures(config))
        return config.model_copy(update={"warnings": said})._to_be_read_by(
            lambda: cls.from_mapping(reread() if reread else mapping, reread=reread)
        )

    def _to_be_read_by(self, read: "Callable[[], Config]") -> Self:
        self._again = _Again(read)
        return self

    def reread(self) -> "Config":
        """Return the configuration as it stands now in the same environment and files. Raises ConfigError.

        Reads files: not for an event loop.
        """
        return self._again.read() if self._again is not None else self

    def secrets(self) -> list[str]:
        """Return the keys and passwords themselves, for those who keep them out of logs and answers."""
        keys = [*self.access.api_keys, self.access.admin_key, self.backend.api_key]
        own = [key.get_secret_value() for key in keys if key is not None]
        urls = [url.get_secret_value() for url in (self.cache.url, self.access.redis_url) if url is not None]
        own += [password for url in urls for password in passwords_in(url)]
        return list(dict.fromkeys([*own, *(text for one in self.fleet.backends for text in one.secrets())]))

    def for_backend(self, base_url: URL) -> Self:
        """Return this configuration with another backend, which gets no key, instead of all others."""
        backend = self.backend.model_copy(update={"base_url": base_url, "api_key": None, "backends_file": None})
        fleet = Fleet(backends=(_main_backend(backend, base_url),))
        return self.model_copy(update={"backend": backend, "fleet": fleet})._to_be_read_by(
            lambda: self.reread().for_backend(base_url)
        )


PARTS: Mapping[str, type[Part]] = MappingProxyType(
    {
        "backend": BackendConfig,
        "listen": ListenConfig,
        "access": AccessConfig,
        "models": ModelsConfig,
        "cache": CacheConfig,
        "metrics": MetricsConfig,
        "log": LogConfig,
    }
)


def settings() -> list[Setting]:
    """Return every setting there is, each once, in the order in which a reader wants them."""
    parts: list[type[Part]] = [*PARTS.values(), Config]
    return [row for part in parts for row in described(part.model_fields.values())]


def _by_part(given: Mapping[str, str], mapping: Mapping[str, Entry]) -> dict[str, Any]:
    parts: dict[str, Any] = dict.fromkeys(PARTS, given)
    return {**given, **parts, "models": {**given, "mapping": mapping}}


def _names(given: Mapping[str, str], rows: Mapping[str, Setting]) -> Mapping[str, Entry]:
    if MAPPING_SETTING not in given:
        return {}
    try:
        return read_model_mapping(Path(given[MAPPING_SETTING]))
    except ValueError as error:
        raise ConfigError([Problem(MAPPING_SETTING, str(error), rows[MAPPING_SETTING].right)]) from None


def _missing_halves(given: Mapping[str, str], rows: Mapping[str, Setting]) -> list[Problem]:
    """Return what is wrong with settings that count only as a pair."""
    cert, key = TLS_SETTINGS
    pairs = [(cert, key), (key, cert)]
    return [Problem(a, f"is not set, and {b} is", rows[a].right) for a, b in pairs if a not in given and b in given]


def _backends(config: Config, mapping: Mapping[str, str]) -> dict[str, Any]:
    """Return what there is to change: the fleet, and what is to be said of where it comes from."""
    backend = config.backend
    if backend.backends_file is not None:
        # YAML is read only where it is wanted: the start without such a file need not wait for its reader.
        from gateway.backends_file import Defaults, read_backends_file

        defaults = Defaults(backend.timeouts, backend.verify_tls)
        fleet, warnings = read_backends_file(backend.backends_file, mapping, defaults)
        if backend.base_url is not None:
            warnings.append("OPENAI_API_BASE_URL is not used: BACKENDS_FILE names the backends")
        return {"fleet": fleet, "warnings": tuple(warnings)}
    if backend.base_url is None:
        return {}
    passing_on = backend.api_key is None and not config.access.wants_key
    main = _main_backend(backend, backend.base_url, pass_client_key=passing_on)
    return {"fleet": Fleet(backends=(main,))}


def _main_backend(backend: BackendConfig, base_url: URL, *, pass_client_key: bool = False) -> BackendSettings:
    return BackendSettings(
        name=MAIN_BACKEND,
        base_url=base_url,
        api_key=backend.api_key,
        pass_client_key=pass_client_key,
        timeouts=backend.timeouts,
        tls=TlsSettings(verify=backend.verify_tls),
    )


def _in_order(problems: Iterable[Problem], rows: Mapping[str, Setting]) -> list[Problem]:
    """Return each problem once, those of settings in their order, then those of a file as they were found."""
    order = list(rows)
    unique = list(dict.fromkeys(problems))
    return sorted(unique, key=lambda problem: order.index(problem.name) if problem.name in rows else len(order))


def _problems(error: ValidationError, rows: Mapping[str, Setting]) -> list[Problem]:
    found = error.errors(include_url=False, include_input=False)
    return [
        Problem(str(item["loc"][-1]), str(item["ctx"]["error"]), rows[str(item["loc"][-1])].right) for item in found
    ]
