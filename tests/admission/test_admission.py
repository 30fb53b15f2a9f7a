"""Admissions as handlers ask for them: models, rates, turns; what is counted, told and shared."""

import asyncio
import subprocess
import sys
from functools import partial

import pytest

from gateway.admission import Admission
from gateway.admission.admission import share, used_tokens
from gateway.admission.supervised import Ask, counting, local_counts
from gateway.callers import Caller
from gateway.errors import ForbiddenError, OverloadedError, ProxyException, RateLimitedError
from gateway.exchange import Exchange
from tests.admission.conftest import Numbers, OpenAdmission, exchange
from tests.support.backend import LONG_S
from tests.support.redis_server import RedisServer
from tests.telemetry.capture import captured_logging

ALICE = Caller(name="alice", address="203.0.113.1")


async def ask(admission: Admission, caller: Caller = ALICE, tokens: int | None = None) -> bool:
    """Make one request; return whether it was admitted."""
    try:
        async with admission.admitted(exchange(tokens), caller, "llama3"):
            return True
    except RateLimitedError:
        return False


async def served(admission: Admission, times: int, caller: Caller = ALICE) -> int:
    """Make so many requests; return how many were admitted."""
    return sum([await ask(admission, caller) for _ in range(times)])


def test_what_counts_is_loaded_only_where_something_is_limited() -> None:
    code = "import gateway.app, sys; assert 'gateway.admission' in sys.modules; print('limits' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


async def test_nothing_is_counted_where_nothing_is_limited(admission: OpenAdmission) -> None:
    opened = admission()
    async with opened.admitted(exchange(), ALICE, "llama3"):
        assert (opened.running, opened._sharing) == (0, None)


async def test_a_key_may_use_only_its_models(admission: OpenAdmission, numbers: Numbers) -> None:
    opened = admission()
    caller = Caller(name="alice", models=("llama*",))
    async with opened.admitted(exchange(), caller, "llama3:latest"):
        pass
    with pytest.raises(ForbiddenError, match="'gpt-4o'") as refusal:
        opened.admitted(exchange(), caller, "gpt-4o")
    assert (refusal.value.status, refusal.value.code, refusal.value.param) == (403, "model_not_allowed", "model")
    assert numbers.refused == {"model": 1}


async def test_without_keys_each_address_has_its_requests_a_minute(admission: OpenAdmission, numbers: Numbers) -> None:
    opened = admission(RATE_LIMIT_RPM="3")
    assert await served(opened, 10, Caller(address="203.0.113.1")) == 3
    assert await served(opened, 10, Caller(address="203.0.113.2")) == 3
    assert numbers.refused == {"requests": 14}


async def test_an_address_cannot_be_named_like_a_key(admission: OpenAdmission) -> None:
    opened = admission(RATE_LIMIT_RPM="1")
    assert await served(opened, 2, Caller(name="203.0.113.1")) == 1
    assert await served(opened, 2, Caller(address="203.0.113.1")) == 1


async def test_what_a_key_says_goes_before_what_counts_for_all(admission: OpenAdmission) -> None:
    opened = admission(RATE_LIMIT_RPM="2")
    assert await served(opened, 9, Caller(name="own", address="a", rpm=5)) == 5
    assert await served(opened, 9, Caller(name="unlimited", address="a", rpm=0)) == 9
    assert await served(opened, 9, Caller(name="other", address="a")) == 2


async def test_a_key_has_one_limit_wherever_it_is_used_from(admission: OpenAdmission) -> None:
    opened = admission()
    callers = [Caller(name="alice", address=f"203.0.113.{number}", rpm=4) for number in range(8)]
    assert sum([await ask(opened, caller) for caller in callers]) == 4


async def test_tokens_are_counted_after_the_answer(admission: OpenAdmission, numbers: Numbers) -> None:
    opened = admission(RATE_LIMIT_TPM="100")
    assert await ask(opened, tokens=60)
    assert await ask(opened, tokens=60)
    assert not await ask(opened)
    assert await ask(opened, Caller(name="bob"))
    assert numbers.refused == {"tokens": 1}


async def test_tokens_of_an_answer_that_fails_are_counted_too(admission: OpenAdmission) -> None:
    opened = admission(RATE_LIMIT_TPM="100")
    with pytest.raises(ConnectionResetError):
        async with opened.admitted(exchange(50, 60), ALICE, "llama3"):
            raise ConnectionResetError
    assert not await ask(opened)


@pytest.mark.parametrize(
    ("used", "tokens"),
    [
        (Exchange("id", "POST", prompt_tokens=3, completion_tokens=4, chunks=9), 7),
        (Exchange("id", "POST", prompt_tokens=3, chunks=9), 3),
        (Exchange("id", "POST", chunks=9), 9),
        (Exchange("id", "POST"), 0),
        (Exchange("id", "POST", prompt_tokens=3, completion_tokens=4, cache="hit"), 0),
        (Exchange("id", "POST", prompt_tokens=3, completion_tokens=4, cache="miss"), 7),
    ],
)
def test_an_answer_costs_what_its_backend_counted_else_what_was_sent(used: Exchange, tokens: int) -> None:
    assert used_tokens(used) == tokens


async def test_who_waits_for_its_turn_is_told_of_with_its_wait(admission: OpenAdmission, numbers: Numbers) -> None:
    opened = admission(MAX_CONCURRENT_REQUESTS="1")
    first, second = exchange(), exchange()
    entered = asyncio.Event()

    async def wait() -> None:
        async with opened.admitted(second, ALICE, "llama3"):
            entered.set()

    async with asyncio.timeout(LONG_S), asyncio.TaskGroup() as tasks, opened.admitted(first, ALICE, "llama3"):
        tasks.create_task(wait())
        while not opened.waiting:
            await asyncio.sleep(0)
        assert (opened.running, opened.waiting, entered.is_set()) == (1, 1, False)
    assert (opened.running, opened.waiting, entered.is_set()) == (0, 0, True)
    assert first.queued_ns is None
    assert second.queued_ns is not None
    assert numbers.waits_s == [second.queued_ns / 1e9]


async def test_a_full_queue_and_a_full_key_are_told_apart(admission: OpenAdmission, numbers: Numbers) -> None:
    opened = admission(MAX_CONCURRENT_REQUESTS="2", MAX_QUEUE="0")
    single = Caller(name="single", concurrency=1)
    async with opened.admitted(exchange(), single, "llama3"):
        with pytest.raises(RateLimitedError):
            await opened.admitted(exchange(), single, "llama3").__aenter__()
        async with opened.admitted(exchange(), ALICE, "llama3"):
            with pytest.raises(OverloadedError):
                await opened.admitted(exchange(), Caller(name="bob"), "llama3").__aenter__()
    assert numbers.refused == {"concurrency": 1, "queue": 1}
    assert opened.running == 0


async def test_the_bound_of_a_key_holds_without_any_setting(admission: OpenAdmission) -> None:
    opened = admission(MAX_QUEUE="0")
    caller = Caller(name="two", concurrency=2)
    async with opened.admitted(exchange(), caller, "m"), opened.admitted(exchange(), caller, "m"):
        assert not await ask(opened, caller)
    assert await ask(opened, caller)


async def test_a_cancelled_request_keeps_no_place(admission: OpenAdmission) -> None:
    opened = admission(MAX_CONCURRENT_REQUESTS="1")

    async def hold() -> None:
        async with opened.admitted(exchange(), ALICE, "llama3"):
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(hold()) for _ in range(3)]
    while opened.waiting < 2:
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (opened.running, opened.waiting) == (0, 0)


@pytest.mark.parametrize(("total", "count"), [(0, 4), (1, 4), (3, 4), (4, 4), (10, 4), (512, 3)])
def test_what_is_bounded_for_all_workers_is_divided_among_them(total: int, count: int) -> None:
    parts = [share(total, (number, count)) for number in range(1, count + 1)]
    assert sum(parts) == (max(total, count) if total else 0)
    assert max(parts) - min(parts) <= 1


async def test_two_gateways_with_one_redis_hold_one_limit_together(
    admission: OpenAdmission, redis_server: RedisServer, numbers: Numbers, patience: None
) -> None:
    gateways = [admission(RATE_LIMIT_RPM="20", REDIS_URL=redis_server.url) for _ in range(2)]
    asked = [ask(gateways[number % 2], Caller(address="203.0.113.1")) for number in range(60)]
    assert sum(await asyncio.gather(*asked)) == 20
    assert await served(gateways[1], 25, Caller(address="203.0.113.2")) == 20
    assert await served(gateways[0], 5, Caller(address="203.0.113.2")) == 0
    assert numbers.missed == 0


async def test_tokens_spent_at_one_gateway_are_spent_at_the_other(
    admission: OpenAdmission, redis_server: RedisServer, patience: None
) -> None:
    one, other = (admission(RATE_LIMIT_TPM="100", REDIS_URL=redis_server.url) for _ in range(2))
    assert await ask(one, tokens=500)
    async with asyncio.timeout(LONG_S):
        while await ask(other):
            await asyncio.sleep(0.01)
    assert not await ask(one)


async def test_redis_killed_and_restarted_while_requests_run_fails_none_of_them(
    admission: OpenAdmission, redis_server: RedisServer, numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.reach.REST_S", 0.05)
    gateways = [
        admission(RATE_LIMIT_RPM="1000000", RATE_LIMIT_TPM="1000000000", REDIS_URL=redis_server.url) for _ in range(2)
    ]
    stop = asyncio.Event()
    answered: list[bool] = []

    async def client(number: int) -> None:
        while not stop.is_set():
            answered.append(await ask(gateways[number % 2], Caller(address=f"203.0.113.{number}"), tokens=7))
            await asyncio.sleep(0.001)

    async def some_more() -> None:
        more = len(answered) + 50
        while len(answered) < more:
            await asyncio.sleep(0.001)

    with captured_logging("INFO") as log:
        async with asyncio.timeout(2 * LONG_S), asyncio.TaskGroup() as tasks:
            for number in range(8):
                tasks.create_task(client(number))
            for time in (1, 2):
                await some_more()
                redis_server.stop()
                await some_more()
                redis_server.start()
                while log.getvalue().count(b"is back") < time * len(gateways):
                    await asyncio.sleep(0.001)
            await some_more()
            stop.set()
    assert all(answered)
    assert numbers.missed >= 4
    assert log.getvalue().count(b"the shared count not reached") == 2, "once a minute for each gateway"


async def test_a_limit_holds_while_redis_is_away_for_each_gateway_alone(
    admission: OpenAdmission, redis_server: RedisServer, numbers: Numbers, patience: None
) -> None:
    one, other = (admission(RATE_LIMIT_RPM="10", REDIS_URL=redis_server.url) for _ in range(2))
    assert await served(one, 6) == 6
    redis_server.stop()
    assert await served(one, 20) == 4, "what was counted before is not forgotten"
    assert await served(other, 20) == 10
    assert numbers.missed == 2


async def test_tokens_that_were_spent_before_redis_went_away_stay_spent(
    admission: OpenAdmission, redis_server: RedisServer, patience: None
) -> None:
    opened = admission(RATE_LIMIT_TPM="100", REDIS_URL=redis_server.url)
    assert await ask(opened, tokens=500)
    redis_server.stop()
    assert not await ask(opened)


async def test_redis_that_never_answers_is_waited_for_once(admission: OpenAdmission, numbers: Numbers) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server, asyncio.timeout(LONG_S):
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        opened = admission(RATE_LIMIT_RPM="5", RATE_LIMIT_TPM="100", REDIS_URL=url)
        assert await served(opened, 20) == 5
        assert numbers.missed == 1
        await opened.aclose()


async def test_redis_is_asked_nothing_for_a_client_without_limits(
    admission: OpenAdmission, redis_server: RedisServer, numbers: Numbers
) -> None:
    redis_server.stop()
    opened = admission(REDIS_URL=redis_server.url)
    assert await served(opened, 5) == 5
    assert numbers.missed == 0
    assert await served(opened, 5, Caller(name="limited", rpm=3)) == 3
    assert numbers.missed == 1


async def test_workers_hold_one_limit_together_through_their_supervisor(admission: OpenAdmission) -> None:
    answer = counting(local_counts())
    workers = [admission(ask=answer, worker=(number, 2), RATE_LIMIT_RPM="10", RATE_LIMIT_TPM="50") for number in (1, 2)]
    assert sum([await ask(workers[number % 2]) for number in range(30)]) == 10
    assert await ask(workers[0], Caller(name="bob"), tokens=60)
    await workers[0].aclose()
    assert not await ask(workers[1], Caller(name="bob"))


async def test_workers_without_their_supervisor_count_alone(admission: OpenAdmission, numbers: Numbers) -> None:
    async def gone(payload: object) -> object:
        raise ConnectionResetError

    assert await served(admission(ask=gone, RATE_LIMIT_RPM="10"), 30) == 10
    assert numbers.missed == 1


@pytest.mark.parametrize("payload", [None, [], ["take", "a"], ["drop", "a", 1], ["take", 1, "a"], {"take": 1}])
async def test_a_supervisor_refuses_what_is_no_question_about_counts(payload: object) -> None:
    answer: Ask = counting(local_counts())
    with pytest.raises(ValueError, match="not a question about counts"):
        await answer(payload)


async def test_closing_lets_what_is_being_counted_come_to_its_end(
    admission: OpenAdmission, redis_server: RedisServer, patience: None
) -> None:
    one, other = (partial(admission, RATE_LIMIT_TPM="100", REDIS_URL=redis_server.url) for _ in range(2))
    first = one()
    assert await ask(first, tokens=500)
    await first.aclose()
    assert not await ask(other())


async def test_every_refusal_is_one_the_gateway_can_answer_with(admission: OpenAdmission) -> None:
    opened = admission(RATE_LIMIT_RPM="1", MAX_CONCURRENT_REQUESTS="1", MAX_QUEUE="0")
    async with opened.admitted(exchange(), ALICE, "m"):
        for caller in (ALICE, Caller(name="bob"), Caller(name="none", concurrency=1)):
            with pytest.raises(ProxyException) as refusal:
                await opened.admitted(exchange(), caller, "m").__aenter__()
            assert int(refusal.value.headers["Retry-After"]) >= 1
