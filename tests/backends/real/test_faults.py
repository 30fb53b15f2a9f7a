"""The npm server of faults: each is an answer, or the error that belongs to it, whole and streamed."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import ollama
import pytest

from tests.backends.real.conftest import ClientOf, ServerOf
from tests.backends.real.served import Refused
from tests.backends.real.test_served import PARIS, ROME, STREAM, Asker, calls, check_refused, thoughts
from tests.backends.real.tiny import lines
from tests.e2e import processes
from tests.e2e.ollama_sdk.asking import said

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REFUSALS = {
    "refuses": Refused(400, "temperature is too hot"),
    "no-key": Refused(401, "this key opens nothing"),
    "gone": Refused(404, "model 'gone' not found"),
    "limited": Refused(429, "not so fast"),
    "broken": Refused(500, "something fell over"),
    "full": Refused(503, "every seat is taken"),
    "garbled": Refused(502, "broken JSON"),
    "hangs-up": Refused(502, "closed the connection"),
}
SAID = {
    "fine": ("All is well.", "stop"),
    "letters": (lines.text_of(lines.SCRIPTS), "stop"),
    "silent": ("", "stop"),
    "short": ("Cut at the limi", "length"),
    "filtered": ("", "stop"),
    "reasons": ("Nine.", "stop"),
    "calls": ("", "stop"),
    "talks-and-calls": ("One moment.", "stop"),
}
"""What each model says that answers, and why it ends."""


@pytest.fixture
def faults(client_of: ClientOf) -> ollama.Client:
    """The SDK before a gateway that asks once."""
    return client_of("faults")


@pytest.fixture
def patient(server_of: ServerOf, tmp_path: Path) -> Iterator[ollama.Client]:
    """The SDK before a gateway that asks again."""
    settings = {"OPENAI_API_BASE_URL": server_of("faults").base_url}
    with (
        processes.gateway(tmp_path, MAX_RETRIES="2", **settings) as program,
        closing(ollama.Client(host=program.url)) as client,
    ):
        yield client


@STREAM
@pytest.mark.parametrize("model", SAID)
def test_an_odd_answer_is_one(faults: ollama.Client, model: str, stream: bool) -> None:
    parts = Asker(faults, model, stream=stream)()
    assert (said(parts), parts[-1].done_reason) == SAID[model]


@STREAM
def test_reasoning_is_thinking(faults: ollama.Client, stream: bool) -> None:
    assert thoughts(Asker(faults, "reasons", stream=stream)()) == "Three by three."


@STREAM
def test_calls_in_small_pieces_come_whole(faults: ollama.Client, stream: bool) -> None:
    assert calls(Asker(faults, "calls", stream=stream)()) == [PARIS, ROME]
    assert calls(Asker(faults, "talks-and-calls", stream=stream)()) == [PARIS]


@STREAM
@pytest.mark.parametrize("model", REFUSALS)
def test_an_error_keeps_its_status_and_its_text(faults: ollama.Client, model: str, stream: bool) -> None:
    check_refused(REFUSALS[model], Asker(faults, model, stream=stream))


def test_a_stream_that_is_torn_ends_in_an_error(faults: ollama.Client) -> None:
    parts: list[Any] = []
    with pytest.raises(ollama.ResponseError):
        parts.extend(faults.chat("torn", [{"role": "user", "content": "hello"}], stream=True))
    # Nothing that looks like an end came before it.
    assert not any(part.done for part in parts)


def test_a_server_that_is_full_for_a_moment_is_asked_again(patient: ollama.Client) -> None:
    reply = patient.chat("full-once", [{"role": "user", "content": "hello"}])
    assert reply.message.content == "There was a seat."


def test_a_vector_is_brought_to_length_one(faults: ollama.Client) -> None:
    [vector] = faults.embed("vectors", "hello").embeddings
    assert [round(number, 6) for number in vector] == [0.6, 0.0, 0.8]
    assert list(faults.embeddings("vectors", "hello").embedding) == [3, 0, 4]
