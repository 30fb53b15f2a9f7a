"""Runs all cases against a server and writes a report: `python -m tests.e2e.ollama_sdk URL [LACKING_FEATURE ...]`.

The report is a JSON object: `version`, `cases` (how many ran), `failures` (texts), and `surfaces`, which has `methods`
and `called` for each client class.
"""

import asyncio
import json
import sys
import traceback
from importlib.metadata import version
from typing import Any

import ollama

from tests.e2e.ollama_sdk import asking, managing
from tests.e2e.ollama_sdk.case import CASES, Recorder

LINE = 600

assert asking, managing  # their cases are registered by the import


def public_methods(kind: type[object]) -> list[str]:
    """The public methods of a class, inherited ones included."""
    return sorted(name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name)))


def told(error: BaseException) -> str:
    """The traceback with its variables, of which long ones are cut."""
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    lines = "".join(whole.format()).splitlines()
    return "\n".join(line if len(line) <= LINE else f"{line[:LINE]}..." for line in lines)


async def run(url: str, lacking: set[str]) -> dict[str, Any]:
    """Run every case with both clients; return the report."""
    surfaces, failures = {}, []
    cases = [case for case in CASES if case.feature not in lacking]
    for kind in (ollama.Client, ollama.AsyncClient):
        sdk = Recorder(kind(host=url))
        for case in cases:
            [error] = await asyncio.gather(case.body(sdk), return_exceptions=True)
            if error is not None:
                failures.append(f"{kind.__name__}, {case.name}:\n{told(error)}")
        surfaces[kind.__name__] = {"methods": public_methods(kind), "called": sorted(sdk.called)}
    return {"version": version("ollama"), "cases": len(cases), "failures": failures, "surfaces": surfaces}


if __name__ == "__main__":
    _, server_url, *missing = sys.argv
    json.dump(asyncio.run(run(server_url, set(missing))), sys.stdout)
