"""The official OpenAI SDK against the demo backend."""

import json
from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from gateway.demo import run_demo


@pytest.fixture
async def client() -> AsyncIterator[AsyncOpenAI]:
    """The SDK, pointed at a demo backend."""
    async with run_demo(pace_s=0) as base, AsyncOpenAI(base_url=str(base), api_key="any", max_retries=0) as sdk:
        yield sdk


async def test_models(client: AsyncOpenAI) -> None:
    assert "demo" in [model.id async for model in client.models.list()]
    assert (await client.models.retrieve("demo-vision")).owned_by == "demo"


async def test_chat(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "2+2"}])
    assert (answer.choices[0].message.content or "").startswith("2+2 = 4.")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_streamed_chat(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": "hi"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    words = [chunk.choices[0].delta.content for chunk in chunks[:-1] if chunk.choices[0].delta.content]
    assert "".join(words).startswith("Hello! I am demo")
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(words)


async def test_tools_in_a_stream(client: AsyncOpenAI) -> None:
    parameters: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    async with client.chat.completions.stream(
        model="demo",
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}],
    ) as stream:
        answer = await stream.get_final_completion()
    assert answer.choices[0].finish_reason == "tool_calls"
    call = (answer.choices[0].message.tool_calls or [])[0]
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}


class Person(BaseModel):
    """What the SDK turns into a JSON schema."""

    name: str
    age: int
    nickname: str | None
    friends: list["Person"]


async def test_structured_answers_parse(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.parse(
        model="demo", messages=[{"role": "user", "content": "Alice is 22"}], response_format=Person
    )
    person = answer.choices[0].message.parsed
    assert person is not None
    assert (person.name, person.age) == ("Alice", 22)


async def test_completions(client: AsyncOpenAI) -> None:
    answer = await client.completions.create(model="demo", prompt="2 + 2 =")
    assert answer.choices[0].text == " 4"
    stream = await client.completions.create(model="demo", prompt="Once", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]).endswith("into the text.")


async def test_embeddings(client: AsyncOpenAI) -> None:
    answer = await client.embeddings.create(model="demo-embed", input=["a", "b"], dimensions=16)
    assert [len(row.embedding) for row in answer.data] == [16, 16]


async def test_errors_have_the_type_the_sdk_promises(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        await client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "hi"}])
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        await client.embeddings.create(model="demo", input="hi")
    assert wrong.value.param == "model"
