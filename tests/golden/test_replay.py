"""Clients that others wrote read the golden streams: texts, thoughts, tool calls, usage and errors arrive."""

from pathlib import Path

import pytest

from tests.e2e.environments import why_no_node
from tests.golden.backend import GoldenBackend
from tests.golden.checks import check_nothing_is_empty, check_results_are_paired
from tests.golden.replay import NEWEST, OTHERS, Client, cases, complaints, replay
from tests.golden.streams import send

pytestmark = pytest.mark.e2e


def check(client: Client, backend: GoldenBackend, url: str, cwd: Path) -> None:
    """Every case is told as it should be, and every request reaches the backend as it should."""
    before = len(backend.asked)
    wanted = cases({model["name"]: model["digest"] for model in send(url, "GET", "/api/tags").json["models"]})
    failed = complaints(client, wanted, replay(client, url, wanted, cwd))
    assert not failed, "\n".join([f"{client.name}:", *failed])
    asked = [body for _, body in backend.asked[before:]]
    for body in asked:
        check_nothing_is_empty(body)
    conversations = [body["messages"] for body in asked if body["model"] == "tool-results"]
    assert len(conversations) == 2
    for messages in conversations:
        check_results_are_paired(messages)
        assert [message["content"] for message in messages if message["role"] == "tool"] == ["clear", "rain"]


def test_the_newest_sdk_reads_every_answer(golden_backend: GoldenBackend, golden_url: str, tmp_path: Path) -> None:
    check(NEWEST, golden_backend, golden_url, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("client", OTHERS, ids=lambda client: client.name)
def test_another_client_reads_every_answer(
    client: Client, golden_backend: GoldenBackend, golden_url: str, tmp_path: Path
) -> None:
    if client.needs_node and (reason := why_no_node()):
        pytest.skip(reason)
    check(client, golden_backend, golden_url, tmp_path)


def test_an_answer_that_a_client_read_wrongly_is_noticed() -> None:
    wanted = [case for case in cases({}) if case.id == "chat line-separators"]
    told = {"chat line-separators": {**wanted[0].tells, "text": "three"}}
    assert len(complaints(NEWEST, wanted, told)) == 1
    assert complaints(NEWEST, wanted, {"chat line-separators": wanted[0].tells}) == []
    assert len(complaints(NEWEST, wanted, {})) == 1
