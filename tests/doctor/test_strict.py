"""Backends that refuse: parameters, tools, keys, everything."""

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from gateway.doctor.results import CHECKS, Answer
from tests.doctor.checking import check_one, checked, serving, settings, words
from tests.doctor.strict import BASIC, Body, StrictBackend, answer, refusal


async def test_a_backend_that_takes_only_the_basics() -> None:
    backend = StrictBackend()
    async with serving(backend) as url:
        report = await check_one(settings(url))
    (model,) = report.models
    assert words(model) == dict.fromkeys(CHECKS, "no") | {
        "plain": "yes",
        "streaming": "yes",
        "stream_options": "yes",
        "thinking_off": "-",
        "parallel_tools": "-",
        "vision": "partly",
        "parameters": "partly",
        "embeddings_base64": "-",
        "embeddings_batch": "-",
        "context_length": "unknown",
    }
    assert report.fine
    assert model.checks["unknown_parameters"].word == "refused"
    assert "Unrecognized request argument supplied: tools" in model.checks["tools"].detail


async def test_refused_parameters_are_learned_and_named() -> None:
    backend = StrictBackend(takes=BASIC | {"temperature", "top_p", "seed"})
    async with serving(backend) as url:
        (model,) = (await check_one(settings(url))).models
    assert model.learned == ("frequency_penalty", "presence_penalty")
    assert model.checks["parameters"].detail == "refuses frequency_penalty, presence_penalty"


async def test_a_refused_bound_on_tokens_goes_on_under_its_other_name() -> None:
    backend = StrictBackend(takes=BASIC - {"max_tokens"} | {"max_completion_tokens"})
    async with serving(backend) as url:
        (model,) = (await check_one(settings(url))).models
    assert model.checks["plain"].answer is Answer.YES
    assert "max_tokens" in model.learned
    assert "max_tokens" in backend.asked[0]
    assert all("max_completion_tokens" in body for body in backend.asked[1:])


async def test_what_a_strict_backend_takes_beyond_its_profile_is_told_and_not_learned() -> None:
    backend = StrictBackend(takes=BASIC | {"top_k", "min_p"})
    async with serving(backend) as url:
        (model,) = (await check_one(settings(url))).models
    assert model.checks["unknown_parameters"].detail == "beyond its profile it takes top_k, min_p"
    assert not {"top_k", "repeat_penalty", "x_gateway_check"} & set(model.learned)


async def test_a_check_that_fails_does_not_stop_the_others() -> None:
    backend = StrictBackend(takes=BASIC | {"tools", "response_format"}, broken=frozenset({"tools"}))
    async with serving(backend) as url:
        (model,) = (await check_one(settings(url))).models
    found = words(model)
    assert found["tools"] == "failed"
    assert "500" in model.checks["tools"].detail
    assert found["json_schema"] == "no"
    assert found["unknown_parameters"] == "no"


async def test_an_answer_nobody_foresaw_is_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stumble(_: object) -> None:
        raise AttributeError

    monkeypatch.setitem(_probes(), "logprobs", stumble)
    async with serving(StrictBackend()) as url:
        (model,) = (await check_one(settings(url))).models
    assert model.checks["logprobs"].answer is Answer.FAILED
    assert model.checks["unknown_parameters"].answer is Answer.NO


def _probes() -> dict[str, object]:
    from gateway.doctor import examination

    return examination._PROBES  # type: ignore[return-value]  # one of them is replaced by the test


# Keys


async def test_a_key_that_the_list_wants_is_accepted_and_needed() -> None:
    async with serving(StrictBackend(key="right-key", list_key="right-key")) as url:
        report = await check_one(settings(url, key="right-key"))
    assert (report.key.answer, report.key.detail) == (Answer.YES, "accepted, and needed")
    assert report.fine


async def test_a_key_that_the_list_refuses_is_refused() -> None:
    async with serving(StrictBackend(key="right-key", list_key="right-key")) as url:
        report = await check_one(settings(url, key="wrong-key"))
    assert (report.reachable.answer, report.key.answer, report.fine) == (Answer.YES, Answer.NO, False)
    assert report.models == []


async def test_a_key_that_only_chats_refuse_is_refused_all_the_same() -> None:
    backend = StrictBackend(key="right-key")
    async with serving(backend) as url:
        report = await check_one(settings(url, key="wrong-key"))
    assert report.listing.answer is Answer.YES
    assert report.key.answer is Answer.NO
    assert not report.fine
    assert len(backend.asked) == 1, "nothing more is asked of a model that does not answer"


async def test_a_missing_key_is_told() -> None:
    async with serving(StrictBackend(list_key="right-key")) as url:
        report = await check_one(settings(url))
    assert report.key.detail == "one is needed, and none is set"
    async with serving(StrictBackend(list_key="right-key")) as url:
        report = await check_one(settings(url).model_copy(update={"pass_client_key": True}))
    assert "clients bring theirs" in report.key.detail


# Not even that


async def test_a_backend_that_is_not_there_does_not_keep_others_from_being_checked() -> None:
    async with serving(StrictBackend()) as url:
        report = await checked(settings(f"http://127.0.0.1:{unused_port()}/v1", "gone"), settings(url, "there"))
    gone, there = report.backends
    assert (gone.reachable.answer, gone.fine, gone.profile) == (Answer.NO, False, None)
    assert there.fine
    assert not report.fine


async def test_html_is_no_list() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>It works!</html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    async with TestServer(app) as server:
        report = await check_one(settings(server.make_url("/v1")))
    assert report.reachable.answer is Answer.YES
    assert report.listing.answer is Answer.FAILED
    assert "HTML" in report.listing.detail
    assert not report.fine


async def test_a_silent_model_costs_two_waits() -> None:
    asked: list[str] = []

    async def hang(request: web.Request) -> web.Response:
        asked.append(request.path)
        await asyncio.sleep(60)
        return web.Response()

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "m"}]})

    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/{path:.*}", hang)
    server = TestServer(app)
    async with server:
        (model,) = (await check_one(settings(server.make_url("/v1"), patience_s=0.1))).models
        assert asked == ["/v1/chat/completions", "/v1/embeddings"]
    assert words(model) == dict.fromkeys(CHECKS, "-") | {
        "plain": "failed",
        "embeddings": "failed",
        "context_length": "unknown",
    }
    assert model.checks["plain"].detail == "no whole answer within 0.1 s"


async def test_a_backend_whose_models_all_fail_is_not_fine() -> None:
    async with serving(StrictBackend(broken=frozenset({"model"}))) as url:
        report = await check_one(settings(url))
    assert report.models != []
    assert not report.fine


# Thinking


class Thinker(StrictBackend):
    """Thinks in tags unless `reasoning_effort` is none."""

    def plain(self, body: Body) -> Body:
        thought = "" if body.get("reasoning_effort") == "none" else "<think>Well.</think>"
        return answer({"content": f"{thought}Hello."})


async def test_a_way_to_stop_thinking_that_the_profile_does_not_know_is_found_and_used() -> None:
    backend = Thinker(takes=BASIC | {"reasoning_effort", "logprobs", "top_logprobs"})
    async with serving(backend) as url:
        (model,) = (await check_one(settings(url))).models
    assert model.checks["thinking"].detail == "in tags in the text"
    assert model.checks["thinking_off"].surprises
    assert "reasoning_effort: none" in model.checks["thinking_off"].detail
    later = [body for body in backend.asked if "logprobs" in body]
    assert [body["reasoning_effort"] for body in later] == ["none"]


class Stubborn(StrictBackend):
    """Thinks whatever it is told."""

    def plain(self, body: Body) -> Body:
        return answer({"content": "Hello.", "reasoning": "Well."})


async def test_a_model_that_cannot_be_stopped_gets_more_room() -> None:
    backend = Stubborn(takes=BASIC | {"reasoning_effort", "chat_template_kwargs", "logprobs", "top_logprobs"})
    async with serving(backend) as url:
        (model,) = (await check_one(settings(url))).models
    assert model.checks["thinking"].detail == "in reasoning"
    assert (model.checks["thinking_off"].answer, model.checks["thinking_off"].detail) == (
        Answer.NO,
        "thinks all the same",
    )
    room = {body["max_tokens"] for body in backend.asked if "logprobs" in body}
    assert min(room) > backend.asked[0]["max_tokens"]


async def test_a_refusal_is_kept_short_of_secrets() -> None:
    class Loud(StrictBackend):
        async def embeddings(self, request: web.Request) -> web.Response:
            return refusal(400, f"never with {request.headers['Authorization']}")

    async with serving(Loud()) as url:
        (model,) = (await check_one(settings(url, key="backend-key-of-this-test"))).models
    assert "backend-key-of-this-test" not in json.dumps(model.checks["embeddings"].detail)
    assert "***" in model.checks["embeddings"].detail
