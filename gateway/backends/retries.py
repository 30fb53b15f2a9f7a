"""What a failure of one attempt means for the next: ask again, ask elsewhere, or tell the client."""

import random
from enum import Enum

from gateway.codecs.backend_errors import is_too_long, is_unknown_model
from gateway.errors import (
    OverloadedError,
    ProxyException,
    RateLimitedError,
    RequestError,
    TranslationError,
    UpstreamConnectionError,
    UpstreamStatusError,
    UpstreamTimeoutError,
)

RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_KEY_STATUSES = frozenset({401, 402, 403})
_SPENT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_NOT_SUPPORTED = "is not supported"
"""What llama.cpp says of an image to a model without eyes, with 500: asking again would not change it."""
_BASE_S = 0.25
_LONGEST_S = 8.0
_chance = random.SystemRandom()


class Verdict(Enum):
    """What may be asked after a failure."""

    AGAIN = "again"
    """The same place after a pause, any other at once."""
    ELSEWHERE = "elsewhere"
    """Any other place: this one is silent, or refuses the key."""
    NOT_HERE = "not here"
    """Any other place that serves this model: this one does not know its name, which is no fault to make up for."""
    OTHER_MODEL = "other model"
    """Fallbacks alone: the model itself cannot take this question."""
    NOWHERE = "nowhere"
    """The question is refused, wherever it is asked."""


def judge(error: ProxyException) -> tuple[Verdict, str]:
    """Return what may be asked after `error`, and its cause as a bounded label.

    A place that was silent is not asked again: it may still be at work on the first question.
    """
    match error:
        case UpstreamConnectionError():
            again = error.phase in ("connect", "reset", "cut")
            return (Verdict.AGAIN if again else Verdict.ELSEWHERE), error.phase
        case UpstreamTimeoutError():
            return Verdict.ELSEWHERE, f"timeout_{error.clock}"
        case UpstreamStatusError():
            return _judge_status(error)
        case TranslationError():
            return Verdict.ELSEWHERE, "bad_answer"
        case OverloadedError() | RateLimitedError():
            return Verdict.ELSEWHERE, "limit"
        case RequestError():  # it could not be put into this server's words
            return Verdict.ELSEWHERE, "unsupported"
    return Verdict.NOWHERE, error.kind


def _judge_status(error: UpstreamStatusError) -> tuple[Verdict, str]:
    status = error.status
    if status in _KEY_STATUSES or error.code in _SPENT_CODES:
        return Verdict.ELSEWHERE, "key"
    if status in (400, 413, 422, 500) and is_too_long(error):
        return Verdict.OTHER_MODEL, "context"
    if status == 500 and _NOT_SUPPORTED in error.message:
        return Verdict.NOWHERE, "refused"
    if status in RETRIED_STATUSES:
        return Verdict.AGAIN, f"status_{status}"
    if is_unknown_model(error):
        return Verdict.NOT_HERE, "unknown_model"
    return Verdict.NOWHERE, "refused"


def pause_s(error: ProxyException, failures: int, longest_s: float) -> float | None:
    """Return how long to wait before a place that failed `failures` times is asked again.

    None when the backend asks for more than `longest_s`. Doubles from a quarter of a second with jitter; a Retry-After
    is honoured, plus a little jitter so that clients that were refused together do not come back together.
    """
    asked = error.retry_after_s if isinstance(error, UpstreamStatusError) else None
    if asked is None:
        return min(_LONGEST_S, _BASE_S * 2.0 ** min(failures - 1, 10)) * _between(0.5, 1.0)
    return asked + _between(0.0, 0.1) if asked <= longest_s else None


def _between(low: float, high: float) -> float:
    """Return a number that spreads clients over time."""
    return _chance.uniform(low, high)
