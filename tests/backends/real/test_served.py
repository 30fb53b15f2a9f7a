"""The official SDK gets right answers from every real server, whole and streamed, or the error that is documented."""

import math
import time
from typing import Any

import ollama
import pytest

from tests.backends.real.conftest import ClientOf
from tests.backends.real.served import PLAIN, SERVED, Refused, Served
from tests.backends.real.tiny import lines
from tests.e2e.ollama_sdk.asking import GET_WEATHER, PERSON, check_end, png, said

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PARIS, ROME = ("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
LONG = "x" * 9000
NOTICED_WITHIN_S = 30.0


ROWS = [pytest.param(row, marks=[pytest.mark.backends] if row.heavy else [], id=row.name) for row in SERVED]
EACH = pytest.mark.parametrize("row", ROWS)
EACH_WITH_VECTORS = pytest.mark.parametrize(
    "row", [param for row, param in zip(SERVED, ROWS, strict=True) if isinstance(row.vectors, int)]
)


class Asker:
    """Asks one model, whole or streamed, and puts what comes together."""

    def __init__(self, client: ollama.Client, model: str, *, stream: bool) -> None:
        self._chat: Any = client.chat
        self._model, self._stream = model, stream

    def __call__(self, text: str = "hello", **more: Any) -> Any:
        """All parts of an answer; the messages are `more["messages"]`, else one of the user with `text`."""
        messages = more.pop("messages", [{"role": "user", "content": text}])
        answer = self._chat(self._model, messages, stream=self._stream, **more)
        return list(answer) if self._stream else [answer]


def thoughts(parts: Any) -> str:
    """What the parts think together."""
    return "".join(part.message.thinking or "" for part in parts).strip()


def calls(parts: Any) -> list[tuple[str, dict[str, Any]]]:
    """The tools that the parts call."""
    return [(call.function.name, call.function.arguments) for part in parts for call in part.message.tool_calls or []]


def check_refused(refused: Refused, ask: Any) -> None:
    """It ends with that error."""
    with pytest.raises(ollama.ResponseError) as error:
        ask()
    assert (error.value.status_code, refused.says in error.value.error) == (refused.status, True), error.value


def is_running(client: ollama.Client, row: Served) -> bool:
    """Whether the model is listed as loaded; where it should be, a refresh of the list is waited for."""
    client.chat(row.model, [{"role": "user", "content": "hello"}])
    deadline_s = time.monotonic() + (NOTICED_WITHIN_S if row.loaded else 0)
    while not (listed := row.model in [model.model for model in client.ps().models]) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return listed


@pytest.fixture
def ask(row: Served, stream: bool, client_of: ClientOf) -> Asker:
    """Asks the row's model."""
    return Asker(client_of(row.server), row.model, stream=stream)


@EACH
@STREAM
def test_a_chat_is_answered_and_counted(ask: Asker, row: Served) -> None:
    parts = ask()
    assert said(parts) == PLAIN
    assert thoughts(parts) == row.thoughts
    check_end(parts[-1])
    assert parts[-1].model == row.model
    spoken = len(lines.PLAIN) + 1 + (len(lines.THOUGHT) + 2 if row.thoughts else 0)
    assert parts[-1].eval_count == spoken


@EACH
@STREAM
def test_characters_that_a_server_cuts_through_arrive_whole(ask: Asker) -> None:
    assert said(ask("say:scripts")) == lines.text_of(lines.SCRIPTS)


@EACH
@STREAM
def test_an_answer_of_no_text_is_one(ask: Asker) -> None:
    parts = ask("say:nothing")
    assert said(parts) == ""
    assert parts[-1].done_reason == "stop"


@EACH
@STREAM
def test_options_reach_the_server(ask: Asker, row: Served) -> None:
    before = len(lines.THOUGHT) + 2 if row.thoughts else 0
    sampling = {"temperature": 0, "seed": 7, "top_k": 5, "min_p": 0.1, "repeat_penalty": 1.0}
    parts = ask("say:drum", options={"num_predict": before + 5, **sampling})
    assert said(parts) == "boom tickboom tickboom"
    check_end(parts[-1], "length")
    assert parts[-1].eval_count == before + 5
    assert said(ask("say:count", options={"stop": ["trois"]})) == row.before_stop


@EACH
@STREAM
def test_a_tool_is_called_and_its_result_is_used(ask: Asker, row: Served) -> None:
    parts = ask(tools=[GET_WEATHER])
    assert calls(parts) == [PARIS]
    assert said(parts) == ""
    assert thoughts(parts) == row.thoughts
    asked = {"role": "assistant", "tool_calls": [{"function": {"name": PARIS[0], "arguments": PARIS[1]}}]}
    result = {"role": "tool", "tool_name": PARIS[0], "content": "22"}
    messages = [{"role": "user", "content": "Paris?"}, asked, result]
    assert said(ask(messages=messages, tools=[GET_WEATHER])) == lines.text_of(lines.REPORT)


@EACH
@STREAM
def test_two_tools_are_called_side_by_side(ask: Asker) -> None:
    assert calls(ask("Paris and Rome at once", tools=[GET_WEATHER])) == [PARIS, ROME]


@EACH
@STREAM
def test_thinking_is_apart_from_the_answer_and_can_be_switched_off(
    ask: Asker, row: Served, client_of: ClientOf
) -> None:
    if row.think:
        is_running(client_of(row.server), row)
        check_refused(row.think, lambda: ask(think=True))
    else:
        parts = ask(think=True)
        assert (thoughts(parts), said(parts)) == (row.thoughts, PLAIN)
        assert not any(part.message.thinking and part.message.content for part in parts[: -1 if len(parts) > 1 else 0])
    parts = ask(think=False)
    assert (thoughts(parts), said(parts)) == ("", PLAIN)
    if row.obeys:
        assert parts[-1].eval_count == len(lines.PLAIN) + 1


@EACH
@STREAM
def test_an_answer_follows_a_schema(ask: Asker, row: Served) -> None:
    if isinstance(row.person, Refused):
        check_refused(row.person, lambda: ask(format=PERSON))
    else:
        assert said(ask(format=PERSON)) == row.person


@EACH
@STREAM
def test_tokens_come_with_their_probabilities(ask: Asker, row: Served) -> None:
    parts = ask(logprobs=True, top_logprobs=2)
    assert said(parts) == PLAIN
    tokens = [token for part in parts for token in part.logprobs or []]
    if row.logprobs:
        assert "".join(token.token for token in tokens).endswith(PLAIN)
        assert all(token.logprob <= 0 and len(token.top_logprobs or []) == 2 for token in tokens)
    else:
        assert not tokens


@EACH
@STREAM
def test_probabilities_do_not_keep_a_tool_from_being_called(ask: Asker, row: Served, stream: bool) -> None:
    if stream and row.streams_both:
        check_refused(row.streams_both, lambda: ask(tools=[GET_WEATHER], logprobs=True))
    else:
        assert calls(ask(tools=[GET_WEATHER], logprobs=True)) == [PARIS]


@EACH
@STREAM
def test_a_picture_is_refused_by_a_model_without_eyes(ask: Asker, row: Served) -> None:
    messages = [{"role": "user", "content": "What is this?", "images": [png(4, 4)]}]
    if row.image:
        check_refused(row.image, lambda: ask(messages=messages))
    else:
        assert said(ask(messages=messages)) == PLAIN


@EACH
@STREAM
def test_a_text_longer_than_the_context_is_refused(ask: Asker, row: Served) -> None:
    if row.too_long:
        check_refused(row.too_long, lambda: ask(LONG))
    else:
        assert said(ask(LONG)) == PLAIN


@EACH
def test_texts_become_vectors(row: Served, client_of: ClientOf) -> None:
    client = client_of(row.server)
    if isinstance(row.vectors, Refused):
        check_refused(row.vectors, lambda: client.embed(row.model, "a cat"))
        check_refused(row.vectors, lambda: client.embeddings(row.model, "a cat"))
        return
    first, again, other = client.embed(row.model, ["a cat", "a cat", "zzz"]).embeddings
    assert len(first) == row.vectors
    assert math.isclose(math.hypot(*first), 1, rel_tol=1e-5)
    assert first == again
    assert first != other
    assert [len(vector) for vector in client.embed(row.model, "a cat", dimensions=16).embeddings] == [16]
    assert len(client.embeddings(row.model, "a cat").embedding) == row.vectors


@EACH_WITH_VECTORS
def test_a_text_too_long_to_embed_is_cut(row: Served, client_of: ClientOf) -> None:
    client = client_of(row.server)
    [vector] = client.embed(row.model, LONG).embeddings
    assert len(vector) == row.vectors
    with pytest.raises(ollama.ResponseError, match="exceeds the context length"):
        client.embed(row.model, LONG, truncate=False)


@EACH
def test_a_model_is_shown_and_listed(row: Served, client_of: ClientOf) -> None:
    client = client_of(row.server)
    # A router says what a model can do once it has loaded it.
    is_running(client, row)
    shown = client.show(row.model)
    info = shown.modelinfo or {}
    assert info[f"{info['general.architecture']}.context_length"] == row.context
    assert shown.capabilities is not None
    assert {*shown.capabilities} == {*row.capabilities}
    assert row.model in [model.model for model in client.list().models]


@EACH
def test_a_model_in_memory_is_listed_as_running(row: Served, client_of: ClientOf) -> None:
    assert is_running(client_of(row.server), row) == row.loaded


@EACH
def test_a_model_that_nobody_has_is_not_found(row: Served, client_of: ClientOf) -> None:
    client = client_of(row.server)
    missing = Refused(404, "not found")
    check_refused(missing, lambda: client.chat("nobody", [{"role": "user", "content": "hello"}]))
    check_refused(missing, lambda: list(client.chat("nobody", [{"role": "user", "content": "hello"}], stream=True)))
    check_refused(missing, lambda: client.show("nobody"))
