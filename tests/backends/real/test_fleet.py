"""Two real servers behind one gateway: a router for chats, another for vectors."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import ollama
import pytest

from tests.backends.real.conftest import ServerOf, backends_file
from tests.backends.real.served import PLAIN, THOUGHT, WIDTH
from tests.e2e import processes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def fleet(server_of: ServerOf, tmp_path: Path) -> Iterator[ollama.Client]:
    """The SDK before a gateway with both."""
    talker: dict[str, object] = {**server_of("llama-router").settings("talker"), "rename": {"thinker": "tiny-think"}}
    vectors: dict[str, object] = {**server_of("llama-embed").settings("vectors"), "models": ["tiny-embed"]}
    file = backends_file(tmp_path, talker, vectors)
    with (
        processes.gateway(tmp_path, BACKENDS_FILE=str(file)) as program,
        closing(ollama.Client(host=program.url)) as client,
    ):
        yield client


def test_each_model_is_asked_where_it_is(fleet: ollama.Client) -> None:
    assert {"tiny", "tiny-think", "tiny-embed"} <= {model.model for model in fleet.list().models}
    assert fleet.chat("tiny", HELLO).message.content == PLAIN
    thinking = fleet.chat("thinker", HELLO).message
    assert (thinking.content, (thinking.thinking or "").strip()) == (PLAIN, THOUGHT)
    [vector] = fleet.embed("tiny-embed", "a cat").embeddings
    assert len(vector) == WIDTH


def test_a_backend_can_be_named_before_the_model(fleet: ollama.Client) -> None:
    assert fleet.chat("talker/tiny", HELLO).message.content == PLAIN
    assert len(fleet.embed("vectors/tiny-embed", "a cat").embeddings[0]) == WIDTH
