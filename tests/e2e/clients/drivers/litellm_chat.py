"""LiteLLM with its provider `ollama_chat`."""

import json
import sys
from importlib import import_module
from typing import Any

from tests.e2e.clients.drivers.conversation import MODEL, QUESTION, TOOL, get_weather, hold, told

# Not in the environment of the type checker.
litellm: Any = import_module("litellm")


def ask(said: list[Any], *, stream: bool) -> Any:
    """The message of one answer."""
    model = f"ollama_chat/{MODEL}"
    answer = litellm.completion(model=model, api_base=sys.argv[1], messages=said, tools=[TOOL], stream=stream)
    whole = litellm.stream_chunk_builder(list(answer), messages=said) if stream else answer
    return whole.choices[0].message


def talk(stream: bool) -> dict[str, Any]:
    """The conversation."""
    said: list[Any] = [{"role": "user", "content": QUESTION}]
    first = ask(said, stream=stream)
    said.append(first.model_dump())
    calls = []
    for call in first.tool_calls or []:
        arguments = json.loads(call.function.arguments)
        calls.append([call.function.name, arguments])
        said.append({"role": "tool", "tool_call_id": call.id, "content": get_weather(**arguments)})
    return told(calls, ask(said, stream=stream).content)


if __name__ == "__main__":
    hold(talk)
