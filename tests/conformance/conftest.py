"""The gateways of the cases, and the count by section that is shown at the end."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conformance.rows import CASES, NOT_OURS
from tests.conformance.servers import Servers

_PASSED = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take settings for all gateways: the contract holds whatever they are started with."""
    parser.addoption("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the gateways")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Servers]:
    """The processes, started as they are needed and ended together."""
    # Asked for by those who run these tests alone: the option is not known to others.
    settings = dict(setting.split("=", 1) for setting in pytestconfig.getoption("--set", default=None) or ())
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("conformance"), stack, settings)


@pytest.fixture
def passed(pytestconfig: pytest.Config) -> Counter[str]:
    """How many cases of each section have passed."""
    return pytestconfig.stash.setdefault(_PASSED, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the count by section, and the rows that no gateway can hold."""
    if _PASSED not in config.stash:
        return
    terminalreporter.section("the Ollama contract, rows held by section")
    of_section = Counter(case.section for case in CASES)
    left_out = Counter(row.section for row in NOT_OURS)
    for section, number in of_section.items():
        more = f"  (and {left_out[section]} of a server that runs models itself)" if left_out[section] else ""
        terminalreporter.write_line(f"{section}: {config.stash[_PASSED][section]}/{number}{more}")
    terminalreporter.write_line(f"all: {config.stash[_PASSED].total()}/{len(CASES)}")
    if any(argument.rstrip("/").endswith("conformance") for argument in config.args):
        terminalreporter.section("rows of a server that runs models itself")
        for row in NOT_OURS:
            terminalreporter.write_line(f"{row.section}: {row.id}: {row.reason}")
