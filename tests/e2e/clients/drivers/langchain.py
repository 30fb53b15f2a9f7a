"""langchain-ollama: ChatOllama with a tool, and with structured output in each of its three ways."""

import sys
from importlib import import_module
from typing import Any

from tests.e2e.clients.drivers.conversation import MODEL, PERSON, QUESTION, SOMEBODY, TOOL, get_weather, hold, told

# Not in the environment of the type checker.
langchain_ollama: Any = import_module("langchain_ollama")
messages: Any = import_module("langchain_core.messages")
model: Any = langchain_ollama.ChatOllama(model=MODEL, base_url=sys.argv[1], validate_model_on_init=True)


def ask(asked: Any, said: list[Any], *, stream: bool) -> Any:
    """One answer, put together from its parts where it streams."""
    if not stream:
        return asked.invoke(said)
    first, *others = asked.stream(said)
    for part in others:
        first += part
    return first


def talk(stream: bool) -> dict[str, Any]:
    """The conversation."""
    asked = model.bind_tools([TOOL])
    said: list[Any] = [messages.HumanMessage(QUESTION)]
    first = ask(asked, said, stream=stream)
    said.append(first)
    said += [messages.ToolMessage(get_weather(**call["args"]), tool_call_id=call["id"]) for call in first.tool_calls]
    calls = [[call["name"], call["args"]] for call in first.tool_calls]
    return told(calls, ask(asked, said, stream=stream).content)


def structured() -> dict[str, Any]:
    """The same person by each method."""
    return {
        method: model.with_structured_output(PERSON, method=method).invoke(SOMEBODY)
        for method in ("json_schema", "function_calling")
    } | {"json_mode": model.with_structured_output(None, method="json_mode").invoke(SOMEBODY)}


if __name__ == "__main__":
    hold(talk, structured=structured)
