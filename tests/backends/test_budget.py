"""How many repetitions a backend may get."""

from gateway.backends.budget import RetryBudget


def test_a_few_repetitions_a_second_are_always_allowed() -> None:
    now = [100.0]
    budget = RetryBudget(lambda: now[0])
    assert [budget.spend() for _ in range(31)] == [True] * 30 + [False]
    now[0] += 5
    assert not budget.spend()
    now[0] += 5.1
    assert [budget.spend() for _ in range(31)] == [True] * 30 + [False]


def test_a_storm_is_made_a_tenth_worse_at_most() -> None:
    now = [0.0]
    budget = RetryBudget(lambda: now[0])
    repeated = 0
    for request in range(500 * 60):
        now[0] = request / 500
        budget.offer()
        repeated += sum(budget.spend() for _ in range(3))
    assert 0.09 * 30_000 <= repeated < 0.1 * 30_000


def test_what_was_long_ago_does_not_count() -> None:
    now = [0.0]
    budget = RetryBudget(lambda: now[0])
    for _ in range(10_000):
        budget.offer()
    assert budget.spend()
    now[0] = 1000.0
    assert [budget.spend() for _ in range(31)] == [True] * 30 + [False]
