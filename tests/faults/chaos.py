"""The count of tokens under faults: `python -m tests.faults.chaos --count 1000`.

The gateway's counters must equal the usage objects that came with the answers clients got. Answers without one are
counted as such: served = counted + unreported.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from dataclasses import dataclass, field

from tests.faults.asking import WAYS, Outcome, Seen
from tests.faults.inside import Inside, inside
from tests.faults.load import MIXED

AT_ONCE = 8
GIVE_UP_S = 60.0
FAULTS = (*MIXED, *["00-no-usage"] * 4, "alone-04-overloaded", "alone-08-cut", "14-cut", "01-limited-once")


@dataclass
class Chaos:
    """What clients got, and what the gateway counted."""

    count: int
    outcomes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    reported: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    counted: dict[str, float] = field(default_factory=dict)

    @property
    def served(self) -> int:
        """How many whole answers there were."""
        return self.outcomes[Outcome.ANSWER]

    def note(self, model: str, seen: Seen) -> None:
        """Count one call as its client saw it."""
        self.outcomes[seen.outcome] += 1
        if seen.outcome in (Outcome.BROKEN, Outcome.HUNG):
            self.broken.append(f"{model}: {seen.outcome} {seen.why_broken()}")
        if seen.outcome is Outcome.ANSWER and seen.usage is not None and any(seen.usage):
            self.reported += 1
            self.prompt_tokens += seen.usage[0]
            self.completion_tokens += seen.usage[1]

    def problems(self) -> list[str]:
        """Return what does not agree."""
        expected = {
            "prompt tokens": self.prompt_tokens,
            "completion tokens": self.completion_tokens,
            "answers with usage": self.reported,
            "answers without": self.served - self.reported,
        }
        found = [
            f"{name}: {wanted} arrived, {self.counted[name]:g} were counted"
            for name, wanted in expected.items()
            if self.counted[name] != wanted
        ]
        return [*self.broken, *found]


async def rage(count: int, seed: int = 1) -> Chaos:
    """Ask so often, for good answers and bad ones, in all ways."""
    chaos = Chaos(count)
    dice = random.Random(seed)
    plans = [(dice.choice(WAYS), dice.choice(FAULTS)) for _ in range(count)]
    async with inside() as both:
        places = asyncio.Semaphore(AT_ONCE)

        async def ask(number: int) -> None:
            way, fault = plans[number]
            model = f"{fault}.{number}.{way.name}"
            async with places:
                chaos.note(model, await both.asking.ask(way, model, GIVE_UP_S))

        await asyncio.gather(*map(ask, range(count)))
        chaos.counted = await _counted(both)
    return chaos


async def _counted(both: Inside) -> dict[str, float]:
    tokens, answers = "gateway_tokens_total", "gateway_answers_total"
    return {
        "prompt tokens": await both.total(tokens, direction="input", usage_source="backend"),
        "completion tokens": await both.total(tokens, direction="output", usage_source="backend"),
        "answers with usage": await both.total(answers, usage_source="backend"),
        "answers without": await both.total(answers, usage_source="none"),
    }


def main() -> int:
    """Run it and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chaos = asyncio.run(rage(arguments.count, arguments.seed))
    lines = [f"{chaos.count} requests: {dict(chaos.outcomes)}", f"counted: {chaos.counted}"]
    sys.stdout.write("\n".join([*lines, *chaos.problems(), ""]))
    return 1 if chaos.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
