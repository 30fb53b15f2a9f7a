"""Families: what is shown under one name, in a form that several processes can add up and Prometheus' client can write.

A process' families travel as JSON; what they say together is the sum, but for numbers of the machine or of a time.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    Exemplar,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)

Kind = Literal["counter", "gauge", "histogram", "info"]
Fold = Literal["sum", "max", "min"]
_EXEMPLAR_CHARACTERS = 128
"""OpenMetrics' bound for names and values of one exemplar's labels together."""


class Example(msgspec.Struct, frozen=True, array_like=True):
    """A request that fell into a bucket; `at_s` is the wall clock's."""

    bucket: int
    value: float
    request_id: str
    trace_id: str | None
    at_s: float


class Distribution(msgspec.Struct, frozen=True):
    """A histogram: `counts` are those of each bucket alone, the last one without a bound."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float
    examples: tuple[Example, ...] = ()


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A value for one set of labels."""

    labels: tuple[str, ...]
    value: int | float | Distribution


class Family(msgspec.Struct, frozen=True):
    """All rows of one name (a counter's without `_total`). `fold`: how processes' rows become one."""

    name: str
    help: str
    kind: Kind
    labels: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    fold: Fold = "sum"


def counter(name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[Sequence[str], float]]) -> Family:
    """Return a family of numbers that only grow."""
    return Family(name, text, "counter", tuple(labels), tuple(Row(tuple(names), value) for names, value in rows))


def gauge(
    name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[Sequence[str], float]], *, fold: Fold = "sum"
) -> Family:
    """Return a family of numbers of the moment."""
    found = tuple(Row(tuple(names), value) for names, value in rows)
    return Family(name, text, "gauge", tuple(labels), found, fold)


def one_counter(name: str, text: str, value: float) -> Family:
    """Return a counter without labels."""
    return counter(name, text, (), [((), value)])


def one_gauge(name: str, text: str, value: float | None, *, fold: Fold = "sum") -> Family:
    """Return a gauge without labels, empty where the value is not known."""
    return gauge(name, text, (), [((), value)] if value is not None else [], fold=fold)


def histogram(
    name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[Sequence[str], Distribution]]
) -> Family:
    """Return a family of histograms."""
    return Family(name, text, "histogram", tuple(labels), tuple(Row(tuple(names), value) for names, value in rows))


def merged(parts: Iterable[Sequence[Family]]) -> list[Family]:
    """Return what several processes say together, in the order of the first that says it."""
    found: dict[str, Family] = {}
    for family in (family for families in parts for family in families):
        known = found.get(family.name)
        found[family.name] = family if known is None else _together(known, family)
    return list(found.values())


def metric_of(family: Family) -> Metric:
    """Return a family as Prometheus' client writes it."""
    match family.kind:
        case "histogram":
            return _histogram_metric(family)
        case "info":
            return InfoMetricFamily(
                family.name, family.help, value=dict(zip(family.labels, _first(family), strict=True))
            )
        case "counter":
            metric: CounterMetricFamily | GaugeMetricFamily = CounterMetricFamily(
                family.name, family.help, labels=family.labels
            )
        case _:
            metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for row in family.rows:
        if not isinstance(row.value, Distribution):
            metric.add_metric(row.labels, row.value)
    return metric


def family_of(metric: Metric, *, fold: Fold = "sum") -> Family:
    """Return a counter or gauge that Prometheus' client collected itself."""
    kind: Kind = "counter" if metric.type == "counter" else "gauge"
    wanted = metric.name + ("_total" if kind == "counter" else "")
    samples = [sample for sample in metric.samples if sample.name == wanted]
    labels = tuple(samples[0].labels) if samples else ()
    rows = tuple(Row(tuple(sample.labels[name] for name in labels), sample.value) for sample in samples)
    return Family(metric.name, metric.documentation, kind, labels, rows, fold)


def _together(one: Family, other: Family) -> Family:
    rows = {row.labels: row for row in one.rows}
    for row in other.rows:
        known = rows.get(row.labels)
        if known is None or one.kind == "info":
            rows[row.labels] = row
        elif (value := _folded(known.value, row.value, one.fold)) is not None:
            rows[row.labels] = Row(row.labels, value)
    return msgspec.structs.replace(one, rows=tuple(rows.values()))


def _folded(one: float | Distribution, other: float | Distribution, fold: Fold) -> float | Distribution | None:
    if isinstance(one, Distribution) and isinstance(other, Distribution):
        return _added(one, other)
    if isinstance(one, Distribution) or isinstance(other, Distribution):
        return None
    return one + other if fold == "sum" else max(one, other) if fold == "max" else min(one, other)


def _added(one: Distribution, other: Distribution) -> Distribution | None:
    """Return the sum; None for histograms of two versions that do not have the same buckets."""
    if one.bounds != other.bounds:
        return None
    latest: dict[int, Example] = {}
    for example in (*one.examples, *other.examples):
        if example.bucket not in latest or latest[example.bucket].at_s < example.at_s:
            latest[example.bucket] = example
    counts = tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
    return Distribution(one.bounds, counts, one.total + other.total, tuple(latest.values()))


def _first(family: Family) -> tuple[str, ...]:
    return family.rows[0].labels if family.rows else ("",) * len(family.labels)


def _histogram_metric(family: Family) -> HistogramMetricFamily:
    metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    for row in family.rows:
        if isinstance(row.value, Distribution):
            metric.add_metric(row.labels, _buckets(row.value), row.value.total)
    return metric


def _buckets(distribution: Distribution) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    """Return Prometheus' cumulative buckets: upper bound as text, count up to it, its example."""
    examples = {example.bucket: example for example in distribution.examples}
    count = 0
    buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
    for at, here in enumerate(distribution.counts):
        count += here
        bound = str(float(distribution.bounds[at])) if at < len(distribution.bounds) else "+Inf"
        exemplar = _exemplar(examples.get(at))
        buckets.append((bound, count) if exemplar is None else (bound, count, exemplar))
    return buckets


def _exemplar(example: Example | None) -> Exemplar | None:
    if example is None:
        return None
    labels = {"trace_id": example.trace_id} if example.trace_id else {}
    if len("request_id" + example.request_id) + sum(len(name + text) for name, text in labels.items()) <= (
        _EXEMPLAR_CHARACTERS
    ):
        labels["request_id"] = example.request_id
    return Exemplar(labels, example.value, example.at_s) if labels else None
