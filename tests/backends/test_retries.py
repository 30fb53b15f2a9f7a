"""What a failure means for the next attempt, and after what pause it is made."""

import pytest

from gateway.backends.retries import Verdict, judge, pause_s
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


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529])
def test_statuses_that_may_pass_have_a_cause_of_their_own(status: int) -> None:
    assert judge(UpstreamStatusError(status, "no")) == (Verdict.AGAIN, f"status_{status}")


@pytest.mark.parametrize("phase", ["connect", "reset", "cut"])
def test_a_connection_that_broke_before_anything_was_shown_may_be_asked_again(phase: str) -> None:
    assert judge(UpstreamConnectionError("no", phase=phase)) == (Verdict.AGAIN, phase)


@pytest.mark.parametrize("clock", ["connect", "first_token", "idle", "total"])
def test_a_silent_place_is_not_asked_again_but_others_are(clock: str) -> None:
    assert judge(UpstreamTimeoutError("no", clock=clock)) == (Verdict.ELSEWHERE, f"timeout_{clock}")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        *((UpstreamStatusError(status, "no"), "key") for status in (401, 402, 403)),
        (UpstreamStatusError(429, "You exceeded your current quota", code="insufficient_quota"), "key"),
        *((UpstreamConnectionError("no", phase=phase), phase) for phase in ("tls", "protocol")),
        (TranslationError("no"), "bad_answer"),
        (OverloadedError("full"), "limit"),
        (RateLimitedError("used up"), "limit"),
        (RequestError("this server cannot"), "unsupported"),
    ],
    ids=lambda part: part if isinstance(part, str) else f"{type(part).__name__}-{part.status}",
)
def test_what_only_this_place_cannot_do_is_asked_elsewhere(error: ProxyException, cause: str) -> None:
    assert judge(error) == (Verdict.ELSEWHERE, cause)


def test_an_unknown_name_is_asked_of_others_and_makes_no_fallback() -> None:
    error = UpstreamStatusError(404, "The model `m` does not exist", code="model_not_found")
    assert judge(error) == (Verdict.NOT_HERE, "unknown_model")


def test_a_context_that_is_too_short_leaves_only_other_models() -> None:
    error = UpstreamStatusError(400, "This model's maximum context length is 8 tokens", code="context_length_exceeded")
    assert judge(error) == (Verdict.OTHER_MODEL, "context")


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_a_prompt_that_is_too_long_is_none_for_this_model(status: int) -> None:
    error = UpstreamStatusError(status, "input (9000 tokens) is too large to process. increase the physical batch size")
    assert judge(error) == (Verdict.OTHER_MODEL, "context")


@pytest.mark.parametrize(
    "error",
    [
        *(UpstreamStatusError(status, "no") for status in (400, 404, 408, 409, 413, 422, 501, 505)),
        UpstreamStatusError(400, "content management policy", code="content_filter"),
        UpstreamStatusError(500, "image input is not supported - hint: provide the mmproj"),
        ProxyException("no"),
    ],
    ids=lambda error: f"{type(error).__name__}-{error.status}",
)
def test_what_is_refused_here_is_refused_everywhere(error: ProxyException) -> None:
    assert judge(error)[0] is Verdict.NOWHERE


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
