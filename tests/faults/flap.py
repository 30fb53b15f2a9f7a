"""A primary that goes and comes back under load: `python -m tests.faults.flap --rps 20 --scale 0.5`.

It gives 503 for a minute (by the scale). Every request is served, the primary is asked little meanwhile, and serves
again soon afterwards.
"""

import argparse
import asyncio
import dataclasses
import json
import sys
import time
from typing import Any

from tests.faults.asking import SIX_WAYS, Outcome, Seen
from tests.faults.attempt_faults import OUTAGE_S
from tests.faults.attempt_rows import BACK_WITHIN_S
from tests.faults.bench import bench
from tests.faults.profiles import FULL

MOST_ATTEMPTS = 1.1
GIVE_UP_S = 60.0
AFTERWARDS = 0.2
"""What follows the outage, as a share of it."""


async def flap(rps: int, scale: float) -> dict[str, Any]:
    """Ask at that rate over an outage and until the primary is back; return what was found."""
    way = SIX_WAYS[0]
    model = f"15-flap.{way.name}"
    calls: list[asyncio.Task[Seen]] = []
    async with bench(dataclasses.replace(FULL, scale=scale)) as running:
        began_s = time.monotonic()
        recovered_s = began_s + OUTAGE_S * scale
        until_s = recovered_s + AFTERWARDS * OUTAGE_S * scale
        while time.monotonic() < until_s or (not _is_back(calls) and time.monotonic() < recovered_s + BACK_WITHIN_S):
            calls.append(asyncio.create_task(running.asking.ask(way, model, GIVE_UP_S)))
            await asyncio.sleep(1 / rps)
        seen = await asyncio.gather(*calls)
        tried = sum(one.at_s < recovered_s for one in running.backend.of(model))
    back_s = min((one.began_s + one.wall_s for one in seen if one.voice == "primary"), default=float("inf"))
    return {
        "requests": len(seen),
        "not served": sum(one.outcome is not Outcome.ANSWER for one in seen),
        "during the outage": (meanwhile := sum(one.began_s < recovered_s for one in seen)),
        "attempts at the primary meanwhile": tried,
        "back after s": round(max(0.0, back_s - recovered_s), 2),
        "good": all(one.outcome is Outcome.ANSWER for one in seen)
        and tried <= MOST_ATTEMPTS * meanwhile
        and back_s - recovered_s <= BACK_WITHIN_S,
    }


def _is_back(calls: list[asyncio.Task[Seen]]) -> bool:
    return any(call.done() and call.result().voice == "primary" for call in calls)


def main() -> int:
    """Run it and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.flap", description=__doc__)
    parser.add_argument("--rps", type=int, default=20)
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    found = asyncio.run(flap(arguments.rps, arguments.scale))
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if found["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
