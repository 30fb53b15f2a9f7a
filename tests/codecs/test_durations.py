"""`keep_alive`, as Go's time package reads and refuses it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.durations import check_keep_alive
from gateway.errors import RequestError


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        pytest.param(None, None, id="unset"),
        pytest.param(0, 0.0, id="unload"),
        pytest.param(0.0, 0.0, id="unload as a float"),
        pytest.param(1800, 1800.0, id="seconds"),
        pytest.param(1.5, 1.5, id="a fraction of seconds"),
        pytest.param(-1, -1.0, id="for ever"),
        pytest.param("0", 0.0, id="zero needs no unit"),
        pytest.param("-0", 0.0, id="signed zero"),
        pytest.param("10m", 600.0, id="minutes"),
        pytest.param("1h30m", 5400.0, id="two terms"),
        pytest.param("+5s", 5.0, id="plus"),
        pytest.param("-1m", -60.0, id="minus"),
        pytest.param("1.5h", 5400.0, id="fraction of a unit"),
        pytest.param(".5s", 0.5, id="no whole part"),
        pytest.param("5.s", 5.0, id="no digits after the point"),
        pytest.param("250ms", 0.25, id="milliseconds"),
        pytest.param("1us", 1e-6, id="microseconds"),
        pytest.param("1\u00b5s", 1e-6, id="micro sign"),
        pytest.param("1\u03bcs", 1e-6, id="Greek mu"),
        pytest.param("3ns", 3e-9, id="nanoseconds"),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_gos_text(raw: Any, seconds: float | None) -> None:
    assert check_keep_alive(raw) == seconds


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param("abc", 'time: invalid duration "abc"', id="no number"),
        pytest.param("", 'time: invalid duration ""', id="empty"),
        pytest.param("-", 'time: invalid duration "-"', id="sign alone"),
        pytest.param(".s", 'time: invalid duration ".s"', id="point alone"),
        pytest.param("5", 'time: missing unit in duration "5"', id="no unit"),
        pytest.param("1h5", 'time: missing unit in duration "1h5"', id="no second unit"),
        pytest.param("5d", 'time: unknown unit "d" in duration "5d"', id="days"),
        pytest.param("5 m", 'time: unknown unit " m" in duration "5 m"', id="space"),
        pytest.param("1.2.3s", 'time: missing unit in duration "1.2.3s"', id="two points"),
        pytest.param("9999999h", 'time: invalid duration "9999999h"', id="over 64 bits of nanoseconds"),
        pytest.param('a"\\', 'time: invalid duration "a\\"\\\\"', id="quotes are escaped"),
        pytest.param("é\n", 'time: invalid duration "\\xc3\\xa9\\x0a"', id="other bytes are escaped"),
        pytest.param(True, "Unsupported type: 'bool'", id="bool"),
        pytest.param([], "Unsupported type: '[]interface {}'", id="list"),
        pytest.param({}, "Unsupported type: 'map[string]interface {}'", id="object"),
    ],
)
def test_a_bad_duration_is_refused_in_gos_words(raw: Any, text: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_keep_alive(raw)
    assert caught.value.message == text
    assert caught.value.status == 400


def test_a_number_beyond_every_float_is_refused() -> None:
    with pytest.raises(RequestError):
        check_keep_alive(10**400)


def test_an_endless_duration_is_refused_without_echoing_it_all() -> None:
    with pytest.raises(RequestError) as caught:
        check_keep_alive("9" * 1_000_000)
    assert len(caught.value.message) < 1000


@given(st.text() | st.from_regex(r"\A[-+]?([0-9]{0,30}(\.[0-9]{0,30})?(ns|us|ms|s|m|h|x)?){1,4}\Z"))
def test_any_text_gives_seconds_or_a_request_error(raw: str) -> None:
    try:
        outcome: float | str | None = check_keep_alive(raw)
    except RequestError as error:
        outcome = error.message
    assert isinstance(outcome, float) or str(outcome).startswith("time: ")
