"""CountedNumbers: the page's numbers, as the gateway's metrics have them."""

from collections.abc import Iterable, Iterator
from itertools import islice
from time import monotonic_ns, time

from gateway.exchange import Exchange
from gateway.telemetry.metrics import Metrics
from gateway.web.numbers import RecentRequest, Totals

OWN_ROUTES = "/ui"
"""What begins like this is the page itself, and is not counted as traffic."""
MOST_RECENT = 50
LONGEST_NAME = 200


class CountedNumbers:
    """Reads `metrics` and the `latest` requests, the newest first; holds nothing itself."""

    def __init__(self, metrics: Metrics, latest: Iterable[Exchange]) -> None:
        self._metrics = metrics
        self._latest = latest
        # Taken once: a request must not seem to begin at another time with every look.
        self._began_ns = time() * 1e9 - monotonic_ns()

    def snapshot(self) -> Totals:
        """Return what has been counted so far."""
        metrics = self._metrics
        routes = [numbers for route, numbers in metrics.routes.items() if not route.startswith(OWN_ROUTES)]
        firsts = [model.first_chunks for model in metrics.models.values()]
        speeds = [model.speeds for model in metrics.models.values()]
        return {
            "requests": sum(sum(route.requests.values()) for route in routes),
            "errors": sum(sum(route.errors.values()) for route in routes),
            "in_flight": sum(route.in_flight for route in routes),
            "waiting": metrics.queue()[0],
            "output_tokens": sum(tokens.output for tokens in metrics.tokens.values()),
            "first_chunks": sum(times.count for times in firsts),
            "first_chunk_s": sum(times.total / times.scale for times in firsts),
            "speeds": sum(values.count for values in speeds),
            "speeds_sum": sum(values.total / values.scale for values in speeds),
            "recent": list(islice(self._recent(), MOST_RECENT)),
        }

    def _recent(self) -> Iterator[RecentRequest]:
        """Yield what people want to see: neither the page's own requests, nor what only reads and succeeds."""
        now_ns = monotonic_ns()
        for exchange in self._latest:
            if not exchange.route.startswith(OWN_ROUTES) and (exchange.method == "POST" or exchange.error_kind):
                yield self._row(exchange, now_ns)

    def _row(self, exchange: Exchange, now_ns: int) -> RecentRequest:
        started_ns = exchange.started_ns
        first_ns, ended_ns = exchange.first_chunk_ns, exchange.ended_ns or now_ns
        return {
            "id": exchange.request_id,
            "began_s": round((self._began_ns + started_ns) / 1e9, 3),
            "method": exchange.method[:LONGEST_NAME],
            "route": exchange.route,
            "model": exchange.model[:LONGEST_NAME] if exchange.model is not None else None,
            "backend": exchange.backend,
            "status": exchange.status,
            "error": exchange.error_kind,
            "duration_s": (ended_ns - started_ns) / 1e9,
            "first_chunk_s": (first_ns - started_ns) / 1e9 if first_ns is not None else None,
            "output_tokens": exchange.completion_tokens,
            "attempts": exchange.attempts,
        }
