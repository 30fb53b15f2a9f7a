"""Kinds that Kubernetes itself does not know: what the chart writes of them, as strict as their own definitions.

Of Prometheus' operator (monitoring.coreos.com/v1) and of the Gateway API (gateway.networking.k8s.io/v1). The chart
writes no field that is not here, so that one is as wrong as a misspelt one.
"""

from typing import Any

type Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
DURATION: Schema = {"type": "string", "pattern": "^([0-9]+(h|m|s|ms))+$"}
NAME: Schema = {"type": "string", "minLength": 1}


def record(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """Return the schema of an object with these fields and no others."""
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


def several(items: Schema) -> Schema:
    """Return the schema of a list with something in it."""
    return {"type": "array", "minItems": 1, "items": items}


def kind(version: str, name: str, spec: Schema) -> Schema:
    """Return the schema of an object of a kind."""
    metadata = record(("name", "labels"), name=NAME, namespace=NAME, labels=TEXTS, annotations=TEXTS)
    every = ("apiVersion", "kind", "metadata", "spec")
    return record(every, apiVersion={"const": version}, kind={"const": name}, metadata=metadata, spec=spec)


ENTRY = record(("name", "key"), name=NAME, key=NAME)
RELABELING = record(
    action={"enum": ["replace", "keep", "drop", "labeldrop", "labelkeep", "labelmap", "hashmod"]},
    sourceLabels=several(TEXT), separator=TEXT, targetLabel=TEXT, regex=TEXT, replacement=TEXT,
)  # fmt: skip
ENDPOINT = record(
    ("port", "path", "scheme"),
    port=NAME, path={"type": "string", "pattern": "^/"}, scheme={"enum": ["http", "https"]},
    interval=DURATION, scrapeTimeout=DURATION, authorization=record(("credentials",), credentials=ENTRY),
    tlsConfig=record(serverName=NAME, insecureSkipVerify={"type": "boolean"}, ca=record(secret=ENTRY, configMap=ENTRY)),
    relabelings=several(RELABELING), metricRelabelings=several(RELABELING),
)  # fmt: skip
SELECTOR = record(("matchLabels",), matchLabels=TEXTS)
RULE = record(
    ("expr",),
    record=NAME, alert=NAME, expr=NAME, labels=TEXTS, annotations=TEXTS, **{"for": DURATION},
)  # fmt: skip
ROUTE = record(
    ("matches", "backendRefs"),
    matches=several(record(("path",), path=record(("type", "value"), type={"const": "PathPrefix"}, value=NAME))),
    filters=several({"type": "object", "required": ["type"]}),
    timeouts=record(request=DURATION, backendRequest=DURATION),
    backendRefs=several(record(("name", "port"), name=NAME, port={"type": "integer"})),
)  # fmt: skip

_OPERATOR = "monitoring.coreos.com/v1"
SCHEMAS: dict[str, Schema] = {
    "ServiceMonitor": kind(
        _OPERATOR,
        "ServiceMonitor",
        record(("selector", "endpoints"), selector=SELECTOR, endpoints=several(ENDPOINT)),
    ),
    "PodMonitor": kind(
        _OPERATOR,
        "PodMonitor",
        record(("selector", "podMetricsEndpoints"), selector=SELECTOR, podMetricsEndpoints=several(ENDPOINT)),
    ),
    "PrometheusRule": kind(
        _OPERATOR,
        "PrometheusRule",
        record(("groups",), groups=several(record(("name", "rules"), name=NAME, rules=several(RULE)))),
    ),
    "HTTPRoute": kind(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        record(
            ("parentRefs", "rules"),
            parentRefs=several(record(("name",), name=NAME, namespace=NAME, sectionName=NAME)),
            hostnames=several(NAME),
            rules=several(ROUTE),
        ),
    ),
}
