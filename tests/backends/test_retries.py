"""Which failures are asked again, and after what pause."""

import pytest

from gateway.backends.retries import pause_s, retry_cause
from gateway.errors import (
    ProxyException,
    RequestError,
    TranslationError,
    UpstreamConnectionError,
    UpstreamStatusError,
    UpstreamTimeoutError,
)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_statuses_that_may_pass_have_a_cause_of_their_own(status: int) -> None:
    assert retry_cause(UpstreamStatusError(status, "no")) == f"status_{status}"


@pytest.mark.parametrize("phase", ["connect", "reset"])
def test_a_connection_that_gave_nothing_is_asked_again(phase: str) -> None:
    assert retry_cause(UpstreamConnectionError("no", phase=phase)) == phase


@pytest.mark.parametrize(
    "error",
    [
        *(UpstreamStatusError(status, "no") for status in (400, 401, 403, 404, 408, 409, 422, 501, 505)),
        *(UpstreamConnectionError("no", phase=phase) for phase in ("cut", "tls", "protocol")),
        *(UpstreamTimeoutError("no", clock=clock) for clock in ("connect", "first_token", "idle", "total")),
        TranslationError("no"),
        RequestError("no"),
        ProxyException("no"),
    ],
    ids=lambda error: f"{type(error).__name__}-{error.status}-{getattr(error, 'phase', getattr(error, 'clock', ''))}",
)
def test_everything_else_is_not_asked_again(error: ProxyException) -> None:
    assert retry_cause(error) is None


def test_pauses_grow_with_the_attempts_and_have_a_longest() -> None:
    error = UpstreamStatusError(500, "no")
    for attempt, longest in ((1, 0.25), (2, 0.5), (3, 1.0), (4, 2.0), (20, 8.0), (2000, 8.0)):
        pauses = {pause_s(error, attempt, 60) for _ in range(50)}
        assert all(pause is not None and longest / 2 <= pause <= longest for pause in pauses)
        assert len(pauses) > 1, "there is no jitter"


def test_retry_after_takes_the_place_of_the_backoff() -> None:
    error = UpstreamStatusError(503, "no", retry_after_s=5)
    pauses = {pause_s(error, 1, 60) for _ in range(50)}
    assert all(pause is not None and 5 <= pause <= 5.5 for pause in pauses)
    assert len(pauses) > 1, "there is no jitter"


def test_a_retry_after_of_nothing_is_taken_at_its_word() -> None:
    pause = pause_s(UpstreamStatusError(503, "no", retry_after_s=0), 5, 60)
    assert pause is not None
    assert pause < 0.5


def test_a_retry_after_over_the_bound_has_no_pause() -> None:
    assert pause_s(UpstreamStatusError(429, "no", retry_after_s=60.5), 1, 60) is None
    assert pause_s(UpstreamStatusError(429, "no", retry_after_s=60), 1, 60) is not None
