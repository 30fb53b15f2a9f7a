"""Which failures are asked again, and after what pause."""

import random

from gateway.errors import ProxyException, UpstreamConnectionError, UpstreamStatusError

RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
_BASE_S = 0.25
_LONGEST_S = 8.0


def retry_cause(error: ProxyException) -> str | None:
    """Return the label of a failure that may be asked again, None for one that may not.

    May: no connection, a reset before anything was received, and the statuses above. Never a timeout (the backend may
    still be working on it) and never a cut answer.
    """
    if isinstance(error, UpstreamConnectionError):
        return error.phase if error.phase in ("connect", "reset") else None
    if isinstance(error, UpstreamStatusError) and error.status in RETRIED_STATUSES:
        return f"status_{error.status}"
    return None


def pause_s(error: ProxyException, attempt: int, longest_s: float) -> float | None:
    """Return how long to wait before attempt `attempt + 1`; None when the backend asks for more than `longest_s`.

    Doubles from a quarter of a second with jitter; a Retry-After is honoured, plus a little jitter so that clients that
    were refused together do not come back together.
    """
    asked = error.retry_after_s if isinstance(error, UpstreamStatusError) else None
    if asked is not None:
        return asked + random.uniform(0, 0.1) if asked <= longest_s else None  # noqa: S311 - jitter, not a secret
    return min(_LONGEST_S, _BASE_S * 2.0 ** min(attempt - 1, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
