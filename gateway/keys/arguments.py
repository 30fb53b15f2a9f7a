"""What may be written behind `key` on the command line. Imports only the standard library: `--help` must not wait."""

import argparse
import re
from datetime import timedelta
from pathlib import Path

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
_LONGEST = timedelta(days=36500)
_LARGEST = 10**15
DEFAULT_GRACE = timedelta(hours=24)


def add_key_arguments(key: argparse.ArgumentParser, program: str) -> None:
    """Add what `key` can do. `program` is what usage lines begin with."""
    actions = key.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True, prog=f"{program} key")

    def action(name: str, says: str, more: str = "") -> argparse.ArgumentParser:
        parser = actions.add_parser(
            name, help=says, description=f"{says.capitalize()}. {more}".strip(), allow_abbrev=False
        )
        parser.add_argument("--file", metavar="FILE", type=Path, help="the file of keys (KEYS_FILE)")
        return parser

    create = action("create", "make a key", "Its secret is printed once, and kept nowhere.")
    _add_name(create)
    create.add_argument("--expires", metavar="TIME", type=duration, help="how long it works: 90d, 12h, 4w (for ever)")
    create.add_argument(
        "--models", metavar="NAMES", action="append", help="what it may use, * for any text, with commas (all)"
    )
    create.add_argument("--rpm", metavar="N", type=count, help="requests a minute, 0 for no limit (RATE_LIMIT_RPM)")
    create.add_argument("--tpm", metavar="N", type=count, help="tokens a minute, 0 for no limit (RATE_LIMIT_TPM)")
    create.add_argument("--concurrency", metavar="N", type=count, help="requests at one time, 0 for no limit (none)")
    action("list", "show all keys", "No secret is shown: none is kept.")
    rotate = action("rotate", "give a key a new secret", "The one before it works on for a while.")
    _add_name(rotate)
    rotate.add_argument(
        "--grace",
        metavar="TIME",
        type=grace,
        default=DEFAULT_GRACE,
        help="how long the old secret works on, or 0 (24h)",
    )
    rotate.add_argument(
        "--expires", metavar="TIME", type=duration, help="how long the key works from now on (its end stays as it is)"
    )
    revoke = action("revoke", "take a key away")
    _add_name(revoke)
    revoke.add_argument("--old", action="store_true", help="only the secret that a newer one has replaced")


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="what the key is called in the file, in logs and in metrics")


def duration(text: str) -> timedelta:
    """Read a duration above zero with its unit: `90d`. Raises ArgumentTypeError."""
    return _duration(text)


def grace(text: str) -> timedelta:
    """Read a duration with its unit, or 0. Raises ArgumentTypeError."""
    return timedelta(0) if text == "0" else _duration(text)


def count(text: str) -> int:
    """Read a whole number, 0 or more. Raises ArgumentTypeError."""
    if not re.fullmatch(r"[0-9]{1,16}", text) or int(text) > _LARGEST:
        raise argparse.ArgumentTypeError("expected a whole number, 0 or more")
    return int(text)


def _duration(text: str) -> timedelta:
    parts = _DURATION.fullmatch(text)
    if parts is None:
        raise argparse.ArgumentTypeError("expected a number and a unit, such as 90d, 12h, 30m, 45s or 4w")
    length = timedelta(**{_UNITS[parts[2]]: int(parts[1])})
    if not timedelta(0) < length <= _LONGEST:
        raise argparse.ArgumentTypeError("expected more than 0 and at most 36500d")
    return length
