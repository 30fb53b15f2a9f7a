"""Backend, hop and load together, over sockets: what is right counts, and what is wrong counts as wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from benchmarks import machine, targets
from benchmarks.answers import Script, closing, event, plain_body, words
from benchmarks.asks import ask
from benchmarks.contest import BUSY_CORES, Contest, Entry, Load, compete
from benchmarks.load import fire
from benchmarks.targets import Target

pytestmark = pytest.mark.slow

SHORT = Script(10)
PATH = "/v1/chat/completions"


@asynccontextmanager
async def hop_and_backend() -> AsyncIterator[tuple[Target, Target]]:
    """Run both."""
    on = machine.cores()
    async with targets.backend(on) as backend, targets.hop(on, backend) as hop:
        yield hop, backend


async def test_all_kinds_of_answers_pass_a_hop_and_are_right() -> None:
    async with hop_and_backend() as (hop, backend):
        for target in (hop, backend):
            for one in (ask(PATH, SHORT), ask(PATH, SHORT, stream=True), ask("/v1/embeddings", Script(dimensions=8))):
                measured = await fire(target.host, target.port, one, 2, requests=6)
                assert (measured.answers, measured.errors) == (6, {})
                assert measured.chunks == 6 * one.chunks
                assert len(measured.latencies_s) == 6


async def test_a_paced_stream_is_measured_by_chunk() -> None:
    async with hop_and_backend() as (hop, _):
        measured = await fire(hop.host, hop.port, ask(PATH, Script(10, 1), stream=True), 2, requests=2, spread_s=0.01)
    assert (measured.answers, measured.errors, measured.chunks) == (2, {}, 20)
    assert (len(measured.first_s), len(measured.gaps_s), len(measured.transit_s)) == (2, 18, 20)
    assert all(
        0 < transit_s < latency_s for transit_s in measured.transit_s for latency_s in [max(measured.latencies_s)]
    )


async def test_an_answer_to_another_question_is_wrong() -> None:
    other = replace(ask(PATH, SHORT), judge=ask(PATH, Script(100)).judge)
    async with hop_and_backend() as (hop, _):
        measured = await fire(hop.host, hop.port, other, 1, requests=3)
    assert (measured.answers, measured.errors) == (0, {"another text": 3})


async def test_a_server_that_is_gone_and_a_path_that_is_not_there_are_no_answers() -> None:
    async with hop_and_backend() as (hop, backend):
        missing = await fire(hop.host, hop.port, replace(ask(PATH, SHORT), path="/nowhere"), 1, requests=1)
        port = backend.port
    assert missing.answers == 0
    assert next(iter(missing.errors)).startswith("404")
    with pytest.raises(OSError, match=r"refused|Connect"):
        await fire("127.0.0.1", port, ask(PATH, SHORT), 1, requests=1)


async def test_targets_are_measured_in_turns_with_their_cost() -> None:
    async with hop_and_backend() as (hop, backend):
        entries = [Entry("hop", hop, ask(PATH, SHORT)), Entry("direct", backend, ask(PATH, SHORT))]
        contest = await compete("plain", entries, Load(2, requests=20), 2)
    assert {name: len(rows) for name, rows in contest.samples.items()} == {"hop": 2, "direct": 2}
    assert contest.errors == {"hop": 0, "direct": 0}
    assert contest.median("hop", "cpu_ms") > 0
    assert contest.median("hop", "peak_mb") > 1
    assert contest.ratio("hop", "direct", "rate").rounds == 2


def test_bursts_that_other_programs_disturbed_are_counted() -> None:
    contest = Contest("any", {"one": [{"others_cores": 2 * BUSY_CORES}, {"others_cores": 0.0}]}, {"one": 0})
    assert contest.busy_rounds == 1


def stream(script: Script) -> bytes:
    """Return the body of a right stream of `/v1`."""
    return b"".join(event(script, word) for word in words(script)) + closing(script, usage=False)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ((b"", b""), ""),
        ((b"w003", b"w004"), "another text"),
        ((event(SHORT, " w009"), b""), "9 pieces"),
        ((b"data: [DONE]\n\n", b""), "no proper end"),
    ],
)
def test_a_stream_is_right_only_with_all_of_its_text_and_its_end(change: tuple[bytes, bytes], wrong: str) -> None:
    judge = ask(PATH, SHORT, stream=True).judge
    assert judge(stream(SHORT).replace(*change) if change[0] else stream(SHORT)).startswith(wrong)
    assert bool(judge(stream(SHORT).replace(*change) if change[0] else stream(SHORT))) is bool(wrong)


def test_a_usage_chunk_that_nobody_asked_for_is_wrong() -> None:
    body = b"".join(event(SHORT, word) for word in words(SHORT)) + closing(SHORT, usage=True)
    assert ask(PATH, SHORT, stream=True).judge(body) == "no proper end"


def test_lines_of_ollama_are_right_only_with_a_done_line() -> None:
    judge = ask("/api/chat", SHORT, stream=True).judge
    lines = [b'{"message":{"content":"%b"},"done":false}\n' % word.encode() for word in words(SHORT)]
    assert judge(b"".join([*lines, b'{"message":{"content":""},"done":true}\n'])) == ""
    assert judge(b"".join(lines)) == "no proper end"
    assert judge(b"".join([*lines, b'{"error":"broken"}\n'])) == "no proper end"


def test_vectors_of_ollama_are_compared_number_by_number() -> None:
    judge = ask("/api/embed", Script(dimensions=8)).judge
    assert judge(b'{"embeddings":[[0.1,0.2]]}') == "other vectors"
    assert judge(plain_body(SHORT)) == "no vectors"
