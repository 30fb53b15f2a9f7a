"""Each row of the contract, asked of a gateway process."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from tests.conformance.case import Case
from tests.conformance.client import Answer, Request, send
from tests.conformance.rows import CASES, NOT_OURS
from tests.conformance.servers import Servers
from tests.conformance.shape_check import check

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section}: {case.id}")
def test_the_gateway_holds_the_row(case: Case, servers: Servers, passed: Counter[str]) -> None:
    servers.recorder.clear(case.reply)
    url = servers.url(case.server)

    def ask(request: Request) -> Answer:
        answer = send(url, request)
        check(request, answer)
        return answer

    if case.play is not None:
        case.play(ask)
    else:
        assert case.request is not None
        _look_at_answer(case, ask(case.request))
    if case.sent or case.unsent or case.sent_holds:
        assert len(servers.recorder.bodies) == 1, "the backend was not asked once"
        _look_at_sent(case, servers.recorder.bodies[0])
    passed[case.section] += 1


def test_every_row_has_a_name_of_its_own_and_every_row_left_out_a_reason() -> None:
    names = Counter((row.section, row.id) for row in (*CASES, *NOT_OURS))
    assert [name for name, times in names.items() if times > 1] == []
    assert all(len(row.reason.split()) > 3 for row in NOT_OURS)


def _look_at_answer(case: Case, answer: Answer) -> None:
    assert answer.status == case.status, answer.body[:600]
    if case.error is not None:
        text = answer.last["error"] if isinstance(answer.last["error"], str) else answer.last["error"]["message"]
        assert case.error.fullmatch(text) if isinstance(case.error, re.Pattern) else text == case.error, text
    if case.has:
        _look_for(case.has, answer.last)
    if case.holds is not None:
        assert case.holds(answer), f"{dict(answer.headers)}\n{answer.body[:2000]!r}"


def _look_at_sent(case: Case, body: Mapping[str, Any]) -> None:
    _look_for(case.sent, body)
    assert [key for key in case.unsent if key in body] == [], body
    if case.sent_holds is not None:
        assert case.sent_holds(body), body


def _look_for(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    assert {key: found.get(key, "(missing)") for key in wanted} == wanted, found
