"""What single answers prove."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from yarl import URL

from gateway.backends.backend import Backend
from gateway.backends.profiles import GENERIC
from gateway.demo.images import image_at
from gateway.doctor import chat_probes
from gateway.doctor.embedding_probes import EmbeddingProbes
from gateway.doctor.line import Line, count_requests
from gateway.doctor.patient import Patient
from gateway.doctor.picture import WIDTH, picture_url
from gateway.doctor.results import Result, Tally
from gateway.errors import UpstreamConnectionError
from tests.support.answers import completion, delta, embeddings, event, finish, plain, stream, token, usage
from tests.support.backend import LONG_S, ScriptedBackend, Step, close

type Probe = Callable[[Patient], Awaitable[Result]]


@pytest.fixture
async def patient(backend: ScriptedBackend) -> AsyncIterator[Patient]:
    """A model of a backend that does what the test tells it."""
    tally = Tally()
    async with aiohttp.ClientSession() as session:
        count_requests(session, tally)
        line = Line(session, Backend("b", URL(backend.url), api_key=SecretStr("b-key-of-tests")), LONG_S, tally)
        yield Patient(line, "m", GENERIC)


def said(text: str, **choice: Any) -> list[Step]:
    """A plain answer."""
    return plain(
        completion(text, choices=[{"index": 0, "message": {"content": text}, "finish_reason": "stop", **choice}])
    )


def called(*calls: tuple[str, str], reason: str = "tool_calls") -> list[Step]:
    """A plain answer that calls tools."""
    made = [{"id": f"c{n}", "function": {"name": name, "arguments": text}} for n, (name, text) in enumerate(calls)]
    choice = {"index": 0, "message": {"content": None, "tool_calls": made}, "finish_reason": reason}
    return plain(completion(choices=[choice]))


PARIS = '{"city": "Paris"}'
CUT = {"finish_reason": "length"}
LOGPROBS = [{"token": "a", "logprob": -1.0, "top_logprobs": []}]

CASES: list[tuple[str, Probe, list[Step], str, str]] = [
    ("stream for plain", chat_probes.ask_plain, stream(), "partly", "answered as a stream"),
    ("nothing", chat_probes.ask_plain, said(""), "partly", "an empty answer"),
    (
        "too many tokens",
        chat_probes.ask_plain,
        plain(completion("a", usage={"prompt_tokens": 1, "completion_tokens": 900})),
        "partly",
        "used 900 tokens where 24 were allowed",
    ),
    ("no usage", chat_probes.ask_plain, plain(completion("a", usage=None)), "yes", "without usage"),
    ("plain for stream", chat_probes.ask_stream, said("a"), "no", "answered in one piece"),
    ("no done", chat_probes.ask_stream, stream(token("a"), finish()), "yes", "without [DONE]"),
    ("usage unasked", chat_probes.ask_stream, stream(), "yes", "usage comes unasked"),
    ("usage", chat_probes.ask_usage, stream(), "yes", ""),
    ("usage ignored", chat_probes.ask_usage, stream(token("a"), finish()), "no", "accepted, but no usage comes"),
    (
        "half a usage",
        chat_probes.ask_usage,
        stream(token("a"), finish(), event({"choices": [], "usage": {"completion_tokens": 1}})),
        "partly",
        "only one of the two counts comes",
    ),
    ("call", chat_probes.ask_tools, called(("get_weather", PARIS)), "yes", ""),
    ("other tool", chat_probes.ask_tools, called(("fly", "{}")), "partly", "called a tool that was not offered"),
    (
        "other arguments",
        chat_probes.ask_tools,
        called(("get_weather", '{"town": 1}')),
        "partly",
        "called with arguments that the schema does not allow",
    ),
    ("no call", chat_probes.ask_tools, said("It rains."), "no", "accepted, but answered in words"),
    ("cut call", chat_probes.ask_tools, said("Let me", **CUT), "unknown", "cut before a call"),
    ("two calls", chat_probes.ask_parallel_tools, called(("get_weather", PARIS), ("get_time", PARIS)), "yes", ""),
    (
        "one call",
        chat_probes.ask_parallel_tools,
        called(("get_time", PARIS)),
        "no",
        "one call where two were asked for",
    ),
    ("schema", chat_probes.ask_schema, said('{"lamp": "go", "lit": true}'), "yes", ""),
    (
        "other object",
        chat_probes.ask_schema,
        said('{"lamp": "green", "lit": true}'),
        "partly",
        "JSON, but not of the schema that was asked for",
    ),
    ("no schema", chat_probes.ask_schema, said("Yes."), "no", "accepted, but the answer is not JSON"),
    ("cut schema", chat_probes.ask_schema, said('{"lamp": ', **CUT), "unknown", "cut before its end"),
    ("object", chat_probes.ask_json, said('{"a": 1}'), "yes", ""),
    ("fenced", chat_probes.ask_json, said("```json\n{}\n```"), "no", "accepted, but the answer is not JSON alone"),
    ("colour", chat_probes.ask_vision, said("It is Red."), "yes", ""),
    ("width", chat_probes.ask_vision, said(f"{WIDTH} pixels"), "yes", ""),
    ("blind", chat_probes.ask_vision, said("I cannot see."), "partly", "taken, but not described"),
    ("no logprobs", chat_probes.ask_logprobs, said("a"), "no", "accepted, but none come"),
    ("alone", chat_probes.ask_logprobs, said("a", logprobs={"content": LOGPROBS}), "partly", "without alternatives"),
]


@pytest.mark.parametrize(
    ("probe", "steps", "expected", "detail"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
async def test_what_an_answer_proves(
    probe: Probe, steps: list[Step], expected: str, detail: str, backend: ScriptedBackend, patient: Patient
) -> None:
    backend.play(steps)
    result = await probe(patient)
    assert (str(result.answer), result.detail) == (expected, detail)


async def test_a_call_that_has_to_be_required_is_told(backend: ScriptedBackend, patient: Patient) -> None:
    backend.play(said("It rains."), called(("get_weather", PARIS)))
    result = await chat_probes.ask_tools(patient)
    assert result.detail == "calls only where a call is required"
    assert "tool_choice" not in backend.calls[0].json
    assert backend.calls[1].json["tool_choice"] == "required"


async def test_a_connection_at_its_end_is_asked_again_once(backend: ScriptedBackend, patient: Patient) -> None:
    backend.play([close], said("Hello."))
    assert (await chat_probes.ask_plain(patient)).answer == "yes"
    assert len(backend.calls) == 2
    backend.play([close])
    with pytest.raises(UpstreamConnectionError):
        await chat_probes.ask_plain(patient)
    assert len(backend.calls) == 4


async def test_reasoning_in_a_stream_counts_as_its_first_token(backend: ScriptedBackend, patient: Patient) -> None:
    backend.play(stream(delta(reasoning_content="Well."), token("a"), finish(), usage(), b"data: [DONE]\n\n"))
    assert (await chat_probes.ask_stream(patient)).value is not None


BASE64 = "AACAPwAAAEA="  # 1.0 and 2.0


async def test_vectors_are_measured(backend: ScriptedBackend, patient: Patient) -> None:
    probes = EmbeddingProbes()
    of_text: dict[str, Any] = embeddings([1.0, 2.0]) | {"data": [{"index": 0, "embedding": BASE64}]}
    backend.play(plain(embeddings([1.0, 2.0])), plain(of_text), plain(embeddings([1.0, 2.0], [1.0, 2.0], [3.0, 4.0])))
    first, text, batch = await probes.ask(patient), await probes.ask_base64(patient), await probes.ask_batch(patient)
    assert [str(result.answer) for result in (first, text, batch)] == ["yes", "yes", "yes"]
    assert first.value == 2
    assert [len(call.json["input"]) for call in backend.calls] == [3, 3, 3], "'red', 'red', and three texts"


async def test_numbers_where_base64_was_asked_for_are_a_no(backend: ScriptedBackend, patient: Patient) -> None:
    probes = EmbeddingProbes()
    backend.play(plain(embeddings([1.0, 2.0])))
    await probes.ask(patient)
    result = await probes.ask_base64(patient)
    assert (str(result.answer), result.detail) == ("no", "accepted, but numbers come")


def test_the_picture_is_one() -> None:
    assert str(image_at(picture_url(), param="")) == f"PNG, {WIDTH} x {WIDTH} pixels"
    assert len(picture_url()) < 400
