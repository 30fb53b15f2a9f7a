"""Balancer: in which order the places that can answer are asked."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from time import monotonic

from gateway.backends.backend import Backend
from gateway.backends.breaker import Breakers
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


class Load:
    """What a backend's last answers tell: its smoothed time to the first output, and whether it should rest."""

    __slots__ = ("failures", "latency_s", "rest_until_s")

    def __init__(self) -> None:
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


class Balancer:
    """Orders candidates: what was asked for before fallbacks, the able before the resting, then tier and priority.

    Among equals the turn goes round by weight; another place is preferred where it is clearly less loaded (requests in
    flight by weight, times latency): the power of two choices, the first of which keeps the shares exact. Those whose
    `breakers` are open are left out, half of the candidates at most.
    """

    def __init__(self, clock: Callable[[], float] = monotonic, breakers: Breakers | None = None) -> None:
        self._clock = clock
        self.breakers = breakers if breakers is not None else Breakers(clock)
        self._loads: dict[str, Load] = {}
        self._turns: dict[tuple[str, ...], list[float]] = {}

    def load(self, backend: str) -> Load:
        """Return what is known of a backend's load."""
        load = self._loads.get(backend)
        if load is None:
            load = self._loads[backend] = Load()
        return load

    def forget(self, kept: set[str]) -> None:
        """Forget all backends but these."""
        self._loads = {name: load for name, load in self._loads.items() if name in kept}
        self._turns.clear()
        self.breakers.keep(kept)

    def order(
        self, candidates: Sequence[Target], backends: Mapping[str, Backend], conversation: Callable[[], str]
    ) -> tuple[list[Target], list[Target]]:
        """Return the candidates in the order to ask them, and those that are to be asked only when all others failed.

        `conversation` gives the key to stick to.
        """
        able = [target for target in candidates if target.backend in backends]
        if len(able) < 2:
            return able, []
        now_s = self._clock()
        ejected = self._ejected(able)

        def rank(target: Target) -> tuple[int, bool, int, int]:
            backend = backends[target.backend]
            away = self.load(target.backend).rest_until_s > now_s or backend.gate.full
            return target.fallback, away, target.tier, backend.settings.priority

        ordered: list[Target] = []
        ranked = [(rank(target), target) for target in able if not ejected or target not in ejected]
        ranked.sort(key=itemgetter(0))
        for _, equals in groupby(ranked, itemgetter(0)):
            group = [target for _, target in equals]
            if len(group) > 1:
                key = conversation() if group[0].sticky else ""
                group = _by_conversation(group, backends, key) if key else self._in_turn(group, backends)
            ordered += group
        return ordered, ejected

    def _ejected(self, able: list[Target]) -> list[Target]:
        """Return the targets whose breakers are open, half of all at most: those stay that can be probed first."""
        found = [target for target in able if self.breakers.blocks(target.backend, target.model)]
        if 2 * len(found) > len(able):
            found.sort(key=lambda target: self.breakers.opens_again_s(target.backend, target.model), reverse=True)
            del found[len(able) // 2 :]
        return found

    def _in_turn(self, group: list[Target], backends: Mapping[str, Backend]) -> list[Target]:
        """Return equals with the one chosen now first, then by load."""
        weights = [backends[target.backend].settings.weight for target in group]
        turns = self._turns_of(group)
        total = sum(weights)
        for at, weight in enumerate(weights):
            turns[at] = min(turns[at] + weight, 2.0 * total)
        burdens = [self._burden(backends[target.backend]) for target in group]
        chosen = max(range(len(group)), key=turns.__getitem__)
        others = [at for at in range(len(group)) if at != chosen]
        other = random.choices(others, [weights[at] for at in others])[0]  # noqa: S311 - it spreads load: to guess it gains nothing # nosec B311
        if burdens[other] * _CLEARLY < burdens[chosen]:
            chosen = other
        turns[chosen] = max(turns[chosen] - total, -2.0 * total)
        rest = sorted((at for at in range(len(group)) if at != chosen), key=burdens.__getitem__)
        return [group[at] for at in (chosen, *rest)]

    def _turns_of(self, group: list[Target]) -> list[float]:
        names = tuple(target.backend for target in group)
        turns = self._turns.get(names)
        if turns is None:
            if len(self._turns) >= _MAX_GROUPS:
                self._turns.clear()
            turns = self._turns[names] = [0.0] * len(group)
        return turns

    def _burden(self, backend: Backend) -> float:
        latency_s = max(_LEAST_LATENCY_S, self.load(backend.name).latency_s)
        return backend.gate.in_flight * latency_s / backend.settings.weight


def _by_conversation(group: list[Target], backends: Mapping[str, Backend], key: str) -> list[Target]:
    """Return equals in the order a conversation prefers them: by weight, and the same one whoever else comes or goes.

    Weighted rendezvous hashing: when a backend goes, only its own conversations move.
    """

    def score(target: Target) -> float:
        digest = blake2b(f"{target.backend}\0{key}".encode(errors="surrogatepass"), digest_size=8).digest()
        part = (int.from_bytes(digest) + 1) / (2**64 + 1)
        return -backends[target.backend].settings.weight / math.log(part)

    return sorted(group, key=score, reverse=True)
