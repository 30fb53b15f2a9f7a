"""The gateway's own routes and what the document says of them."""

import json
from typing import Any

from gateway.openapi.operation import (
    EVENTS,
    JSON,
    TEXT,
    Answer,
    Content,
    Operation,
    Operations,
    Parameter,
    answered,
    asked,
    in_path,
    json_content,
)
from gateway.openapi.own_answers import (
    Described,
    Health,
    LevelChanged,
    LogLevelRequest,
    MetricsHealth,
    MetricsSummary,
    Readiness,
    Reloaded,
    StatusSnapshot,
    Timeline,
    Version,
)

HEALTH = "Health"
NUMBERS = "Numbers"
PAGES = "Pages"
ADMINISTRATION = "Administration"

METRICS_PATH = "/v1/metrics"
"""The default of the setting: the route is described under it, and served where the setting says."""
_HTML = "text/html"
_PROMETHEUS = """\
# HELP ollama_proxy_requests_total Requests that ended.
# TYPE ollama_proxy_requests_total counter
ollama_proxy_requests_total{route="/api/chat",method="POST",status="200"} 12.0
"""
_BACKENDS = {"main": {"status": "healthy", "latency_ms": 1.764, "breakers": {}}}
_HEALTH = answered(
    "The process works, whatever its backends do.",
    Health,
    with_a_key={
        "status": "healthy",
        "latency_ms": 1.764,
        "version": "1.0.0",
        "backends": _BACKENDS,
        "uptime_s": 1.806,
    },
    without_a_key={"status": "healthy"},
)
_PERCENTILES = {"p50": 0.000262, "p95": 0.003099, "p99": 0.003099}
_SUMMARY = {
    "requests": 11,
    "errors": 0,
    "error_share": 0.0,
    "in_flight": 1,
    "tokens": {"input": 12, "output": 340},
    "per_second": {"requests": 5.5, "errors": 0.0, "chunks": 9.1, "input_tokens": 1.2, "output_tokens": 34.0},
    "duration_s": _PERCENTILES,
    "first_chunk_s": {"p50": None, "p95": None, "p99": None},
    "overhead_s": _PERCENTILES,
    "uptime_s": 1.981,
    "processes": 1,
}
_TIMELINE = {
    "request_id": "req_7824f4eed71db4db353b7018",
    "began": 1795932816.887,
    "state": "ended",
    "method": "POST",
    "route": "/api/chat",
    "status": 200,
    "model": "demo",
    "backend": "main",
    "backend_model": "demo",
    "stream": True,
    "attempts": 1,
    "retry_causes": [],
    "chunks": 20,
    "heartbeats": 0,
    "sent_bytes": 2734,
    "received_bytes": 4120,
    "prompt_tokens": 1,
    "completion_tokens": 19,
    "duration_ms": 562.197,
    "waited_ms": 560.02,
    "events": [
        {"at_ms": 0.0, "event": "received"},
        {"at_ms": 0.4, "event": "asked"},
        {"at_ms": 0.5, "event": "attempt", "backend": "main", "outcome": "ok", "for_ms": 561.2},
        {"at_ms": 28.1, "event": "first output"},
        {"at_ms": 562.2, "event": "ended"},
    ],
}
_SNAPSHOT = {
    "at_s": 1795932817.916,
    "version": "1.0.0",
    "uptime_s": 6.9,
    "worker": None,
    "status": "healthy",
    "metrics": True,
    "point": None,
    "backends": [],
    "recent": [],
}
_TEXT_FORM = (Answer("The numbers in Prometheus' text format.", (Content(TEXT, {"a counter": _PROMETHEUS}),)),)


def _page(meaning: str, *, asks: bool = False) -> tuple[Answer, ...]:
    page = (Content(_HTML, {"beginning": "<!doctype html>\n"}),)
    tags = ("ETag",)
    refused = Answer(
        "No valid key was shown. The page comes all the same: it asks for one.",
        page,
        status=401,
        headers=("WWW-Authenticate",),
    )
    sent = (Answer(meaning, page, headers=tags), Answer("The browser has it already.", status=304, headers=tags))
    return (*sent, refused) if asks else sent


def _document(media: str, examples: dict[str, Any], schema: dict[str, Any]) -> tuple[Answer, ...]:
    content = Content(media, examples, schema=schema)
    tags = ("ETag",)
    return (
        Answer("The document.", (content,), headers=tags),
        Answer("The client has it already.", status=304, headers=tags),
    )


OPERATIONS: Operations = {
    ("GET", "/"): Operation(
        "root",
        HEALTH,
        "Tell that the server runs",
        "The text that Ollama's clients compare; for who prefers JSON, a description; for browsers, the status page.",
        (
            Answer(
                "By Accept.",
                (
                    Content(TEXT, {"text": "Ollama is running"}),
                    json_content(
                        Described,
                        description={
                            "name": "ollama-openai-proxy",
                            "version": "1.0.0",
                            "endpoints": {"/api/chat": ["POST"]},
                        },
                    ),
                    Content(_HTML, {"beginning": "<!doctype html>\n"}),
                ),
            ),
            Answer("The browser has the page already.", status=304, headers=("ETag",)),
        ),
    ),
    ("GET", "/health"): Operation(
        "health", HEALTH, "Tell whether the process works", "For liveness probes: 200 while it answers.", _HEALTH
    ),
    ("GET", "/v1/health"): Operation(
        "openai_health", HEALTH, "Tell whether the process works", "The same as `/health`.", _HEALTH
    ),
    ("GET", "/ready"): Operation(
        "ready",
        HEALTH,
        "Tell whether requests can be served",
        "For readiness probes and load balancers.",
        (
            *answered("They can.", Readiness, ready={"status": "ready"}),
            Answer(
                "The gateway is stopping, or no backend can be used.",
                (json_content(Readiness, stopping={"status": "not ready", "reason": "stopping"}),),
                status=503,
            ),
        ),
        parameters=(
            Parameter(
                "scope",
                "query",
                "`self` asks for the process alone, whatever its backends do. Unset, or anything else: for both.",
                {"type": "string", "enum": ["self"]},
                "self",
            ),
        ),
    ),
    ("GET", "/v1/version"): Operation(
        "version",
        HEALTH,
        "Tell what exactly is running",
        "Version, commit and what it runs on.",
        answered(
            "What is running.",
            Version,
            release={
                "version": "1.0.0",
                "commit": "178df7ea21b78bc3255d90026e4d4855aa6e5a4b",
                "commit_date": "2026-11-29T06:02:51+00:00",
                "build": "release",
                "python": "3.12.1",
                "aiohttp": "3.14.5",
                "platform": "Linux x86_64",
                "api_versions": {"ollama": "0.32.15", "openai": "v1"},
            },
        ),
    ),
    ("GET", METRICS_PATH): Operation(
        "metrics",
        NUMBERS,
        "Tell the numbers",
        "Prometheus' text format; for who prefers JSON, a summary. Where it is, METRICS_PATH says.",
        (
            Answer(
                "By Accept.",
                (json_content(MetricsSummary, summary=_SUMMARY), Content(TEXT, {"a counter": _PROMETHEUS})),
            ),
        ),
        ("processes",),
    ),
    ("GET", "/metrics"): Operation(
        "prometheus_metrics",
        NUMBERS,
        "Tell the numbers to Prometheus",
        "OpenMetrics for who asks for it.",
        _TEXT_FORM,
        ("processes",),
    ),
    ("GET", "/v1/metrics/prometheus"): Operation(
        "openai_prometheus_metrics",
        NUMBERS,
        "Tell the numbers to Prometheus",
        "The same as `/metrics`.",
        _TEXT_FORM,
        ("processes",),
    ),
    ("GET", "/v1/metrics/health"): Operation(
        "metrics_health",
        NUMBERS,
        "Tell the state of the numbers",
        "How old they are, how many, how full.",
        answered(
            "Their state.",
            MetricsHealth,
            fine={
                "status": "ok",
                "uptime_s": 1.945,
                "scrapes": 0,
                "last_scrape_age_s": None,
                "system_age_s": None,
                "processes": 1,
                "labels": {"routes": 10, "models": 0, "keys": 0, "refused": 0},
                "buffer": {"used": 9, "size": 2048},
            },
        ),
    ),
    ("GET", "/ui"): Operation(
        "status_page", PAGES, "Show the status page", "It holds nothing; its events do.", _page("The page.")
    ),
    ("GET", "/ui/events"): Operation(
        "status_events",
        PAGES,
        "Tell the status page what is new",
        "An event `history`, then an event `snapshot` a second, until the client leaves or the gateway stops.",
        (
            Answer(
                "The events.",
                (
                    Content(
                        EVENTS,
                        {"both": f"event: history\ndata: []\n\nevent: snapshot\ndata: {json.dumps(_SNAPSHOT)}\n\n"},
                        items=(StatusSnapshot,),
                    ),
                ),
            ),
        ),
        ("viewers",),
    ),
    ("GET", "/openapi.json"): Operation(
        "openapi_json",
        PAGES,
        "Describe all routes, in JSON",
        "This document: the routes that this gateway has as it is configured.",
        _document(JSON, {"beginning": {"openapi": "3.1.1"}}, {"type": "object"}),
    ),
    ("GET", "/openapi.yaml"): Operation(
        "openapi_yaml",
        PAGES,
        "Describe all routes, in YAML",
        "The same document.",
        _document("application/yaml", {"beginning": {"openapi": "3.1.1"}}, {"type": "object"}),
    ),
    ("GET", "/docs"): Operation(
        "try_reference",
        PAGES,
        "Show the API reference, to be tried",
        "Swagger UI. It asks for the document, with a key where one is wanted.",
        _page("The page.", asks=True),
    ),
    ("GET", "/redoc"): Operation(
        "read_reference",
        PAGES,
        "Show the API reference, to be read",
        "Redoc. It asks for the document, with a key where one is wanted.",
        _page("The page.", asks=True),
    ),
    ("GET", "/docs/{part}"): Operation(
        "reference_part",
        PAGES,
        "Load a part of these pages",
        "Scripts and styles.",
        (
            Answer(
                "The part.",
                (
                    Content("text/javascript", {"beginning": '"use strict";\n'}),
                    Content("text/css", {"beginning": "body { margin: 0; }\n"}),
                ),
                headers=("ETag",),
            ),
            Answer("The browser has it already.", status=304, headers=("ETag",)),
        ),
        ("no_part",),
        parameters=in_path("part", "Name of the file.", "document.js"),
    ),
    ("POST", "/admin/reload"): Operation(
        "reload",
        ADMINISTRATION,
        "Read the configuration again",
        "Backends, rules and names of models, in all processes; no request breaks.",
        answered("The backends from now on.", Reloaded, one_backend={"status": "reloaded", "backends": ["main"]}),
        ("configuration", "processes"),
    ),
    ("GET", "/admin/requests/{request_id}"): Operation(
        "find_request",
        ADMINISTRATION,
        "Tell what happened to a request",
        "One of the latest thousand, by its X-Request-ID.",
        answered("What happened.", Timeline, a_stream=_TIMELINE),
        ("unknown_request", "processes"),
        parameters=in_path("request_id", "Id of the request.", "req_7824f4eed71db4db353b7018"),
    ),
    ("POST", "/admin/log-level"): Operation(
        "change_log_level",
        ADMINISTRATION,
        "Change the level of the log",
        "In all processes, until the next change or start.",
        answered("It is changed.", LevelChanged, debug={"status": "changed", "level": "DEBUG", "processes": 1}),
        ("no_level", "too_large", "media", "coding", "processes"),
        asked(LogLevelRequest, debug={"level": "DEBUG"}),
    ),
}
