"""Plain completions."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

type Json = dict[str, Any]
type Ask = Callable[..., Awaitable[Json]]
type Chunks = Callable[..., Awaitable[list[Json]]]

PATH = "/v1/completions"


@pytest.fixture
def complete(post: Ask) -> Ask:
    """Sends a prompt and returns the answer."""

    async def send(prompt: object, **options: Any) -> Json:
        return await post(PATH, {"model": "demo", "prompt": prompt, **options})

    return send


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("Once upon a time", " and that is where the demo model goes on, 4 words into the text."),
        (["Once"], " and that is where the demo model goes on, 1 word into the text."),
        ("2 + 2 =", " 4"),
        ("def add(a: int, b: int = 1) -> int:", "\n    return a + b\n"),
        ("class A:\n    def total(self, x):\n", "        return x\n"),
    ],
)
async def test_a_prompt_is_continued(complete: Ask, prompt: object, text: str) -> None:
    answer = await complete(prompt)
    assert (answer["object"], answer["choices"][0]["text"]) == ("text_completion", text)
    assert answer["choices"][0]["finish_reason"] == "stop"


async def test_the_gap_before_a_suffix_is_filled(complete: Ask) -> None:
    story = await complete("The cat", suffix="the mat.")
    code = await complete("def add(a, b):\n", suffix="\nprint(add(1, 2))")
    assert story["choices"][0]["text"] == ' leads from "cat" to "the" and so to '
    assert code["choices"][0]["text"] == "    return a + b\n"
    assert story["usage"]["prompt_tokens"] == 4


async def test_limit_and_stop_cut_the_text(complete: Ask) -> None:
    limited = await complete("Once", max_tokens=2)
    stopped = await complete("Once", stop=" demo")
    assert (limited["choices"][0]["text"], limited["choices"][0]["finish_reason"]) == (" and that", "length")
    assert stopped["choices"][0]["text"] == " and that is where the"
    assert stopped["choices"][0]["finish_reason"] == "stop"
    assert limited["usage"] == {**limited["usage"], "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


async def test_echo_repeats_the_prompt_and_counts_only_the_rest(complete: Ask) -> None:
    answer = await complete("Once upon", echo=True, max_tokens=1)
    assert answer["choices"][0]["text"] == "Once upon and"
    assert answer["usage"]["completion_tokens"] == 1
    assert (await complete("Once upon", echo=True, max_tokens=0))["choices"][0]["text"] == "Once upon"


async def test_log_probabilities_say_where_each_token_begins(complete: Ask) -> None:
    answer = await complete("Once", echo=True, logprobs=3, max_tokens=3)
    logprobs = answer["choices"][0]["logprobs"]
    assert logprobs["tokens"] == [" and", " that", " is"]
    assert logprobs["text_offset"] == [4, 8, 13]
    assert [len(row) for row in logprobs["top_logprobs"]] == [3, 3, 3]
    assert all(row[token] == value for row, token, value in zip(
        logprobs["top_logprobs"], logprobs["tokens"], logprobs["token_logprobs"], strict=True
    ))  # fmt: skip


async def test_a_stream_says_exactly_what_the_plain_answer_says(complete: Ask, chunks: Chunks) -> None:
    plain = await complete("Once upon", echo=True, logprobs=1)
    options = {"include_usage": True}
    streamed = await chunks(PATH, model="demo", prompt="Once upon", echo=True, logprobs=1, stream_options=options)
    assert "".join(c["choices"][0]["text"] for c in streamed[:-1]) == plain["choices"][0]["text"]
    words = [c["choices"][0] for c in streamed[1:-2]]
    assert len(words) == streamed[-1]["usage"]["completion_tokens"] == plain["usage"]["completion_tokens"]
    offsets = [offset for choice in words for offset in choice["logprobs"]["text_offset"]]
    assert offsets == plain["choices"][0]["logprobs"]["text_offset"]
    assert streamed[-2]["choices"][0]["finish_reason"] == "stop"
    assert streamed[-1]["choices"] == []
    assert len({(c["id"], c["created"], c["object"]) for c in streamed}) == 1


@pytest.mark.parametrize("prompt", [None, 5, [], ["a", "b"], [1, 2]])
async def test_any_other_prompt_is_400(complete: Ask, prompt: object) -> None:
    answer = await complete(prompt)
    assert answer["status"] == 400
    assert answer["error"]["param"].startswith("prompt")
