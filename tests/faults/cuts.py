"""Answers cut at random, over real sockets: `python -m tests.faults.cuts --count 10000`.

Whatever a backend does to its answers, a client sees the whole of one, or the beginning of one and then one error:
never half an answer as a success, never one twice, never two mixed.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.backends.retries import pause_s
from gateway.errors import ProxyException
from tests.faults.asking import WAYS, Outcome, Seen, Way
from tests.faults.inside import Inside, inside
from tests.faults.play import Ask, LeftError
from tests.faults.wire import SPARE_MODEL
from tests.support.backend import close, end, reset

GIVE_UP_S = 30.0
FRESH_AFTER = 1000
"""Attempts after which the backend's log is emptied."""


class Ending(StrEnum):
    """How a cut answer ends."""

    CLOSED = "closed"
    RESET = "reset"
    UNFRAMED = "unframed"
    """The body ends with the connection, so that HTTP does not tell that something is missing."""
    PROPER = "proper"
    """The body ends as if nothing were missing."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What happens to one answer: `share` of its bytes come (all of them: 1.0), in pieces of so many bytes."""

    share: float
    ending: Ending
    piece_bytes: int

    async def __call__(self, ask: Ask) -> None:
        """Play it."""
        body = ask.speech.stream() if ask.streamed else ask.speech.plain()
        sent = body[: round(len(body) * self.share)]
        await ask.head(unframed=self.ending is Ending.UNFRAMED)
        for at in range(0, len(sent), self.piece_bytes):
            await ask.send(sent[at : at + self.piece_bytes])
        if ask.call.closed.is_set():
            raise LeftError
        if self.ending is Ending.PROPER:
            await end(ask.call)
        elif self.ending is Ending.RESET:
            await asyncio.sleep(0.001)  # else the kernel drops what was written just before
            await reset(ask.call)
        else:
            await close(ask.call)


WELL = Cut(1.0, Ending.PROPER, 100_000)


@dataclass(frozen=True, slots=True)
class Plan:
    """One call: the cuts of the attempts at the primary (the last one stays), and that of the fallback, if any."""

    way: Way
    primary: tuple[Cut, ...]
    spare: Cut | None

    async def play(self, both: Inside, number: int) -> Seen:
        """Ask once."""
        backend, name = both.backend, self.way.name
        model = f"00-cut.{number}.{name}"

        async def cut(ask: Ask) -> None:
            await self.primary[min(ask.number, len(self.primary)) - 1](ask)

        backend.plans = {model: cut, SPARE_MODEL: self.spare or WELL}
        if len(backend.attempts) > FRESH_AFTER:
            backend.forget()
        return await both.asking.ask(self.way, model, GIVE_UP_S)

    def problem(self, seen: Seen) -> str:
        """Return what the client should not have seen; "" where all is well."""
        if seen.outcome not in (Outcome.ANSWER, Outcome.ERROR):
            return f"{seen.outcome}: {seen.why_broken()}"
        if seen.outcome is Outcome.ANSWER:
            return ""
        if not self.way.live and seen.text:
            return f"an error after {len(seen.text)} characters that were to be held back"
        if not self.way.live and self.spare is None:
            return f"an error, and the fallback is well: {seen.error}"
        return ""


CUTS = st.builds(
    Cut,
    st.one_of(st.floats(0, 1), st.just(1.0), st.floats(0.9, 1)),
    st.sampled_from(Ending),
    st.sampled_from([100_000, 1000, 150, 37, 7]),
)
PLANS = st.builds(
    Plan, st.sampled_from(WAYS), st.lists(CUTS, min_size=1, max_size=3).map(tuple), st.one_of(st.none(), CUTS)
)


@contextmanager
def without_pauses() -> Iterator[None]:
    """Let nobody wait between attempts: ten thousand cuts would take hours."""

    def at_once(error: ProxyException, failures: int, longest_s: float) -> float | None:
        return None if pause_s(error, failures, longest_s) is None else 0.0

    with patch("gateway.backends.walk.pause_s", at_once):
        yield


def check(count: int, *, seed: int | None = None) -> dict[str, int]:
    """Try so many cuts; return how often each outcome came. Raises AssertionError with the smallest cut that fails."""
    outcomes: dict[str, int] = {}
    with without_pauses(), asyncio.Runner() as runner:
        running = inside()
        both = runner.run(running.__aenter__())
        numbers = iter(range(10**9))

        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            derandomize=seed is None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(PLANS)
        def cut(plan: Plan) -> None:
            seen = runner.run(plan.play(both, next(numbers)))
            outcomes[seen.outcome] = outcomes.get(seen.outcome, 0) + 1
            problem = plan.problem(seen)
            assert not problem, problem

        try:
            cut()
        finally:
            runner.run(running.__aexit__(None, None, None))
    return outcomes


def main() -> int:
    """Run it and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.cuts", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    arguments = parser.parse_args()
    try:
        outcomes = check(arguments.count)
    except AssertionError as error:
        sys.stdout.write(f"{error}\n" + "\n".join(getattr(error, "__notes__", [])) + "\n")
        return 1
    sys.stdout.write(f"{sum(outcomes.values())} cuts: {outcomes}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
