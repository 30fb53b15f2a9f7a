"""The parts of Config, one per collaborator: every setting stands here once, those about clients in `client_parts`.

Each field has the name of its setting, its default, its description and an example; `described` makes the rows of the
documentation from them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationInfo, field_validator

from gateway.address_values import CacheUrl
from gateway.backend_settings import Timeouts
from gateway.mapping_entries import Entry
from gateway.setting_sources import BACKENDS_SETTING, MAPPING_SETTING
from gateway.setting_values import (
    BackendsPath,
    BaseUrl,
    BufferSize,
    ByteCount,
    Count,
    DeliveryWord,
    FilePath,
    Flag,
    InvertedFlag,
    Key,
    Level,
    LogDetail,
    Management,
    MetricsPath,
    ModelName,
    PlainRequests,
    Positive,
    Seconds,
    SecondsOrUnset,
    SecondsOrZero,
    WholeSeconds,
)

PROMETHEUS_PATHS = frozenset({"/metrics", "/v1/metrics/prometheus"})
SERVED_PATHS = frozenset(
    {
        "/",
        "/api",
        "/docs",
        "/health",
        "/openapi.json",
        "/openapi.yaml",
        "/ready",
        "/redoc",
        "/ui",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/health",
        "/v1/metrics/health",
        "/v1/models",
        "/v1/version",
    }
)
"""Where METRICS_PATH may not lie: the routes of the gateway; `SERVED_BELOW` has those with something behind them."""
SERVED_BELOW = ("/admin/", "/api/", "/docs/", "/ui/", "/v1/models/")


class Part(BaseModel):
    """A frozen part of the configuration; each field takes its own name out of all settings given."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, arbitrary_types_allowed=True)


class BackendConfig(Part):
    """How backends are reached: what counts for all, and what each takes that does not say it itself.

    `base_url` and `api_key` are those of the one backend there is without `backends_file`; `base_url` has no slash at
    its end.
    """

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
    backends_file: BackendsPath = Field(
        None,
        validation_alias=BACKENDS_SETTING,
        description="YAML file with several backends, which counts instead of OPENAI_API_BASE_URL: docs/backends.md.",
        examples=["config/backends.yaml"],
    )
    request_timeout_s: Seconds = Field(
        60.0,
        validation_alias="REQUEST_TIMEOUT",
        description="Longest silence of the backend (before the first token, between chunks); longest a body may take.",
        examples=["120"],
    )
    headers_timeout_s: SecondsOrUnset = Field(
        None,
        validation_alias="HEADERS_TIMEOUT",
        description="Longest wait for the headers of a backend's stream. Unset: until the first token is due.",
        examples=["10"],
    )
    first_token_timeout_s: SecondsOrUnset = Field(
        None,
        validation_alias="FIRST_TOKEN_TIMEOUT",
        description="Longest silence of the backend before the first token. Unset: REQUEST_TIMEOUT.",
        examples=["300"],
    )
    idle_timeout_s: SecondsOrUnset = Field(
        None,
        validation_alias="IDLE_TIMEOUT",
        description="Longest silence of the backend between two chunks. Unset: REQUEST_TIMEOUT.",
        examples=["30"],
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
    plain_requests: PlainRequests = Field(
        "auto",
        validation_alias="PLAIN_REQUESTS",
        description="Whether answers in one piece are asked for as streams: auto (those of /api), direct, streamed.",
        examples=["direct"],
    )
    delivery: DeliveryWord = Field(
        "live",
        validation_alias="DELIVERY",
        description="When a stream is shown: live as it comes, guarded after its beginning, whole once it is complete.",
        examples=["whole"],
    )
    guarded_tokens: Positive = Field(
        16,
        validation_alias="GUARDED_TOKENS",
        description="Tokens (pieces of a stream) that guarded delivery holds back; a cut among them is repaired.",
        examples=["64"],
    )
    heartbeat_interval_s: SecondsOrZero = Field(
        15.0,
        validation_alias="HEARTBEAT_INTERVAL",
        description="Silence in a stream after which the client gets a sign of life. 0: never.",
        examples=["30"],
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

    @property
    def timeouts(self) -> Timeouts:
        """The clocks of a backend that has none of its own."""
        silence_s = self.request_timeout_s
        return Timeouts(
            connect_s=self.connect_timeout_s,
            headers_s=self.headers_timeout_s,
            first_token_s=silence_s if self.first_token_timeout_s is None else self.first_token_timeout_s,
            idle_s=silence_s if self.idle_timeout_s is None else self.idle_timeout_s,
            total_s=self.total_timeout_s,
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


class CacheConfig(Part):
    """Where answers that may be given again are kept. No `url`: nowhere."""

    url: CacheUrl = Field(
        None,
        validation_alias="CACHE_URL",
        description="Where answers are kept that may be given again: memory:// or a Redis server. Unset: nowhere.",
        examples=["redis://127.0.0.1:6379/0"],
    )
    ttl_s: Seconds = Field(
        3600.0,
        validation_alias="CACHE_TTL",
        description="How long a kept answer is given again.",
        examples=["600"],
    )
    max_bytes: ByteCount = Field(
        67_108_864,
        validation_alias="CACHE_MAX_BYTES",
        description="Most bytes that memory:// holds; what was not asked for the longest goes first.",
        examples=["268435456"],
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

    buffer_size: BufferSize = Field(
        2048,
        validation_alias="METRICS_BUFFER_SIZE",
        description="Latest requests of which the percentiles in the JSON summary are told.",
        examples=["10000"],
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
    detail: LogDetail = Field(
        "normal",
        validation_alias="LOG_DETAIL",
        description="How much the line of a request says: minimal, normal or verbose; no level logs texts or keys.",
        examples=["verbose"],
    )
    sample: Count = Field(
        100,
        validation_alias="LOG_SAMPLE",
        description="Most successful requests logged a second; a line says how many were left out. 0: none is.",
        examples=["0"],
    )

    @property
    def effective_level(self) -> str:
        """The level to log at, `DEBUG` considered."""
        return "DEBUG" if self.debug else self.level
