"""Chat and generate."""

import asyncio
import json
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

from tests.e2e.both_kinds import answered, first_of, streamed
from tests.e2e.ollama_sdk.case import Recorder, case

SUM: list[Any] = [{"role": "user", "content": "2+2"}]
ANSWER = "2+2 = 4. I received 1 message with 1 word."
WEATHER: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
GET_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Name of the city"}},
            "required": ["city"],
        },
    },
}
PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
PERSON["required"] = ["name", "age"]


def png(width: int, height: int) -> bytes:
    """A black picture."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(height * (width + 1)))
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", head) + block(b"IDAT", rows) + block(b"IEND", b"")


def check_end(last: Any, reason: str = "stop") -> None:
    """The end of an answer: why it ended, what it cost."""
    assert last["done"] is True
    assert last["done_reason"] == reason
    counts = [last["prompt_eval_count"], last["eval_count"]]
    times = [last["total_duration"], last["prompt_eval_duration"], last["eval_duration"]]
    assert all(type(count) is int and count > 0 for count in counts), counts
    assert all(type(time_ns) is int and time_ns >= 0 for time_ns in times), times


def check_stream(parts: list[Any], reason: str = "stop") -> None:
    """One end, at the end, and the counts nowhere else."""
    assert len(parts) > 2
    assert not any(part["done"] for part in parts[:-1])
    assert all(part.get("eval_count") is None for part in parts[:-1])
    check_end(parts[-1], reason)


def said(parts: list[Any]) -> str:
    """What a chat's parts say together."""
    return "".join(part["message"]["content"] or "" for part in parts)


@case()
async def chat_answers(sdk: Recorder) -> None:
    reply = await answered(sdk.chat(model="demo", messages=SUM))
    assert reply["model"] == "demo"
    assert reply["created_at"]
    assert reply["message"]["role"] == "assistant"
    assert reply["message"]["content"] == ANSWER
    check_end(reply)


@case()
async def chat_streams(sdk: Recorder) -> None:
    parts = await streamed(sdk.chat(model="demo", messages=SUM, stream=True))
    check_stream(parts)
    assert said(parts) == ANSWER
    assert {part["message"]["role"] for part in parts} == {"assistant"}


@case()
async def chat_takes_every_role(sdk: Recorder) -> None:
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1+1"},
        {"role": "assistant", "content": "2"},
        *SUM,
    ]
    content = (await answered(sdk.chat(model="demo:latest", messages=talk)))["message"]["content"]
    assert content.startswith("2+2 = 4. I received 4 messages")
    assert 'My system prompt is "Be brief."' in content


@case()
async def chat_takes_options(sdk: Recorder) -> None:
    options = {"num_predict": 3, "temperature": 0.1, "seed": 7, "num_ctx": 2048, "top_k": 40}
    reply = await answered(sdk.chat(model="demo", messages=SUM, options=options, keep_alive="5m"))
    assert ANSWER.startswith(reply["message"]["content"])
    assert reply["eval_count"] == 3
    check_end(reply, "length")
    parts = await streamed(sdk.chat(model="demo", messages=SUM, options={"stop": [" I"]}, stream=True))
    check_stream(parts)
    assert said(parts).strip() == "2+2 = 4."


@case()
async def chat_calls_tools(sdk: Recorder) -> None:
    first = await answered(sdk.chat(model="demo", messages=WEATHER, tools=[GET_WEATHER]))
    [call] = first["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert call["function"]["arguments"] == {"city": "Paris"}
    check_end(first)
    result = {"role": "tool", "content": '{"sky": "clear"}'}
    second = await answered(sdk.chat(model="demo", messages=[*WEATHER, first["message"], result], tools=[GET_WEATHER]))
    assert second["message"]["content"].startswith("get_weather says: sky: clear.")
    assert not second["message"].get("tool_calls")


@case()
async def chat_streams_tool_calls(sdk: Recorder) -> None:
    parts = await streamed(sdk.chat(model="demo", messages=WEATHER, tools=[GET_WEATHER], stream=True))
    check_end(parts[-1])
    [message] = [part["message"] for part in parts if part["message"].get("tool_calls")]
    assert message["tool_calls"][0]["function"]["arguments"] == {"city": "Paris"}
    result = {"role": "tool", "content": "clear", "tool_name": "get_weather"}
    talk = [*WEATHER, message, result]
    second = await streamed(sdk.chat(model="demo", messages=talk, tools=[GET_WEATHER], stream=True))
    check_stream(second)
    assert said(second).startswith("get_weather says: clear.")


@case("function tools")
async def chat_calls_python_functions(sdk: Recorder) -> None:
    def add_two_numbers(first: int, second: int) -> int:
        """Add two numbers.

        Args:
            first: the first number
            second: the second number
        """
        return first + second

    messages = [{"role": "user", "content": "What is 3 plus 4?"}]
    reply = await answered(sdk.chat(model="demo", messages=messages, tools=[add_two_numbers]))
    [call] = reply["message"]["tool_calls"]
    assert add_two_numbers(**call["function"]["arguments"]) == 7


@case()
async def chat_sees_images(sdk: Recorder) -> None:
    messages = [{"role": "user", "content": "What is this?", "images": [png(3, 2), png(5, 4)]}]
    reply = await answered(sdk.chat(model="demo-vision", messages=messages))
    assert "3 x 2 pixels" in reply["message"]["content"]
    assert "5 x 4 pixels" in reply["message"]["content"]


@case("think")
async def chat_thinks(sdk: Recorder) -> None:
    reply = await answered(sdk.chat(model="demo-thinking", messages=SUM, think=True))
    assert "The user says" in reply["message"]["thinking"]
    assert reply["message"]["content"] == ANSWER
    parts = await streamed(sdk.chat(model="demo-thinking", messages=SUM, think=True, stream=True))
    check_stream(parts)
    assert said(parts) == ANSWER
    thoughts = [part["message"].get("thinking") for part in parts]
    assert "".join(filter(None, thoughts)) == reply["message"]["thinking"]
    assert not any(thought and part["message"]["content"] for thought, part in zip(thoughts, parts, strict=True))


@case("think")
async def chat_thinks_as_much_as_asked(sdk: Recorder) -> None:
    silent = await answered(sdk.chat(model="demo-thinking", messages=SUM, think=False))
    assert not silent["message"].get("thinking")
    assert silent["message"]["content"] == ANSWER
    low = await answered(sdk.chat(model="demo-thinking", messages=SUM, think="low"))
    high = await answered(sdk.chat(model="demo-thinking", messages=SUM, think="high"))
    assert 0 < len(low["message"]["thinking"]) <= len(high["message"]["thinking"])


@case()
async def chat_answers_in_a_format(sdk: Recorder) -> None:
    messages = [{"role": "user", "content": "Alice is 22"}]
    free = await answered(sdk.chat(model="demo", messages=messages, format="json"))
    assert isinstance(json.loads(free["message"]["content"]), dict)
    parts = await streamed(sdk.chat(model="demo", messages=messages, format=PERSON, stream=True))
    assert json.loads(said(parts)) == {"name": "Alice", "age": 22}


@case("logprobs")
async def chat_gives_logprobs(sdk: Recorder) -> None:
    reply = await answered(sdk.chat(model="demo", messages=SUM, logprobs=True, top_logprobs=2))
    assert "".join(token["token"] for token in reply["logprobs"]) == ANSWER
    assert all(token["logprob"] <= 0 and len(token["top_logprobs"]) == 2 for token in reply["logprobs"])
    parts = await streamed(sdk.chat(model="demo", messages=SUM, logprobs=True, stream=True))
    assert "".join(token["token"] for part in parts for token in part.get("logprobs") or []) == ANSWER


@case()
async def chat_loads_and_unloads(sdk: Recorder) -> None:
    for keep_alive, reason in ((None, "load"), (0, "unload")):
        reply = await answered(sdk.chat(model="demo", messages=[], keep_alive=keep_alive))
        assert (reply["done"], reply["done_reason"]) == (True, reason)


@case()
async def a_stream_can_be_left(sdk: Recorder) -> None:
    part = await first_of(sdk.chat(model="demo", messages=SUM, stream=True))
    assert part["done"] is False
    assert (await answered(sdk.chat(model="demo", messages=SUM)))["message"]["content"] == ANSWER


@case()
async def chats_run_side_by_side(sdk: Recorder) -> None:
    talks = [streamed(sdk.chat(model="demo", messages=SUM, stream=True)) for _ in range(4)]
    assert [said(parts) for parts in await asyncio.gather(*talks)] == [ANSWER] * 4


@case()
async def generate_answers(sdk: Recorder) -> None:
    reply = await answered(sdk.generate(model="demo", prompt="2+2", system="Be brief."))
    assert reply["model"] == "demo"
    assert reply["response"].startswith("2+2 = 4.")
    assert 'My system prompt is "Be brief."' in reply["response"]
    check_end(reply)


@case()
async def generate_streams(sdk: Recorder) -> None:
    parts = await streamed(sdk.generate(model="demo", prompt="2+2", stream=True))
    check_stream(parts)
    assert "".join(part["response"] for part in parts) == ANSWER


@case()
async def generate_takes_options(sdk: Recorder) -> None:
    options = {"num_predict": 3, "temperature": 0, "stop": ["never said"]}
    parts = await streamed(sdk.generate(model="demo", prompt="2+2", options=options, keep_alive=60, stream=True))
    assert parts[-1]["eval_count"] == 3
    check_end(parts[-1], "length")


@case()
async def generate_sees_images(sdk: Recorder) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture.png")
        path.write_bytes(png(7, 6))
        reply = await answered(sdk.generate(model="demo-vision", prompt="What is this?", images=[str(path)]))
    assert "7 x 6 pixels" in reply["response"]


@case()
async def generate_fills_gaps(sdk: Recorder) -> None:
    code = await answered(sdk.generate(model="demo", prompt="def add(a, b):", suffix="\nprint(add(1, 2))"))
    assert "return a + b" in code["response"]
    check_end(code)
    parts = await streamed(sdk.generate(model="demo", prompt="Once", suffix="end", stream=True))
    check_stream(parts)
    assert "".join(part["response"] for part in parts) == ' leads from "Once" to "end" and so to '


@case()
async def generate_goes_on_with_raw_prompts(sdk: Recorder) -> None:
    reply = await answered(sdk.generate(model="demo", prompt="2 + 2 =", raw=True))
    assert reply["response"] == " 4"
    check_end(reply)
    parts = await streamed(sdk.generate(model="demo", prompt="Once upon", raw=True, stream=True))
    check_stream(parts)
    assert "".join(part["response"] for part in parts).endswith("2 words into the text.")


@case()
async def generate_answers_in_a_format(sdk: Recorder) -> None:
    reply = await answered(sdk.generate(model="demo", prompt="Alice is 22", format="json"))
    assert isinstance(json.loads(reply["response"]), dict)
    strict = await answered(sdk.generate(model="demo", prompt="Alice is 22", format=PERSON))
    assert json.loads(strict["response"]) == {"name": "Alice", "age": 22}


@case("think")
async def generate_thinks(sdk: Recorder) -> None:
    reply = await answered(sdk.generate(model="demo-thinking", prompt="2+2", think=True))
    assert "The user says" in reply["thinking"]
    assert reply["response"] == ANSWER
    parts = await streamed(sdk.generate(model="demo-thinking", prompt="2+2", think=True, stream=True))
    assert "".join(part.get("thinking") or "" for part in parts) == reply["thinking"]
    assert "".join(part.get("response") or "" for part in parts) == ANSWER


@case("logprobs")
async def generate_gives_logprobs(sdk: Recorder) -> None:
    reply = await answered(sdk.generate(model="demo", prompt="2+2", logprobs=True, top_logprobs=1))
    assert "".join(token["token"] for token in reply["logprobs"]) == ANSWER


@case()
async def generate_loads_and_unloads(sdk: Recorder) -> None:
    for keep_alive, reason in ((None, "load"), (0, "unload")):
        reply = await answered(sdk.generate(model="demo", prompt="", keep_alive=keep_alive))
        assert (reply["response"], reply["done"], reply["done_reason"]) == ("", True, reason)
