"""`python -m benchmarks`: what to measure, and where to write it."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.full import PHASES, run_full
from benchmarks.guard import run_guard
from benchmarks.loops import run
from benchmarks.quick import run_quick
from benchmarks.report import Report
from benchmarks.tables import around
from benchmarks.targets import ROOT, TargetError, at_url

OUTPUT = ROOT / "build" / "benchmarks"
EXIT_WRONG = 1
EXIT_CANNOT = 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    main_parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    commands = main_parser.add_subparsers(dest="command", required=True)
    quick = commands.add_parser("bench", help="the main ratios, in about two minutes")
    full = commands.add_parser("full", help="every goal, the six scenarios, growth, idle connections, workers")
    guard = commands.add_parser("guard", help="compare with another commit; fail beyond the noise")
    guard.add_argument("base", metavar="REVISION", help="the commit to compare with")
    guard.add_argument("--most-rounds", type=_positive, default=21, help="rounds at most, while it is noisy")
    full.add_argument("--only", action="append", choices=sorted(PHASES), help="this part alone (repeatable)")
    full.add_argument("--scale", type=float, default=1.0, help="part of each load, to try the tools: 0.01")
    for command, rounds, seconds in ((quick, 9, 0.7), (full, 9, 1.0), (guard, 9, 0.7)):
        command.add_argument("--rounds", type=_positive, default=rounds, help="turns of each target")
        command.add_argument("--seconds", type=float, default=seconds, help="length of one turn")
        command.add_argument("--output", type=Path, default=OUTPUT, help="folder for JSON and plots")
        command.add_argument("--markdown", type=Path, metavar="FILE", help="fill the figures of this document")
    for command in (quick, full):
        command.add_argument(
            *("--target", "-t"), action="append", default=[], metavar="NAME=URL", help="a server that runs already"
        )
    return main_parser


def command_line(arguments: argparse.Namespace) -> str:
    """Return the command as whoever repeats the measurement would type it: not where its output went."""
    defaults = vars(parser().parse_args([arguments.command, *([arguments.base] if "base" in arguments else [])]))
    words = ["python -m benchmarks", arguments.command]
    for name, value in vars(arguments).items():
        if name not in ("command", "base", "output", "markdown") and value != defaults[name]:
            each = value if isinstance(value, list) else [value]
            words += [f"--{name.replace('_', '-')} {one}" for one in each]
    return " ".join([*words, *([arguments.base] if "base" in arguments else [])])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; return 0, 1 for wrong answers or a regression, 2 if it cannot be measured, 3 for too much noise."""
    arguments = parser().parse_args(argv)
    report = Report(arguments.command, command_line(arguments))
    if not hasattr(os, "sched_setaffinity"):
        report.notes.append("processes cannot be pinned on this system: expect noise")
    report.notes += machine.busy_before()
    try:
        if arguments.markdown is not None:
            around(arguments.markdown, report.name)
        code = run(_measure(arguments, report))
    except (TargetError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return EXIT_CANNOT
    except KeyboardInterrupt:
        return 130
    print(report.text())
    for path in report.write(arguments.output, arguments.markdown):
        print(f"written: {os.path.relpath(path)}")
    return code or (EXIT_WRONG if report.wrong else 0)


async def _measure(arguments: argparse.Namespace, report: Report) -> int:
    if arguments.command == "guard":
        return await run_guard(report, arguments.base, arguments.seconds, arguments.rounds, arguments.most_rounds)
    more = [at_url(text) for text in arguments.target]
    if arguments.command == "bench":
        await run_quick(report, more, arguments.seconds, arguments.rounds)
    else:
        await run_full(report, more, arguments.seconds, arguments.rounds, arguments.scale, arguments.only)
    return 0


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("is less than 1")
    return value
