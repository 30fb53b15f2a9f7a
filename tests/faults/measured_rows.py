"""Rows 17 to 27, each with the gateway it needs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.backend_rows import (
    NOWHERE,
    UNTRUSTED,
    no_answers,
    odd_transport,
    private_headers,
    untrusted_server,
    with_port,
)
from tests.faults.bench import Bench, bench
from tests.faults.client_rows import NARROW, leaving, slow_readers, slow_senders
from tests.faults.hostile_rows import smuggling, too_much
from tests.faults.process_rows import endurance, stopping, storm
from tests.faults.profiles import Profile
from tests.faults.scorecard import Measured

type Report = Callable[[Measured], None]

SHARED: Mapping[int, Callable[[Bench], Awaitable[Measured]]] = {
    17: leaving,
    18: slow_readers,
    19: slow_senders,
    20: too_much,
    21: smuggling,
    22: private_headers,
    26: odd_transport,
    27: no_answers,
}
"""Those that can be measured of one gateway, one after the other."""
ALONE: Mapping[int, Callable[[Profile], Awaitable[Measured]]] = {23: stopping, 24: storm, 25: endurance}
"""Those that start gateways of their own."""


async def measure(rows: Sequence[int], profile: Profile, report: Report) -> None:
    """Measure these rows."""
    shared = [row for row in rows if row in SHARED]
    if shared:
        with TemporaryDirectory() as folder:
            async with untrusted_server(Path(folder)) as port:
                more = [NARROW, NOWHERE, with_port(UNTRUSTED, port)]
                async with bench(profile, more, WRITE_TIMEOUT="10") as running:
                    for row in shared:
                        report(await SHARED[row](running))
    for row in rows:
        if row in ALONE:
            report(await ALONE[row](profile))
