"""`python -m tests.security.decoders 300`: every property of the decoders, again and again, for so many seconds."""

import importlib
import inspect
import logging
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, is_hypothesis_test, settings

TESTS = Path(__file__).parents[1]


class Counted:
    """A property, and how many examples it was given."""

    def __init__(self, test: Any) -> None:
        self.run: Callable[[], None] = test
        self.examples = 0
        self._inner: Callable[..., None] = test.hypothesis.inner_test
        test.hypothesis.inner_test = self._count

    def _count(self, *values: object, **named: object) -> None:
        self.examples += 1
        self._inner(*values, **named)


def properties() -> Iterator[Counted]:
    """Yield the tests made of generated examples that want nothing else."""
    for path in sorted([*TESTS.glob("codecs/test_*.py"), TESTS / "security" / "test_hostile_backends.py"]):
        for name, test in vars(importlib.import_module(f"tests.{path.parent.name}.{path.stem}")).items():
            if name.startswith("test_") and is_hypothesis_test(test) and not inspect.signature(test).parameters:
                yield Counted(test)


def main(seconds: float) -> int:
    """Run them until the time is over; the first that fails ends it. Returns the exit code."""
    logging.disable()
    settings.register_profile(
        "long", max_examples=1000, deadline=None, database=None, suppress_health_check=HealthCheck
    )
    settings.load_profile("long")
    every = list(properties())
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        for each in every:
            if time.monotonic() < end_s:
                each.run()
    sys.stdout.write(f"{len(every)} properties, {sum(each.examples for each in every)} examples, nothing found\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 300))
