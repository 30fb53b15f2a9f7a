"""The way of one request from place to place."""

from gateway.backends.profiles import GENERIC
from gateway.backends.walk import Walk
from gateway.codecs.contract import Target
from gateway.errors import ProxyException, UpstreamConnectionError, UpstreamStatusError, UpstreamTimeoutError

DOWN = UpstreamConnectionError("down", phase="connect")
BUSY = UpstreamStatusError(503, "busy")
SILENT = UpstreamTimeoutError("silent", clock="first_token")
REFUSED = UpstreamStatusError(400, "content policy")
TOO_LONG = UpstreamStatusError(400, "too long", code="context_length_exceeded")
UNKNOWN = UpstreamStatusError(404, "model m not found", code="model_not_found")


def targets(*names: str, fallbacks: tuple[str, ...] = ()) -> list[Target]:
    found = [Target(name, "m", GENERIC) for name in names]
    return found + [Target(name, "other", GENERIC, fallback=at) for at, name in enumerate(fallbacks, 1)]


def walked(walk: Walk, *errors: ProxyException) -> list[str]:
    """Return the names of the places that are asked while these errors come, each with `+` where a pause is before."""
    asked: list[str] = []
    for error in errors:
        target, pause = walk.next()
        asked.append(target.backend + ("+" if pause else ""))
        walk.failed(target, error, 60)
        if walk.over:
            break
    return asked


def test_every_place_is_asked_at_once_then_again_after_pauses() -> None:
    walk = Walk(targets("a", "b"), max_retries=3)
    assert walked(walk, *[BUSY] * 9) == ["a", "b", "a+", "b+"]
    assert walk.blame is BUSY


def test_retries_bound_the_attempts_after_the_first() -> None:
    assert walked(Walk(targets("a", "b", "c"), max_retries=0), DOWN) == ["a"]
    assert walked(Walk(targets("a", "b", "c"), max_retries=1), DOWN, DOWN, DOWN) == ["a", "b"]


def test_fallbacks_are_asked_once_each_whatever_the_retries() -> None:
    walk = Walk(targets("a", fallbacks=("x", "y")), max_retries=0)
    assert walked(walk, BUSY, DOWN, DOWN, DOWN) == ["a", "x", "y"]


def test_a_silent_place_is_never_asked_again() -> None:
    assert walked(Walk(targets("a"), max_retries=3), SILENT, SILENT) == ["a"]
    assert walked(Walk(targets("a", "b"), max_retries=3), SILENT, BUSY, BUSY, BUSY, BUSY) == ["a", "b", "b+", "b+"]


def test_a_refusal_ends_the_way() -> None:
    walk = Walk(targets("a", "b", fallbacks=("x",)), max_retries=3)
    assert walked(walk, REFUSED, DOWN) == ["a"]
    assert walk.blame is REFUSED


def test_a_prompt_that_is_too_long_goes_to_other_models_alone() -> None:
    assert walked(Walk(targets("a", "b", fallbacks=("x",)), max_retries=3), TOO_LONG, DOWN) == ["a", "x"]
    walk = Walk(targets("a", "b"), max_retries=3)
    assert walked(walk, TOO_LONG, DOWN) == ["a"]
    assert walk.blame is TOO_LONG


def test_the_failure_of_a_fallback_is_not_what_the_client_is_told() -> None:
    walk = Walk(targets("a", fallbacks=("x",)), max_retries=0)
    assert walked(walk, BUSY, REFUSED) == ["a", "x"]
    assert walk.blame is BUSY


def test_a_name_that_nobody_knows_is_not_answered_by_a_fallback() -> None:
    walk = Walk(targets("a", "b", fallbacks=("x",)), max_retries=3)
    assert walked(walk, UNKNOWN, UNKNOWN, DOWN) == ["a", "b"]
    assert walk.blame is UNKNOWN


def test_a_name_that_one_does_not_know_and_another_fails_at_is_answered_by_a_fallback() -> None:
    assert walked(Walk(targets("a", "b", fallbacks=("x",)), max_retries=1), DOWN, UNKNOWN, DOWN) == ["a", "b", "x"]


def test_a_long_retry_after_is_not_waited_for_where_there_is_a_fallback() -> None:
    later = UpstreamStatusError(429, "later", retry_after_s=20)
    assert walked(Walk(targets("a", fallbacks=("x",)), max_retries=3), later, DOWN) == ["a", "x"]
    assert walked(Walk(targets("a"), max_retries=1), later, later) == ["a", "a+"]


def test_only_fallbacks_are_a_way_as_well() -> None:
    assert walked(Walk(targets(fallbacks=("x", "y")), max_retries=3), DOWN, DOWN) == ["x", "y"]


def test_there_are_others_as_long_as_one_can_be_asked_at_once() -> None:
    walk = Walk(targets("a", "b"), max_retries=3)
    assert walk.has_others
    target, _ = walk.next()
    walk.failed(target, BUSY, 60)
    assert not walk.has_others
    assert not Walk(targets("a", "b"), max_retries=0).has_others
    assert Walk(targets("a", fallbacks=("x",)), max_retries=0).has_others
