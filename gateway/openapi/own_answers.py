"""What the gateway's own routes answer, for the document."""

from typing import Literal

from pydantic import BaseModel, Field

_BACKEND_STATUS = Field(description="Whether the last probe found it healthy, degraded or unhealthy.")


class BackendHealth(BaseModel):
    """What the last probe of a backend found."""

    status: Literal["healthy", "degraded", "unhealthy"] = _BACKEND_STATUS
    latency_ms: float | None = Field(description="How long its answer took; null before there was one.")
    breakers: dict[str, str] = Field(description="Models whose breakers are open or half open.")


class Health(BaseModel):
    """Who shows no key, where one is wanted, sees the status alone."""

    status: Literal["healthy", "degraded", "unhealthy"] = Field(description="That of all backends together.")
    latency_ms: float | None = Field(None, description="The quickest backend's; null before there was an answer.")
    version: str = Field("", description="The gateway's version.")
    backends: dict[str, BackendHealth] = Field(default_factory=dict, description="What was found of each.")
    uptime_s: float = Field(0, description="Seconds since the start.", ge=0)


class Readiness(BaseModel):
    """Whether requests can be served now."""

    status: Literal["ready", "not ready"] = Field(description="In a word.")
    reason: str = Field("", description="Why not: stopping, or no backend can be used.")


class ApiVersions(BaseModel):
    """The APIs that are spoken."""

    ollama: str = Field(description="Version of Ollama's.")
    openai: str = Field(description="Version of OpenAI's.")


class Version(BaseModel):
    """What exactly is running."""

    version: str = Field(description="The gateway's version.")
    commit: str | None = Field(description="Hash of the commit it was made from; null where nobody knows.")
    commit_date: str | None = Field(description="Date of that commit.")
    build: Literal["development", "release"] = Field(description="Whether it is a release.")
    python: str = Field(description="Version of Python.")
    aiohttp: str = Field(description="Version of aiohttp.")
    platform: str = Field(description="System and processor.")
    api_versions: ApiVersions = Field(description="The APIs that are spoken.")


class Described(BaseModel):
    """The gateway and its routes."""

    name: str = Field(description="The program's name.")
    version: str = Field(description="The gateway's version.")
    endpoints: dict[str, list[str]] = Field(description="Methods by path.")


class TokenCounts(BaseModel):
    """Tokens, as backends count."""

    input: int = Field(description="Of prompts.", ge=0)
    output: int = Field(description="Of answers.", ge=0)


class PerSecond(BaseModel):
    """Rates of the last minute or so."""

    requests: float = Field(description="Requests.", ge=0)
    errors: float = Field(description="Errors.", ge=0)
    chunks: float = Field(description="Chunks of streams.", ge=0)
    input_tokens: float = Field(description="Tokens of prompts.", ge=0)
    output_tokens: float = Field(description="Tokens of answers.", ge=0)


class Percentiles(BaseModel):
    """Seconds, of the latest requests; null before there was one."""

    p50: float | None = Field(description="Half took at most this.")
    p95: float | None = Field(description="95 of 100 took at most this.")
    p99: float | None = Field(description="99 of 100 took at most this.")


class MetricsSummary(BaseModel):
    """The numbers in short, of all processes."""

    requests: int = Field(description="Requests since the start.", ge=0)
    errors: int = Field(description="Those that failed.", ge=0)
    error_share: float = Field(description="Share of errors in the last minute or so.", ge=0, le=1)
    in_flight: int = Field(description="Requests that are being answered.", ge=0)
    tokens: TokenCounts = Field(description="Tokens since the start.")
    per_second: PerSecond = Field(description="Rates.")
    duration_s: Percentiles = Field(description="How long requests took.")
    first_chunk_s: Percentiles = Field(description="Until the first chunk of streams.")
    overhead_s: Percentiles = Field(description="What of it was the gateway's own work.")
    uptime_s: float = Field(description="Seconds since the start.", ge=0)
    processes: int = Field(description="How many processes told.", ge=1)


class Labels(BaseModel):
    """How many values labels have."""

    routes: int = Field(description="Routes.", ge=0)
    models: int = Field(description="Models.", ge=0)
    keys: int = Field(description="Keys.", ge=0)
    refused: int = Field(description="Names that came too late and are counted as other.", ge=0)


class Buffer(BaseModel):
    """The latest requests, of which percentiles are told."""

    used: int = Field(description="How many there are.", ge=0)
    size: int = Field(description="How many there can be: METRICS_BUFFER_SIZE.", ge=0)


class MetricsHealth(BaseModel):
    """The state of the numbers themselves."""

    status: Literal["ok", "degraded"] = Field(description="degraded: numbers are old, or labels are full.")
    uptime_s: float = Field(description="Seconds since the start.", ge=0)
    scrapes: int = Field(description="How often the text form was read.", ge=0)
    last_scrape_age_s: float | None = Field(description="Seconds since the latest; null before the first.")
    system_age_s: float | None = Field(description="Age of the numbers of the process and its machine.")
    processes: int = Field(description="How many processes told.", ge=0)
    labels: Labels = Field(description="How many values labels have.")
    buffer: Buffer = Field(description="The latest requests.")


class Reloaded(BaseModel):
    """The backends were read again."""

    status: Literal["reloaded"] = Field(description="In a word.")
    backends: list[str] = Field(description="Their names.")


class LogLevelRequest(BaseModel):
    """The level to log from."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(description="The least severity.")


class LevelChanged(BaseModel):
    """The level was changed, until the next change or start."""

    status: Literal["changed"] = Field(description="In a word.")
    level: str = Field(description="The level.")
    processes: int = Field(description="How many processes changed it.", ge=1)


class TimelineEvent(BaseModel):
    """Something that happened to a request."""

    at_ms: float = Field(description="Milliseconds since its first byte.", ge=0)
    event: str = Field(description="received, queued, asked, attempt, first output, first chunk or ended.")
    for_ms: float = Field(0, description="How long it took: of a wait or an attempt.", ge=0)
    backend: str = Field("", description="Who was asked: of an attempt.")
    outcome: str = Field("", description="`ok`, or the kind of its error: of an attempt.")


class Timeline(BaseModel):
    """What happened to a request: names, numbers and times. What does not apply is left out."""

    request_id: str = Field(description="Its id.")
    trace_id: str = Field("", description="The trace it belongs to.")
    began: float = Field(description="Seconds since 1970.", ge=0)
    state: Literal["running", "ended"] = Field(description="Whether it still runs.")
    method: str = Field(description="Its method.")
    route: str = Field(description="Pattern of its path.")
    status: int = Field(0, description="Status of its answer.", ge=100, le=599)
    error: str = Field("", description="Kind of its error.")
    clock: str = Field("", description="The clock that ended it.")
    key: str = Field("", description="Name of the key it showed.")
    model: str = Field("", description="The model it asked for.")
    backend: str = Field("", description="Who answered, or was asked last.")
    backend_model: str = Field("", description="The model, as that backend calls it.")
    stream: bool = Field(description="Whether it asked for a stream.")
    cache: str = Field("", description="hit, miss or bypass.")
    attempts: int = Field(description="How often a backend was asked.", ge=0)
    retry_causes: list[str] = Field(description="Why it was asked again.")
    chunks: int = Field(description="Chunks that were written.", ge=0)
    heartbeats: int = Field(description="Signs of life that were written.", ge=0)
    sent_bytes: int = Field(description="Bytes of its answer.", ge=0)
    received_bytes: int = Field(description="Bytes that came from backends.", ge=0)
    prompt_tokens: int = Field(0, description="Tokens of its prompt.", ge=0)
    completion_tokens: int = Field(0, description="Tokens of its answer.", ge=0)
    reasoning_tokens: int = Field(0, description="Those of the answer that were reasoning.", ge=0)
    duration_ms: float = Field(description="How long it took, or has taken so far.", ge=0)
    waited_ms: float = Field(description="What of it was waiting for others.", ge=0)
    events: list[TimelineEvent] = Field(description="In their order.")


class WorkerPlace(BaseModel):
    """Which of how many workers tells."""

    number: int = Field(description="Which one, from 1.", ge=1)
    count: int = Field(description="How many there are.", ge=1)


class PlotPoint(BaseModel):
    """One place in the plots. Rates are per second."""

    at_s: float = Field(description="Seconds since 1970.", ge=0)
    requests: float = Field(description="Requests that ended.", ge=0)
    errors: float = Field(description="Those that failed.", ge=0)
    tokens: float = Field(description="Tokens of answers.", ge=0)
    in_flight: int = Field(description="Requests that are being answered.", ge=0)
    waiting: int = Field(description="Those of them that wait for their turn.", ge=0)
    first_chunk_s: float | None = Field(description="Seconds to a first chunk, on average; null where none came.")
    speed: float | None = Field(description="Tokens a second within one stream; null where none ended.")


class OpenBreakers(BaseModel):
    """Models whose breakers are not closed."""

    open: list[str] = Field(description="Not asked for now.")
    half_open: list[str] = Field(description="Tried with one request.")


class WatchedBackend(BaseModel):
    """A backend now."""

    name: str = Field(description="Its name.")
    status: Literal["healthy", "degraded", "unhealthy"] = _BACKEND_STATUS
    latency_ms: float | None = Field(description="How long its answer took; null before there was one.")
    in_flight: int = Field(description="Requests that it is answering.", ge=0)
    breakers: OpenBreakers = Field(description="Models that it is not asked for.")
    models: list[str] = Field(description="Its models, the first 24.")
    model_count: int | None = Field(description="How many it has; null where its list was not read.")


class RecentRequest(BaseModel):
    """One of the latest requests: names and numbers. null: not known, or not yet."""

    id: str = Field(description="Its id.")
    began_s: float = Field(description="Seconds since 1970.", ge=0)
    method: str = Field(description="Its method.")
    route: str = Field(description="Pattern of its path.")
    model: str | None = Field(description="The model it asked for.")
    backend: str | None = Field(description="Who answered, or was asked last.")
    status: int | None = Field(description="Status of its answer; null while it runs.")
    error: str | None = Field(description="Kind of its error.")
    duration_s: float = Field(description="How long it took, or has taken so far.", ge=0)
    first_chunk_s: float | None = Field(description="Seconds to its first chunk.")
    output_tokens: int | None = Field(description="Tokens of its answer.")
    attempts: int = Field(description="How often a backend was asked.", ge=0)


class StatusSnapshot(BaseModel):
    """The data of an event `snapshot` of the status page; `history` before it has a list of points."""

    at_s: float = Field(description="Seconds since 1970.", ge=0)
    version: str = Field(description="The gateway's version.")
    uptime_s: float = Field(description="Seconds since the start.", ge=0)
    worker: WorkerPlace | None = Field(description="Which of how many workers this is; null without.")
    status: str = Field(description="Health of all backends.")
    metrics: bool = Field(description="Whether there are numbers.")
    point: PlotPoint | None = Field(description="The newest point of the plots.")
    backends: list[WatchedBackend] = Field(description="What is known of each backend.")
    recent: list[RecentRequest] = Field(description="The latest requests, the newest first.")
