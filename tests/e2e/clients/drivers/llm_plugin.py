"""llm-ollama, the plugin of `llm`: it finds the server in OLLAMA_HOST and lists its models."""

from importlib import import_module
from typing import Any

from tests.e2e.clients.drivers.conversation import MODEL, PERSON, QUESTION, SOMEBODY, get_weather, hold, told

# Not in the environment of the type checker.
llm: Any = import_module("llm")
[model] = [model for model in llm.get_models() if model.model_id.removesuffix(":latest") == f"ollama/{MODEL}"]


def talk(stream: bool) -> dict[str, Any]:
    """The conversation, which the library leads itself."""
    calls: list[list[Any]] = []

    def note(_tool: Any, call: Any, _result: Any) -> None:
        calls.append([call.name, call.arguments])

    chain = model.chain(QUESTION, tools=[get_weather], stream=stream, after_call=note)
    return told(calls, "".join(chain))


def structured() -> dict[str, Any]:
    """A person by its schema."""
    text: str = model.prompt(SOMEBODY, schema=PERSON).text()
    return {"schema": text}


if __name__ == "__main__":
    hold(talk, structured=structured)
