"""Tool calls: when, which, with what, and what becomes of their results."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

type Json = dict[str, Any]
type Ask = Callable[..., Awaitable[Json]]
type Chunks = Callable[..., Awaitable[list[Json]]]


def tool(name: str, description: str = "", **properties: Json) -> Json:
    """A declared tool whose properties are all required."""
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
WEATHER = tool("get_weather", "Looks up the forecast for a place", city=TEXT)
CLOCK = tool("get_time", "Tells the hour", city=TEXT)
ADD = tool("add_two_numbers", "Add two numbers", a=WHOLE, b=WHOLE)


def calls(answer: Json) -> list[tuple[str, Json]]:
    """Names and arguments of the calls in an answer; its finish and content must fit."""
    choice = answer["choices"][0]
    found = choice["message"].get("tool_calls", [])
    assert choice["finish_reason"] == ("tool_calls" if found else "stop")
    assert (choice["message"]["content"] is None) == bool(found)
    return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the weather in Paris?", ("get_weather", {"city": "Paris"})),
        ("In New York, how is the weather?", ("get_weather", {"city": "New York"})),
        ("The forecast for Lima, please", ("get_weather", {"city": "Lima"})),
        ("weather in paris", ("get_weather", {"city": "paris"})),
        ('call get_time with "Tokyo"', ("get_time", {"city": "Tokyo"})),
        ("What is three plus one?", ("add_two_numbers", {"a": 3, "b": 1})),
        ("10 + 15 = ?", ("add_two_numbers", {"a": 10, "b": 15})),
    ],
)
async def test_the_tool_that_fits_is_called_with_what_the_text_says(
    chat: Ask, text: str, expected: tuple[str, Json]
) -> None:
    assert calls(await chat(text, tools=[ADD, CLOCK, WEATHER])) == [expected]


async def test_no_tool_is_called_without_a_reason_and_the_offer_is_listed(chat: Ask) -> None:
    answer = await chat("hi", tools=[WEATHER, CLOCK])
    assert calls(answer) == []
    assert "tools: get_weather, get_time." in answer["choices"][0]["message"]["content"]


async def test_two_tools_are_called_when_the_text_asks_for_both(chat: Ask) -> None:
    text = "What is the weather in Paris and the time in Tokyo?"
    both = await chat(text, tools=[WEATHER, CLOCK])
    assert calls(both) == [("get_weather", {"city": "Paris"}), ("get_time", {"city": "Tokyo"})]
    assert len({call["id"] for call in both["choices"][0]["message"]["tool_calls"]}) == 2
    assert len(calls(await chat(text, tools=[WEATHER, CLOCK], parallel_tool_calls=False))) == 1


async def test_tool_choice_is_obeyed(chat: Ask) -> None:
    named = {"type": "function", "function": {"name": "get_time"}}
    assert calls(await chat("weather in Paris", tools=[WEATHER, CLOCK], tool_choice="none")) == []
    assert calls(await chat("hi", tools=[WEATHER, CLOCK], tool_choice="required")) == [
        ("get_weather", {"city": "city"})
    ]
    forced = await chat("weather in Paris", tools=[WEATHER, CLOCK], tool_choice=named)
    assert calls(forced) == [("get_time", {"city": "Paris"})]


async def test_an_enum_takes_the_value_that_is_mentioned_or_the_first(chat: Ask) -> None:
    unit = {"type": "string", "enum": ["celsius", "fahrenheit"]}
    weather = tool("get_weather", city=TEXT, unit=unit)
    assert calls(await chat("weather in Rome", tools=[weather]))[0][1] == {"city": "Rome", "unit": "celsius"}
    assert calls(await chat("weather in Rome in Fahrenheit", tools=[weather]))[0][1]["unit"] == "fahrenheit"


async def test_only_required_arguments_are_filled(chat: Ask) -> None:
    weather = tool("get_weather", city=TEXT)
    weather["function"]["parameters"]["properties"]["days"] = WHOLE
    assert calls(await chat("weather in Rome", tools=[weather])) == [("get_weather", {"city": "Rome"})]


async def test_a_tool_without_parameters_is_called_with_an_empty_object(chat: Ask) -> None:
    ping = {"type": "function", "function": {"name": "ping"}}
    assert calls(await chat("ping", tools=[ping])) == [("ping", {})]


async def test_a_streamed_call_is_split_into_its_name_and_argument_pieces(chunks: Chunks) -> None:
    messages = [{"role": "user", "content": "weather in New York"}]
    options = {"include_usage": True}
    streamed = await chunks(
        "/v1/chat/completions", model="demo", messages=messages, tools=[WEATHER], stream_options=options
    )
    pieces = [c["choices"][0]["delta"]["tool_calls"][0] for c in streamed[1:-2]]
    assert pieces[0]["function"] == {"name": "get_weather", "arguments": ""}
    assert pieces[0]["id"].startswith("call_")
    assert all("id" not in piece and "name" not in piece["function"] for piece in pieces[1:])
    assert json.loads("".join(piece["function"]["arguments"] for piece in pieces)) == {"city": "New York"}
    assert len(pieces) > 3
    assert streamed[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert streamed[-1]["usage"]["completion_tokens"] == len(pieces)


async def test_the_thinking_model_thinks_before_it_calls(chat: Ask) -> None:
    answer = await chat("weather in Rome", model="demo-thinking", tools=[WEATHER])
    assert calls(answer) == [("get_weather", {"city": "Rome"})]
    assert answer["choices"][0]["message"]["reasoning_content"]


async def test_results_are_told_and_no_tool_is_called_again(chat: Ask) -> None:
    asked = await chat("weather in Paris and the time in Tokyo", tools=[WEATHER, CLOCK])
    message = asked["choices"][0]["message"]
    ids = [call["id"] for call in message["tool_calls"]]
    conversation = [
        {"role": "user", "content": "weather in Paris and the time in Tokyo"},
        message,
        {"role": "tool", "tool_call_id": ids[0], "content": '{"sky": "clear", "degrees": 22}'},
        {"role": "tool", "tool_call_id": ids[1], "content": "Nine o'clock."},
    ]
    answer = await chat(conversation, tools=[WEATHER, CLOCK], tool_choice="auto")
    assert calls(answer) == []
    content = answer["choices"][0]["message"]["content"]
    assert content.startswith("get_weather says: sky: clear, degrees: 22. get_time says: Nine o'clock.")


async def test_arguments_of_earlier_calls_must_be_text(chat: Ask) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "ping", "arguments": {}}}
    answer = await chat([{"role": "assistant", "tool_calls": [call]}])
    assert (answer["status"], answer["error"]["param"]) == (400, "messages[0].tool_calls[0].function.arguments")
