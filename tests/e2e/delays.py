"""Prints how long each token of a slow backend takes to reach a client: `python -m tests.e2e.delays`.

The backend sends a token each 100 ms; delays are in milliseconds, from its write to the client's read, on one clock.
"""

import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e import processes
from tests.e2e.raw_stream import STREAMS, asking
from tests.e2e.token_backend import TokenBackend, token

PACE_S = 0.1
TOKENS = 20
DIRECT = "/v1/chat/completions"


def measure(backend: TokenBackend, url: str, path: str) -> tuple[list[float], list[float]]:
    """The delay of each token, and the time between the arrivals of two, in milliseconds."""
    arrived_s = []
    with asking(url, path, STREAMS[path]) as stream:
        rest = ""
        for number in range(backend.tokens):
            while token(number) not in rest:
                rest += stream.read()
            arrived_s.append(time.perf_counter())
        while not rest.endswith("0\r\n\r\n"):
            rest += stream.read()
    delays = [(arrived - sent) * 1000 for sent, arrived in zip(backend.sent_s, arrived_s, strict=True)]
    gaps = [(later - sooner) * 1000 for sooner, later in pairwise(arrived_s)]
    return delays, gaps


def main() -> None:
    """Measure without the gateway, then through it, one route after the other."""
    with TemporaryDirectory() as folder, TokenBackend(tokens=TOKENS, pace_s=PACE_S).serving() as backend:
        columns = {"direct": measure(backend, backend.url.removesuffix("/v1"), DIRECT)}
        with processes.gateway(Path(folder), OPENAI_API_BASE_URL=backend.url) as program:
            for path in STREAMS:
                columns[path] = measure(backend, program.url, path)
    rows = [[str(number), *(f"{delays[number]:.2f}" for delays, _ in columns.values())] for number in range(TOKENS)]
    rows += [["median", *(f"{statistics.median(delays):.2f}" for delays, _ in columns.values())]]
    rows += [["max", *(f"{max(delays):.2f}" for delays, _ in columns.values())]]
    rows += [["gaps", *(f"{min(gaps):.0f}-{max(gaps):.0f}" for _, gaps in columns.values())]]
    for row in [["token", *columns], *rows]:
        sys.stdout.write("".join(f"{cell:>22}" for cell in row) + "\n")


if __name__ == "__main__":
    main()
