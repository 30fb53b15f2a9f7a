"""A storm of requests while the backend gives 503: `python -m tests.faults.storm --rps 500 --seconds 60`.

The backend may receive at most 1.1 times what was offered.
"""

import argparse
import asyncio
import dataclasses
import json
import sys

from tests.faults.judging import Verdict
from tests.faults.process_rows import storm
from tests.faults.profiles import FULL


def main() -> int:
    """Run it and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.storm", description=__doc__)
    parser.add_argument("--rps", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    profile = dataclasses.replace(FULL, storm_rps=arguments.rps, storm_s=arguments.seconds)
    measured = asyncio.run(storm(profile))
    sys.stdout.write(json.dumps(measured.shown(), indent=1) + "\n")
    return int(measured.verdict is not Verdict.PASS)


if __name__ == "__main__":
    sys.exit(main())
