"""Real servers and a gateway before each, started when a test first asks for them."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import ollama
import pytest

from tests.backends.real.installs import UnavailableError
from tests.backends.real.servers import SERVERS, Server
from tests.e2e import processes

type ServerOf = Callable[[str], Server]
type ClientOf = Callable[[str], ollama.Client]


def backends_file(folder: Path, *backends: Mapping[str, object]) -> Path:
    """A file with these backends, for BACKENDS_FILE."""
    file = folder / "backends.yaml"
    file.write_text(json.dumps({"backends": backends}), "utf-8")
    file.chmod(0o600)
    return file


@pytest.fixture(scope="session")
def server_of() -> Iterator[ServerOf]:
    """A running server by its name; skips the test where it cannot be had."""
    with ExitStack() as stack:

        @cache
        def started(name: str) -> Server | str:
            try:
                return stack.enter_context(SERVERS[name]())
            except UnavailableError as error:
                return str(error)

        def server(name: str) -> Server:
            found = started(name)
            if isinstance(found, str):
                pytest.skip(f"{name}: {found}")
            return found

        yield server


@pytest.fixture(scope="session")
def client_of(server_of: ServerOf, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientOf]:
    """The official SDK, before a gateway process whose only backend is the server of that name."""
    with ExitStack() as stack:

        @cache
        def started(name: str) -> ollama.Client:
            file = backends_file(tmp_path_factory.mktemp(name), server_of(name).settings("main"))
            settings = {"BACKENDS_FILE": str(file), "MAX_RETRIES": "0", "MODEL_CACHE_TTL": "1"}
            program = stack.enter_context(processes.gateway(file.parent, **settings))
            client = ollama.Client(host=program.url)
            stack.callback(client.close)
            return client

        yield started
