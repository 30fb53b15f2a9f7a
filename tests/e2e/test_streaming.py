"""A token reaches the client before the next one is sent: step by step, without a clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import processes
from tests.e2e.raw_stream import STREAMS, asking, leave_after_a_token, read_step_by_step
from tests.e2e.token_backend import TokenBackend

pytestmark = pytest.mark.e2e
LAST_LINE = {"/api/chat": '"done":true', "/api/generate": '"done":true', "/v1/chat/completions": "data: [DONE]"}
END_OF_BODY = "0\r\n\r\n"


@pytest.fixture
def backend() -> Iterator[TokenBackend]:
    """A backend that sends nothing without the test's permission."""
    with TokenBackend().serving() as backend:
        yield backend


@pytest.fixture
def url(backend: TokenBackend, tmp_path: Path) -> Iterator[str]:
    """A gateway in front of it."""
    with processes.gateway(tmp_path, OPENAI_API_BASE_URL=backend.url) as program:
        yield program.url


def test_each_token_arrives_before_the_next_one_is_sent(backend: TokenBackend, url: str) -> None:
    for path, body in STREAMS.items():
        with asking(url, path, body) as stream:
            read_step_by_step(stream, backend)
            assert LAST_LINE[path] in stream.read_until(END_OF_BODY)


@pytest.mark.parametrize("path", STREAMS)
def test_a_client_that_leaves_ends_the_stream_of_the_backend(backend: TokenBackend, url: str, path: str) -> None:
    with asking(url, path, STREAMS[path]) as stream:
        leave_after_a_token(stream, backend)
