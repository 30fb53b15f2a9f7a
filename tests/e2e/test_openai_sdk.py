"""The official `openai` Python SDK against `/v1`, synchronous and asynchronous."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import openai
import pytest

from tests.e2e.both_kinds import answered, first_of, streamed

pytestmark = pytest.mark.e2e

SUM: list[Any] = [{"role": "user", "content": "2+2"}]
ANSWER = "2+2 = 4. I received 1 message with 1 word."
WEATHER: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
GET_WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}


@pytest.fixture(params=[openai.OpenAI, openai.AsyncOpenAI], ids=["sync", "async"])
async def client(request: pytest.FixtureRequest, gateway_url: str) -> AsyncIterator[Any]:
    """A client of each kind."""
    client = request.param(base_url=f"{gateway_url}/v1", api_key="any", max_retries=0)
    yield client
    await answered(client.close())


def content(chunks: list[Any]) -> str:
    """What the chunks of a chat say together."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


async def test_chat_answers(client: Any) -> None:
    answer = await answered(client.chat.completions.create(model="demo", messages=SUM))
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content == ANSWER
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_chat_streams_without_usage_nobody_asked_for(client: Any) -> None:
    chunks = await streamed(client.chat.completions.create(model="demo", messages=SUM, stream=True))
    assert content(chunks) == ANSWER
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


async def test_chat_streams_with_usage_when_asked(client: Any) -> None:
    options = {"include_usage": True}
    call = client.chat.completions.create(model="demo", messages=SUM, stream=True, stream_options=options)
    chunks = await streamed(call)
    assert content(chunks) == ANSWER
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_a_stream_can_be_left(client: Any) -> None:
    stream = await answered(client.chat.completions.create(model="demo", messages=SUM, stream=True))
    assert (await first_of(aiter(stream) if hasattr(stream, "__aiter__") else iter(stream))).choices
    await answered(stream.close())
    answer = await answered(client.chat.completions.create(model="demo", messages=SUM))
    assert answer.choices[0].message.content == ANSWER


async def test_tools_are_called_and_their_results_told(client: Any) -> None:
    first = await answered(client.chat.completions.create(model="demo", messages=WEATHER, tools=[GET_WEATHER]))
    assert first.choices[0].finish_reason == "tool_calls"
    [call] = first.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"sky": "clear"}'}
    messages = [*WEATHER, first.choices[0].message, result]
    second = await answered(client.chat.completions.create(model="demo", messages=messages, tools=[GET_WEATHER]))
    assert second.choices[0].message.content.startswith("get_weather says: sky: clear.")


async def test_tool_calls_stream(client: Any) -> None:
    call = client.chat.completions.create(model="demo", messages=WEATHER, tools=[GET_WEATHER], stream=True)
    chunks = await streamed(call)
    parts = [part for chunk in chunks for part in chunk.choices[0].delta.tool_calls or []]
    assert parts[0].id
    assert parts[0].function.name == "get_weather"
    assert json.loads("".join(part.function.arguments or "" for part in parts)) == {"city": "Paris"}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_completions(client: Any) -> None:
    whole = await answered(client.completions.create(model="demo", prompt="2 + 2 ="))
    assert whole.choices[0].text == " 4"
    chunks = await streamed(client.completions.create(model="demo", prompt="Once upon", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks).endswith("2 words into the text.")
    filled = await answered(client.completions.create(model="demo", prompt="def add(a, b):", suffix="\n"))
    assert "return a + b" in filled.choices[0].text


async def test_embeddings_as_the_sdk_asks_for_them_and_as_numbers(client: Any) -> None:
    encoded = await answered(client.embeddings.create(model="demo-embed", input=["sky", "grass"]))
    plain = await answered(
        client.embeddings.create(model="demo-embed", input=["sky", "grass"], encoding_format="float")
    )
    assert [row.index for row in encoded.data] == [0, 1]
    assert encoded.usage.prompt_tokens > 0
    for decoded, row in zip(encoded.data, plain.data, strict=True):
        assert decoded.embedding == pytest.approx(row.embedding, abs=1e-6)
        assert sum(number * number for number in row.embedding) == pytest.approx(1)


async def test_models(client: Any) -> None:
    ids = [model.id for model in (await answered(client.models.list())).data]
    assert sorted(ids) == ["demo", "demo-embed", "demo-thinking", "demo-vision"]
    model = await answered(client.models.retrieve("demo-vision"))
    assert (model.id, model.object) == ("demo-vision", "model")


async def test_an_unknown_model_is_not_found(client: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: client.chat.completions.create(model="nobody", messages=SUM),
        lambda: client.chat.completions.create(model="nobody", messages=SUM, stream=True),
        lambda: client.completions.create(model="nobody", prompt="hi"),
        lambda: client.embeddings.create(model="nobody", input="hi"),
        lambda: client.models.retrieve("nobody"),
    ]
    for call in calls:
        with pytest.raises(openai.NotFoundError, match="nobody") as error:
            await answered(call())
        assert isinstance(error.value.body, dict)
        assert error.value.body["message"]


async def test_what_is_wrong_is_a_bad_request(client: Any) -> None:
    wrong: Any = "not a list"
    calls: list[Callable[[], Any]] = [
        lambda: client.chat.completions.create(model="demo", messages=wrong),
        lambda: client.chat.completions.create(model="demo", messages=SUM, temperature=9),
        lambda: client.embeddings.create(model="demo", input="hi"),
    ]
    for call in calls:
        with pytest.raises(openai.BadRequestError) as error:
            await answered(call())
        assert isinstance(error.value.body, dict)
        assert error.value.body["message"]
