"""Balancer: in which order the places that can answer are asked."""

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from time import monotonic
from typing import NamedTuple

from gateway.backends.backend import Backend
from gateway.backends.breaker import Breakers
from gateway.backends.turns import Turns
from gateway.codecs.contract import Target

REST_S = 0.5
"""How long a backend that could not be reached is asked last; doubles with every time in a row."""
LONGEST_REST_S = 5.0
LONGEST_ASKED_REST_S = 60.0
"""How long a Retry-After is believed."""
_SMOOTHING = 0.2
_LEAST_LATENCY_S = 0.02
"""Differences below this are noise, not load."""
_CLEARLY = 2.0
"""How much lighter a place must be loaded to be preferred to the one whose turn it is."""
_MAX_GROUPS = 1024
_FEW = 16
"""So many equals are sorted by load for the case that the first one fails; of more, a random one is next."""


class Rests:
    """Until when any backend rests at all: most of the time none does, and nobody has to be asked."""

    __slots__ = ("until_s",)

    def __init__(self) -> None:
        self.until_s = 0.0


class Load:
    """What a backend's last answers tell: its smoothed time to the first output, and whether it should rest."""

    __slots__ = ("_rests", "failures", "latency_s", "rest_until_s")

    def __init__(self, rests: Rests) -> None:
        self._rests = rests
        self.failures = 0
        self.latency_s = 0.0
        self.rest_until_s = 0.0

    def answered(self, latency_s: float) -> None:
        """Note that it answered after `latency_s`."""
        self.recovered()
        self.latency_s += (latency_s - self.latency_s) * (_SMOOTHING if self.latency_s else 1.0)

    def recovered(self) -> None:
        """Note that it can be asked."""
        self.failures = 0
        self.rest_until_s = 0.0

    def failed(self, now_s: float, asked_s: float | None = None) -> None:
        """Note that it cannot be reached, or that it asked to be left alone for `asked_s`."""
        if asked_s is None and now_s < self.rest_until_s:
            return  # many requests fail at once when a server goes: that is one failure
        self.failures += 1
        rest_s = min(LONGEST_REST_S, REST_S * 2.0 ** min(self.failures - 1, 10))
        if asked_s is not None:
            rest_s = min(asked_s, LONGEST_ASKED_REST_S)
        self.rest_until_s = max(self.rest_until_s, now_s + rest_s)
        self._rests.until_s = max(self._rests.until_s, self.rest_until_s)


class Group(NamedTuple):
    """Equals, none of which comes before another by what is configured, with their backends."""

    targets: list[Target]
    backends: list[Backend]
    turns: Turns


class Plan(NamedTuple):
    """What is configured of the order of some candidates: worked out once, for as long as they are the same."""

    candidates: Sequence[Target]
    able: list[Target]
    groups: list[Group]
    bounded: bool


class Balancer:
    """Orders candidates: what was asked for before fallbacks, the able before the resting, then tier and priority.

    Among equals the turn goes round by weight (`Turns`); another place is preferred where it is clearly less loaded
    (requests in flight by weight, times latency): the power of two choices, the first of which keeps the shares exact.
    Those whose `breakers` are open are left out, half of the candidates at most.

    What is configured is worked out once for each tuple of candidates. While nobody rests, is full or is left out, the
    order costs the same for a hundred places as for two.
    """

    def __init__(self, clock: Callable[[], float] = monotonic, breakers: Breakers | None = None) -> None:
        self._clock = clock
        self.breakers = breakers if breakers is not None else Breakers(clock)
        self._rests = Rests()
        self._loads: dict[str, Load] = {}
        self._turns: dict[tuple[str, ...], Turns] = {}
        self._plans: dict[int, Plan] = {}

    def load(self, backend: str) -> Load:
        """Return what is known of a backend's load."""
        load = self._loads.get(backend)
        if load is None:
            load = self._loads[backend] = Load(self._rests)
        return load

    def forget(self, kept: set[str]) -> None:
        """Forget all backends but these."""
        self._loads = {name: load for name, load in self._loads.items() if name in kept}
        self._turns.clear()
        self._plans.clear()
        self.breakers.keep(kept)

    def order(
        self, candidates: Sequence[Target], backends: Mapping[str, Backend], conversation: Callable[[], str]
    ) -> tuple[list[Target], list[Target]]:
        """Return the candidates in the order to ask them, and those that are to be asked only when all others failed.

        `conversation` gives the key to stick to.
        """
        if len(candidates) == 1 and candidates[0].backend in backends:
            return list(candidates), []
        plan = self._plan(candidates, backends)
        if len(plan.able) < 2:
            return plan.able, []
        now_s = self._clock()
        if not plan.bounded and now_s >= self._rests.until_s and self.breakers.all_closed:
            return self._one_by_one(plan.groups, backends, conversation), []
        ejected = self._ejected(plan.able)
        groups = self._groups(plan.able, backends, lambda target: self._rank(target, backends, now_s), ejected)
        return self._one_by_one(groups, backends, conversation), ejected

    def _plan(self, candidates: Sequence[Target], backends: Mapping[str, Backend]) -> Plan:
        plan = self._plans.get(id(candidates))
        if plan is not None and plan.candidates is candidates:
            return plan
        able = [target for target in candidates if target.backend in backends]
        groups = self._groups(able, backends, lambda target: _configured(target, backends))
        plan = Plan(candidates, able, groups, any(backends[target.backend].gate.bounded for target in able))
        if isinstance(candidates, tuple):  # those of the catalog, which keeps them; a list is made for one request
            if len(self._plans) >= _MAX_GROUPS:
                self._plans.clear()
            self._plans[id(candidates)] = plan
        return plan

    def _rank(self, target: Target, backends: Mapping[str, Backend], now_s: float) -> tuple[int, bool, int, int]:
        away = self.load(target.backend).rest_until_s > now_s or backends[target.backend].gate.full
        fallback, _, tier, priority = _configured(target, backends)
        return fallback, away, tier, priority

    def _groups(
        self,
        able: list[Target],
        backends: Mapping[str, Backend],
        rank: Callable[[Target], tuple[int, bool, int, int]],
        ejected: Sequence[Target] = (),
    ) -> list[Group]:
        """Return equals in the order of their ranks."""
        ranked = [(rank(target), target) for target in able if not ejected or target not in ejected]
        ranked.sort(key=itemgetter(0))
        groups: list[Group] = []
        for _, equals in groupby(ranked, itemgetter(0)):
            targets = [target for _, target in equals]
            theirs = [backends[target.backend] for target in targets]
            groups.append(Group(targets, theirs, self._turns_of(theirs)))
        return groups

    def _one_by_one(
        self, groups: list[Group], backends: Mapping[str, Backend], conversation: Callable[[], str]
    ) -> list[Target]:
        ordered: list[Target] = []
        for group in groups:
            if len(group.targets) == 1:
                ordered += group.targets
                continue
            key = conversation() if group.targets[0].sticky else ""
            ordered += _by_conversation(group.targets, backends, key) if key else self._in_turn(group)
        return ordered

    def _ejected(self, able: list[Target]) -> list[Target]:
        """Return the targets whose breakers are open, half of all at most: those stay that can be probed first."""
        found = [target for target in able if self.breakers.blocks(target.backend, target.model)]
        if 2 * len(found) > len(able):
            found.sort(key=lambda target: self.breakers.opens_again_s(target.backend, target.model), reverse=True)
            del found[len(able) // 2 :]
        return found

    def _in_turn(self, group: Group) -> list[Target]:
        """Return equals with the one chosen now first, then by load where they are few."""
        targets, theirs, turns = group
        chosen = turns.next()
        other = turns.other(chosen)
        if self._burden(theirs[other]) * _CLEARLY < self._burden(theirs[chosen]):
            chosen, other = other, chosen
        turns.take(chosen)
        if len(targets) > _FEW:
            rest_of_many = targets[other:] + targets[:other]
            del rest_of_many[(chosen - other) % len(targets)]
            return [targets[chosen], *rest_of_many]
        burdens = [self._burden(backend) for backend in theirs]
        rest = sorted((at for at in range(len(targets)) if at != chosen), key=burdens.__getitem__)
        return [targets[at] for at in (chosen, *rest)]

    def _turns_of(self, group: list[Backend]) -> Turns:
        names = tuple(backend.name for backend in group)
        turns = self._turns.get(names)
        if turns is None:
            if len(self._turns) >= _MAX_GROUPS:
                self._turns.clear()
            turns = self._turns[names] = Turns([backend.settings.weight for backend in group])
        return turns

    def _burden(self, backend: Backend) -> float:
        latency_s = max(_LEAST_LATENCY_S, self.load(backend.name).latency_s)
        return backend.gate.in_flight * latency_s / backend.settings.weight


def _configured(target: Target, backends: Mapping[str, Backend]) -> tuple[int, bool, int, int]:
    return target.fallback, False, target.tier, backends[target.backend].settings.priority


def _by_conversation(group: list[Target], backends: Mapping[str, Backend], key: str) -> list[Target]:
    """Return equals in the order a conversation prefers them: by weight, and the same one whoever else comes or goes.

    Weighted rendezvous hashing: when a backend goes, only its own conversations move.
    """

    def score(target: Target) -> float:
        digest = blake2b(f"{target.backend}\0{key}".encode(errors="surrogatepass"), digest_size=8).digest()
        part = (int.from_bytes(digest) + 1) / (2**64 + 1)
        return -backends[target.backend].settings.weight / math.log(part)

    return sorted(group, key=score, reverse=True)
