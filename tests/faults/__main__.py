"""`make faults`: every fault in every way, against our gateway or any other, and a scorecard of it."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.asking import WAYS, Asking
from tests.faults.attempt_rows import run_rows
from tests.faults.backend import FaultBackend
from tests.faults.bench import bench
from tests.faults.measured_rows import measure
from tests.faults.profiles import PROFILES, Profile
from tests.faults.scorecard import Scorecard, put_into

ALL_ROWS = range(1, 28)
WAY_ROWS = range(1, 17)


def main() -> int:
    """Run it. Returns 0 when all is as it should be, else 1."""
    arguments = _parser().parse_args()
    profile = PROFILES[arguments.profile]
    rows = arguments.rows or list(ALL_ROWS)
    tested = arguments.url or "a process of its own"
    scorecard = Scorecard({"profile": profile.name, "gateway": tested, "date": f"{datetime.now(UTC):%Y-%m-%d}"})
    started_s = time.monotonic()
    asyncio.run(_run(arguments, profile, rows, scorecard))
    scorecard.facts["seconds"] = round(time.monotonic() - started_s)
    for path, text in ((arguments.json, scorecard.as_json), (arguments.markdown, scorecard.as_markdown)):
        if path is not None:
            path.write_text(text(), "utf-8")
    if arguments.document is not None:
        put_into(arguments.document, scorecard)
    sys.stdout.write("\n".join([*scorecard.lines(), f"{scorecard.facts['seconds']} s", ""]))
    return 0 if scorecard.good else 1


async def _run(arguments: argparse.Namespace, profile: Profile, rows: Sequence[int], scorecard: Scorecard) -> None:
    ways = [way for way in WAYS if not arguments.ways or way.name in arguments.ways]
    asked = [row for row in rows if row in WAY_ROWS]
    if arguments.url:
        async with FaultBackend(profile.scale, arguments.backend_port) as backend:
            asking = Asking(arguments.url, _headers(arguments.header))
            await run_rows(asking, backend, ways, asked, scorecard.add, measured=False, side_by_side=False)
        return
    async with asyncio.TaskGroup() as group:
        if 19 in rows:  # waits for deadlines most of the time
            group.create_task(measure([19], profile, scorecard.measure))
        if asked:
            async with bench(profile, **dict(arguments.set)) as running:
                await run_rows(
                    running.asking, running.backend, ways, asked, scorecard.add, measured=True, side_by_side=True
                )
        await measure([row for row in rows if row not in (*WAY_ROWS, 19)], profile, scorecard.measure)


def _headers(given: Sequence[str]) -> dict[str, str]:
    pairs = (text.partition(":") for text in given)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _setting(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not given:
        raise argparse.ArgumentTypeError(f"{text} is no NAME=VALUE")
    return name, value


def _rows(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--profile", choices=list(PROFILES), default="fast", help="full: the published times")
    parser.add_argument("--rows", type=_rows, help="some rows, as 1-4,9 (default: all)")
    parser.add_argument("--ways", type=lambda text: text.split(","), help="some ways, as v1-stream,chat-plain")
    parser.add_argument(
        "--set", type=_setting, action="append", default=[], help="for rows 1 to 16: a setting of ours, as WORKERS=2"
    )
    parser.add_argument("--url", help="a gateway to judge in place of ours: docs/reliability.md says what it needs")
    parser.add_argument(
        "--header", action="append", default=[], help="for --url: a header of each request, `Name: value`"
    )
    parser.add_argument("--backend-port", type=int, default=0, help="for --url: where the misbehaving backend listens")
    parser.add_argument("--json", type=Path, help="where to write all that was seen")
    parser.add_argument("--document", type=Path, help="a document to put the tables into, as docs/reliability.md")
    parser.add_argument("--markdown", type=Path, help="where to write the tables")
    return parser


if __name__ == "__main__":
    sys.exit(main())
