"""Requests and tokens a minute, and what a client is told that had its share."""

from collections import Counter

import pytest

from gateway.admission.counts import local_counts
from gateway.admission.rates import RateLimits, Rates, rate_limited
from gateway.errors import RateLimitedError
from tests.admission.clock import Clock


async def test_a_client_may_overshoot_its_tokens_once_and_then_waits() -> None:
    clock, refused = Clock(), Counter[str]()
    limits = RateLimits(local_counts(clock), lambda reason: refused.update([reason]))
    rates = Rates(tokens=100)
    await limits.check("a", rates)
    await limits.debit("a", rates, 5000)
    with pytest.raises(RateLimitedError) as refusal:
        await limits.check("a", rates)
    await limits.check("b", rates)
    clock.now_s += int(refusal.value.headers["Retry-After"])
    await limits.check("a", rates)
    assert refused == {"tokens": 1}


async def test_a_request_that_is_refused_for_its_tokens_counts_as_no_request() -> None:
    clock = Clock()
    limits = RateLimits(local_counts(clock), lambda reason: None)
    rates = Rates(requests=2, tokens=10)
    await limits.debit("a", rates, 10)
    for _ in range(5):
        with pytest.raises(RateLimitedError, match="10 tokens a minute"):
            await limits.check("a", rates)
    for _ in range(2):
        await limits.check("a", Rates(requests=2))
    with pytest.raises(RateLimitedError, match="2 requests a minute"):
        await limits.check("a", Rates(requests=2))


@pytest.mark.parametrize(("kind", "limit"), [("requests", 60), ("tokens", 9000)])
def test_a_refusal_says_what_sdks_and_the_draft_of_the_standard_read(kind: str, limit: int) -> None:
    error = rate_limited(kind, Rates(60, 9000), 12.3)
    assert (error.status, error.code) == (429, "rate_limit_exceeded")
    assert error.message == f"rate limit reached: {limit} {kind} a minute; try again in 13 s"
    assert error.headers == {
        "Retry-After": "13",
        "retry-after-ms": "12300",
        "RateLimit-Policy": '"requests";q=60;w=60, "tokens";q=9000;w=60',
        "RateLimit": f'"{kind}";r=0;t=13',
        f"x-ratelimit-limit-{kind}": str(limit),
        f"x-ratelimit-remaining-{kind}": "0",
        f"x-ratelimit-reset-{kind}": "13s",
    }


def test_a_refusal_names_no_policy_that_there_is_not_and_never_says_to_come_at_once() -> None:
    headers = rate_limited("tokens", Rates(tokens=5), 0.0001).headers
    assert headers["RateLimit-Policy"] == '"tokens";q=5;w=60'
    assert (headers["Retry-After"], headers["retry-after-ms"]) == ("1", "1")
