"""The order in which equal places are asked: shares by weight, less for the loaded, last for those that rest."""

from collections import Counter

import pytest
from yarl import URL

from gateway.backend_settings import BackendSettings, Limits
from gateway.backends.backend import Backend
from gateway.backends.balance import Balancer
from gateway.backends.profiles import GENERIC
from gateway.codecs.contract import Target


def backend(name: str, *, weight: int = 1, priority: int = 1, concurrency: int | None = None) -> Backend:
    limits = Limits(concurrency=concurrency)
    url = URL(f"http://{name}.invalid/v1")
    return Backend.of(BackendSettings(name=name, base_url=url, weight=weight, priority=priority, limits=limits))


def fleet(*backends: Backend) -> dict[str, Backend]:
    return {backend.name: backend for backend in backends}


def targets(*names: str, sticky: bool = False) -> list[Target]:
    return [Target(name, "m", GENERIC, sticky=sticky) for name in names]


def order(balancer: Balancer, found: list[Target], backends: dict[str, Backend], key: str = "") -> list[str]:
    return [target.backend for target in balancer.order(found, backends, lambda: key)[0]]


@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (5, 3, 2), (1, 1, 1)])
def test_shares_follow_weights_exactly_while_nobody_is_loaded(weights: tuple[int, ...]) -> None:
    backends = fleet(*(backend(f"b{at}", weight=weight) for at, weight in enumerate(weights)))
    balancer, found = Balancer(), targets(*backends)
    first = Counter(order(balancer, found, backends)[0] for _ in range(100 * sum(weights)))
    assert [first[name] for name in backends] == [100 * weight for weight in weights]


def test_shares_follow_weights_within_five_percent_under_load() -> None:
    backends = fleet(backend("a", weight=3), backend("b"), backend("c"))
    balancer, found = Balancer(), targets(*backends)
    running: list[str] = []
    first: Counter[str] = Counter()
    for _ in range(5000):
        if len(running) >= 50:
            backends[running.pop(0)].gate.leave()
        name = order(balancer, found, backends)[0]
        backends[name].gate.in_flight += 1
        running.append(name)
        first[name] += 1
    for name, share in (("a", 3000), ("b", 1000), ("c", 1000)):
        assert abs(first[name] - share) <= 0.05 * share


def test_a_place_that_is_clearly_more_loaded_gets_less() -> None:
    backends = fleet(backend("slow"), backend("fast"))
    backends["slow"].gate.in_flight = 40
    backends["fast"].gate.in_flight = 4
    balancer = Balancer()
    first = Counter(order(balancer, targets("slow", "fast"), backends)[0] for _ in range(100))
    assert first == {"fast": 100}


def test_latency_counts_as_load() -> None:
    backends = fleet(backend("slow"), backend("fast"))
    for each in backends.values():
        each.gate.in_flight = 5
    balancer = Balancer()
    balancer.load("slow").answered(2.0)
    balancer.load("fast").answered(0.1)
    assert {order(balancer, targets("slow", "fast"), backends)[0] for _ in range(50)} == {"fast"}


def test_a_place_that_lost_its_turns_does_not_make_up_for_all_of_them() -> None:
    backends = fleet(backend("a"), backend("b"))
    balancer, found = Balancer(), targets("a", "b")
    backends["a"].gate.in_flight = 100
    for _ in range(1000):
        order(balancer, found, backends)
    backends["a"].gate.in_flight = 0
    first = Counter(order(balancer, found, backends)[0] for _ in range(100))
    assert first["a"] <= 55


def test_lower_priorities_wait_and_follow() -> None:
    backends = fleet(backend("spare", priority=2), backend("main"))
    for _ in range(10):
        assert order(Balancer(), targets("spare", "main"), backends) == ["main", "spare"]


def test_what_was_asked_for_comes_before_fallbacks_and_direct_names_before_others() -> None:
    backends = fleet(backend("a"), backend("b"), backend("c"))
    fallback, listed = Target("a", "m", GENERIC, fallback=1), Target("b", "m", GENERIC, tier=3)
    assert order(Balancer(), [fallback, listed, Target("c", "m", GENERIC, tier=1)], backends) == ["c", "b", "a"]


def test_a_place_that_rests_is_asked_last_and_comes_back() -> None:
    now = [100.0]
    balancer = Balancer(lambda: now[0])
    backends = fleet(backend("a"), backend("b"))
    balancer.load("a").failed(now[0])
    assert {order(balancer, targets("a", "b"), backends)[0] for _ in range(10)} == {"b"}
    now[0] += 1.0
    assert {order(balancer, targets("a", "b"), backends)[0] for _ in range(10)} == {"a", "b"}


def test_rests_grow_up_to_a_bound_and_a_retry_after_counts() -> None:
    load = Balancer().load("a")
    for _ in range(30):
        load.failed(0.0)
    assert load.rest_until_s == 0.5, "failures at one time are one failure"
    for second in range(10, 100, 10):
        load.failed(float(second))
    assert load.rest_until_s == 95.0
    load.failed(100.0, asked_s=30.0)
    assert load.rest_until_s == 130.0
    load.failed(100.0, asked_s=9999.0)
    assert load.rest_until_s == 160.0
    load.recovered()
    assert (load.failures, load.rest_until_s) == (0, 0.0)


def test_a_full_place_is_asked_last() -> None:
    backends = fleet(backend("a", concurrency=1), backend("b"))
    backends["a"].gate.in_flight = 1
    assert {order(Balancer(), targets("a", "b"), backends)[0] for _ in range(10)} == {"b"}


def test_a_full_place_is_asked_last_however_busy_the_others_are() -> None:
    backends = fleet(backend("a", concurrency=1), backend("b"))
    backends["a"].gate.in_flight, backends["b"].gate.in_flight = 1, 50
    balancer, found = Balancer(), tuple(targets("a", "b"))
    assert {balancer.order(found, backends, lambda: "")[0][0].backend for _ in range(10)} == {"b"}


def test_a_conversation_stays_with_one_place_and_only_its_own_move_when_it_goes() -> None:
    backends = fleet(backend("a", weight=2), backend("b"), backend("c"))
    balancer, found = Balancer(), targets("a", "b", "c", sticky=True)
    keys = [f"conversation {number}" for number in range(3000)]
    home = {key: order(balancer, found, backends, key)[0] for key in keys}
    assert all(order(balancer, found, backends, key)[0] == home[key] for key in keys)
    shares = Counter(home.values())
    assert shares["a"] == pytest.approx(1500, rel=0.1)
    fewer = targets("a", "b", sticky=True)
    moved = [key for key in keys if order(balancer, fewer, backends, key)[0] != home[key]]
    assert set(moved) == {key for key in keys if home[key] == "c"}


def test_a_backend_that_is_gone_is_not_asked() -> None:
    assert order(Balancer(), targets("gone", "a"), fleet(backend("a"))) == ["a"]


def test_many_equals_follow_the_chosen_one_from_a_random_one_on_each_once() -> None:
    names = [f"b{at:02}" for at in range(40)]
    backends = fleet(*map(backend, names))
    found = tuple(targets(*names))
    balancer = Balancer()
    orders = [
        [target.backend for target in balancer.order(found, backends, lambda: "")[0]] for _ in range(10 * len(names))
    ]
    assert all(sorted(each) == names for each in orders)
    assert Counter(each[0] for each in orders) == dict.fromkeys(names, 10)
    assert len({each[1] for each in orders}) > len(names) / 2, "those of one that fails go to many"


def test_what_is_known_of_candidates_ends_with_the_backends_they_were_known_of() -> None:
    balancer, found = Balancer(), tuple(targets("a", "b"))
    before = fleet(backend("a"), backend("b", priority=2))
    assert [target.backend for target in balancer.order(found, before, lambda: "")[0]] == ["a", "b"]
    after = fleet(backend("a", priority=3), backend("b", priority=2))
    balancer.forget({"a", "b"})
    assert [target.backend for target in balancer.order(found, after, lambda: "")[0]] == ["b", "a"]


def test_a_place_that_is_left_out_comes_back_when_its_breaker_closes() -> None:
    balancer, found = Balancer(), tuple(targets("a", "b", "c"))
    backends = fleet(backend("a"), backend("b"), backend("c"))
    assert balancer.breakers.all_closed
    for _ in range(5):
        balancer.breakers.failed("a", "m")
    ordered, ejected = balancer.order(found, backends, lambda: "")
    assert ({target.backend for target in ordered}, [target.backend for target in ejected]) == ({"b", "c"}, ["a"])
    balancer.breakers.recovered("a")
    balancer.breakers.asked("a", "m", 1.0)
    balancer.breakers.began("a", "m")
    assert balancer.breakers.all_closed
    assert len(balancer.order(found, backends, lambda: "")[0]) == 3


def test_a_breaker_that_is_forgotten_spares_nobody() -> None:
    balancer = Balancer()
    for _ in range(5):
        balancer.breakers.failed("a", "m")
    assert not balancer.breakers.all_closed
    balancer.forget({"b"})
    assert balancer.breakers.all_closed
