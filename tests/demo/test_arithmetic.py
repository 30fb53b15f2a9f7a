"""Sums in texts."""

import pytest

from gateway.demo.arithmetic import solve


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2+2", "2+2 = 4"),
        ("What is 12.5 * (3 - 1)?", "12.5 * (3 - 1) = 25"),
        ("-5 + 3 =", "-5 + 3 = -2"),
        ("2 + 3 * 4", "2 + 3 * 4 = 14"),
        ("7 \u00d7 6", "7 \u00d7 6 = 42"),
        ("1/3 of it", "1/3 = 0.3333333333"),
        ("123456*789012", "123456*789012 = 97408265472"),
        ("I have 3 cats, and 1 + 1 dogs", "1 + 1 = 2"),
        ("1/0", "1/0 has no result, because nothing can be divided by zero"),
    ],
)
def test_a_sum_is_found_and_solved(text: str, expected: str) -> None:
    assert solve(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "no numbers", "I am 22", "2026-10-12", "555-123-4567", "2 ** 9", "((((", "1.2.3", "2 (3)", "9" * 5000 + "+1"],
)
def test_what_is_no_sum_has_no_result(text: str) -> None:
    assert solve(text) is None
