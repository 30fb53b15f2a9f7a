"""Requests and tokens a minute: refuses a client that had its share, and counts what an answer took afterwards."""

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import RateLimitedError

if TYPE_CHECKING:
    from gateway.admission.counts import Counts

WINDOW_S = 60


class Rates(NamedTuple):
    """What a client may use in a minute; 0: any amount."""

    requests: int = 0
    tokens: int = 0


class RateLimits:
    """Holds clients to their rates. `refused` is told "requests" or "tokens" of each refusal."""

    def __init__(self, counts: "Counts", refused: Callable[[str], None]) -> None:
        self._counts = counts
        self._refused = refused

    async def check(self, client: str, rates: Rates) -> None:
        """Count a request. Raises RateLimitedError, with what is to be waited, and counts nothing."""
        if rates.tokens and (wait_s := await self._counts.wait_s(f"tokens:{client}", rates.tokens)):
            self._refused("tokens")
            raise rate_limited("tokens", rates, wait_s)
        if rates.requests and (wait_s := await self._counts.take(f"requests:{client}", rates.requests)):
            self._refused("requests")
            raise rate_limited("requests", rates, wait_s)

    async def debit(self, client: str, rates: Rates, tokens: int) -> None:
        """Count the tokens of an answer that was given."""
        await self._counts.add(f"tokens:{client}", rates.tokens, tokens)


def rate_limited(kind: str, rates: Rates, wait_s: float) -> RateLimitedError:
    """Return the refusal because of `kind` (a field of `rates`), with the headers that tell when to come again.

    Retry-After is what SDKs obey, OpenAI's own in milliseconds first; RateLimit and RateLimit-Policy are those of the
    IETF's draft (draft-ietf-httpapi-ratelimit-headers-10), x-ratelimit-* OpenAI's.
    """
    limit: int = getattr(rates, kind)
    whole_s = max(1, ceil(wait_s))
    policies = [f'"{name}";q={quota};w={WINDOW_S}' for name, quota in rates._asdict().items() if quota]
    headers = {
        "Retry-After": str(whole_s),
        "retry-after-ms": str(max(1, ceil(wait_s * 1000))),
        "RateLimit-Policy": ", ".join(policies),
        "RateLimit": f'"{kind}";r=0;t={whole_s}',
        f"x-ratelimit-limit-{kind}": str(limit),
        f"x-ratelimit-remaining-{kind}": "0",
        f"x-ratelimit-reset-{kind}": f"{whole_s}s",
    }
    text = f"rate limit reached: {limit} {kind} a minute; try again in {whole_s} s"
    return RateLimitedError(text, code="rate_limit_exceeded", headers=headers)
