"""Config: every setting, frozen and typed. Built from the environment and `.env`; importing this reads nothing.

A part per collaborator. Every field says here, once, the name of its setting, its default, its description and an
example; `settings()` lists them for the documentation.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from yarl import URL

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
from gateway.setting_values import (
    BaseUrl,
    ByteCount,
    Count,
    FilePath,
    Flag,
    Host,
    InvertedFlag,
    Key,
    Keys,
    Level,
    Management,
    MetricsPath,
    ModelName,
    OriginPatterns,
    Origins,
    Port,
    Positive,
    Seconds,
    SecondsOrZero,
    WholeSeconds,
)
from gateway.settings_text import ConfigError, Problem, Setting, described, presentable

__all__ = [
    "AccessConfig",
    "BackendConfig",
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

PROMETHEUS_PATHS = frozenset({"/metrics", "/v1/metrics/prometheus"})
SERVED_PATHS = frozenset(
    {
        "/",
        "/api",
        "/health",
        "/ready",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/health",
        "/v1/models",
        "/v1/version",
    }
)
"""Where METRICS_PATH may not lie: the routes of the gateway; `SERVED_BELOW` has those with something behind them."""
SERVED_BELOW = ("/api/", "/v1/models/")


class Part(BaseModel):
    """A frozen part of the configuration; each field takes its own name out of all settings given."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, arbitrary_types_allowed=True)


class BackendConfig(Part):
    """How the backend is reached. `base_url` has no slash at its end; None: there is no backend."""

    base_url: BaseUrl = Field(
        None,
        validation_alias="OPENAI_API_BASE_URL",
        description="Base URL of the OpenAI-compatible backend, with the /v1 it may have.",
        examples=["https://api.openai.com/v1"],
    )
    api_key: Key = Field(
        None,
        validation_alias="OPENAI_API_KEY",
        description="Key for the backend. Unset, and API_KEYS unset too: the client's own key is passed on.",
        examples=["sk-your-key"],
    )
    request_timeout_s: Seconds = Field(
        60.0,
        validation_alias="REQUEST_TIMEOUT",
        description="Longest silence of the backend (before the first token, between chunks); longest a body may take.",
        examples=["120"],
    )
    connect_timeout_s: Seconds = Field(
        5.0,
        validation_alias="CONNECT_TIMEOUT",
        description="Longest wait for a connection to the backend.",
        examples=["10"],
    )
    total_timeout_s: Seconds = Field(
        600.0,
        validation_alias="TOTAL_TIMEOUT",
        description="Longest duration of a call that the backend answers in one piece (streams may go on).",
        examples=["1800"],
    )
    max_retries: Count = Field(
        3,
        validation_alias="MAX_RETRIES",
        description="Retries of a request after its first attempt, as long as the client has seen nothing.",
        examples=["0"],
    )
    verify_tls: InvertedFlag = Field(
        True,
        validation_alias="DISABLE_SSL_VERIFICATION",
        description="Do not check the backend's certificate. Dangerous, for tests only.",
        examples=["true"],
    )
    max_connections: Positive = Field(
        1000,
        validation_alias="MAX_CONNECTIONS",
        description="Most connections to the backend at one time.",
        examples=["200"],
    )
    keepalive_timeout_s: Seconds = Field(
        15.0,
        validation_alias="KEEPALIVE_TIMEOUT",
        description="How long an unused connection to the backend is kept.",
        examples=["60"],
    )
    dns_cache_ttl_s: WholeSeconds = Field(
        60,
        validation_alias="DNS_CACHE_TTL",
        description="How long the backend's address is remembered.",
        examples=["10"],
    )
    health_check_timeout_s: Seconds = Field(
        30.0,
        validation_alias="HEALTH_CHECK_TIMEOUT",
        description="Longest duration of a background check of the backend.",
        examples=["5"],
    )


class ListenConfig(Part):
    """Where clients reach us, and how much they may send."""

    host: Host = Field(
        "127.0.0.1",
        validation_alias="PROXY_HOST",
        description="Address to listen on. 0.0.0.0 or :: opens it to other machines: set API_KEYS then.",
        examples=["0.0.0.0"],  # noqa: S104 - an example, nothing is bound
    )
    port: Port = Field(
        11434,
        validation_alias="PROXY_PORT",
        description="Port to listen on. The default is Ollama's own.",
        examples=["8080"],
    )
    request_max_size_bytes: ByteCount = Field(
        10_485_760,
        validation_alias="REQUEST_MAX_SIZE",
        description="Largest request body in bytes, after decompression.",
        examples=["52428800"],
    )
    body_timeout_s: Seconds = Field(60.0, validation_alias="REQUEST_TIMEOUT")


class AccessConfig(Part):
    """Who may ask. Neither `cors_origins` nor `ollama_origins`: the local origins that Ollama itself allows."""

    api_keys: Keys = Field(
        (),
        validation_alias="API_KEYS",
        description="Keys that clients must present, separated by commas. Unset: everybody may ask.",
        examples=["first-secret,second-secret"],
    )
    cors_origins: Origins = Field(
        None,
        validation_alias="CORS_ORIGINS",
        description="Web origins that may ask, separated by commas; * for all. Unset: local ones, as Ollama does.",
        examples=["https://app.example,http://localhost:*"],
    )
    ollama_origins: OriginPatterns = Field(
        None,
        validation_alias="OLLAMA_ORIGINS",
        description="More web origins that may ask, as Ollama reads them: with them, local ones always may.",
        examples=["chrome-extension://*"],
    )
    metrics_public: Flag = Field(
        False,
        validation_alias="METRICS_PUBLIC",
        description="Show metrics without a key even when API_KEYS is set.",
        examples=["true"],
    )


def _nothing() -> Mapping[str, Entry]:
    return MappingProxyType({})


class ModelsConfig(Part):
    """Names of models. `mapping` is the content of `mapping_file`: name -> name at the backend, or a virtual model."""

    mapping_file: FilePath = Field(
        None,
        validation_alias=MAPPING_SETTING,
        description="JSON file with other names for models, and with virtual models: docs/model-mapping.md.",
        examples=["config/model_mapping.json"],
    )
    mapping: Annotated[Mapping[str, Entry], AfterValidator(MappingProxyType), PlainSerializer(dict)] = Field(
        default_factory=_nothing
    )
    default_model: ModelName = Field(
        None,
        validation_alias="DEFAULT_MODEL",
        description="Model for requests that name none or an unknown one. Unset: they get Ollama's error.",
        examples=["gpt-4o-mini"],
    )
    cache_ttl_s: SecondsOrZero = Field(
        60.0,
        validation_alias="MODEL_CACHE_TTL",
        description="How long the backend's list of models is used before it is asked again.",
        examples=["300"],
    )
    default_context_length: Positive = Field(
        32768,
        validation_alias="DEFAULT_CONTEXT_LENGTH",
        description="Context shown for models of which neither the backend nor the name tells it, in tokens.",
        examples=["8192"],
    )
    management: Management = Field(
        "static",
        validation_alias="MODEL_MANAGEMENT",
        description="static: pull, push and delete succeed and change nothing. strict: they get Ollama's errors.",
        examples=["strict"],
    )


class MetricsConfig(Part):
    """What is counted and where it is shown."""

    enabled: Flag = Field(
        True,
        validation_alias="ENABLE_METRICS",
        description="Collect metrics. false: nothing is collected and their routes do not exist.",
        examples=["false"],
    )
    prometheus: Flag = Field(
        True,
        validation_alias="ENABLE_PROMETHEUS_METRICS",
        description="Show metrics in Prometheus' text form. false: only the JSON summary at METRICS_PATH stays.",
        examples=["false"],
    )
    path: MetricsPath = Field(
        "/v1/metrics",
        validation_alias="METRICS_PATH",
        description="Path of the metrics: Prometheus' text form, or a summary for clients that ask for JSON.",
        examples=["/internal/metrics"],
    )

    @field_validator("path")
    @classmethod
    def _refuse_a_served_path(cls, path: str, info: ValidationInfo) -> str:
        if path in SERVED_PATHS or path.startswith(SERVED_BELOW):
            raise ValueError("is a route of the gateway already")
        if path in PROMETHEUS_PATHS and info.data.get("prometheus", True):
            raise ValueError("is where Prometheus' text form is shown (free only with ENABLE_PROMETHEUS_METRICS=false)")
        return path


class LogConfig(Part):
    """How much is logged."""

    level: Level = Field(
        "INFO",
        validation_alias="LOG_LEVEL",
        description="Least severity that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
        examples=["WARNING"],
    )
    debug: Flag = Field(
        False,
        validation_alias="DEBUG",
        description="Log everything: LOG_LEVEL becomes DEBUG. Changes nothing else.",
        examples=["true"],
    )

    @property
    def effective_level(self) -> str:
        """The level to log at, `DEBUG` considered."""
        return "DEBUG" if self.debug else self.level


class Config(Part):
    """The whole configuration. `warnings` are sentences to say at the start."""

    backend: BackendConfig
    listen: ListenConfig
    access: AccessConfig
    models: ModelsConfig
    metrics: MetricsConfig
    log: LogConfig
    version_endpoint: Flag = Field(
        True, validation_alias="VERSION_ENDPOINT_ENABLED", description="Serve /v1/version.", examples=["false"]
    )
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(cls, environ: Mapping[str, str], dotenv_path: Path = DOTENV_PATH) -> Self:
        """Build from the environment, then `.env`. Raises ConfigError."""
        return cls.from_mapping(read_settings(environ, dotenv_path))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, str]) -> Self:
        """Build from settings by name; unknown names and empty values are ignored. Raises ConfigError.

        Reads the file that MODEL_MAPPING_FILE names, and nothing else.
        """
        rows = {row.name: row for row in settings()}
        given, warnings = given_settings(mapping, rows)
        problems: list[Problem] = []
        content: Mapping[str, Entry] = {}
        if MAPPING_SETTING in given:
            try:
                content = read_model_mapping(Path(given[MAPPING_SETTING]))
            except ValueError as error:
                problems.append(Problem(MAPPING_SETTING, str(error), rows[MAPPING_SETTING].right))
        try:
            config = cls.model_validate(_by_part(given, content))
        except ValidationError as error:
            problems += _problems(error, rows)
        if problems:
            unique = sorted(set(problems), key=lambda problem: list(rows).index(problem.name))
            raise ConfigError(presentable(unique, secrets_in(given)))
        return config.model_copy(update={"warnings": (*warnings, *exposures(config))})

    def secrets(self) -> list[str]:
        """Return the keys themselves, for those who keep them out of logs and answers."""
        keys = [*self.access.api_keys, *([self.backend.api_key] if self.backend.api_key else [])]
        return [key.get_secret_value() for key in keys]

    def for_backend(self, base_url: URL) -> Self:
        """Return this configuration with another backend, which gets no key."""
        backend = self.backend.model_copy(update={"base_url": base_url, "api_key": None})
        return self.model_copy(update={"backend": backend})


PARTS: Mapping[str, type[Part]] = MappingProxyType(
    {
        "backend": BackendConfig,
        "listen": ListenConfig,
        "access": AccessConfig,
        "models": ModelsConfig,
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


def _problems(error: ValidationError, rows: Mapping[str, Setting]) -> list[Problem]:
    found = error.errors(include_url=False, include_input=False)
    return [
        Problem(str(item["loc"][-1]), str(item["ctx"]["error"]), rows[str(item["loc"][-1])].right) for item in found
    ]
