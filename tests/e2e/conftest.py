"""A gateway process in front of a backend process, and what the SDKs' tests say at the end."""

from collections.abc import Iterator

import pytest

from tests.e2e import processes

SURFACES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def backend_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a demo backend in a process of its own."""
    with processes.demo_backend(tmp_path_factory.mktemp("backend")) as program:
        yield program.url


@pytest.fixture(scope="session")
def gateway_url(backend_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a gateway process in front of that backend, started in an empty directory."""
    with processes.gateway(tmp_path_factory.mktemp("gateway"), OPENAI_API_BASE_URL=backend_url) as program:
        yield program.url


@pytest.fixture(scope="session")
def surfaces(pytestconfig: pytest.Config) -> list[str]:
    """Lines to show after the tests: how much of each SDK's surface was called."""
    return pytestconfig.stash.setdefault(SURFACES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show those lines, passed or not."""
    lines = config.stash.get(SURFACES, [])
    if lines:
        terminalreporter.section("public methods called, by SDK")
        for line in lines:
            terminalreporter.write_line(line)
