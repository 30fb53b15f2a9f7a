"""langchain-ollama: ChatOllama and OllamaLLM."""

import sys
from importlib import import_module
from typing import Any

from tests.golden.drivers.frame import Case, Heard, Result, drive

# Not in the environment of the type checker.
langchain_ollama: Any = import_module("langchain_ollama")
messages_of_langchain: Any = import_module("langchain_core.messages")
ollama: Any = import_module("ollama")
URL = sys.argv[1]


def told(messages: list[dict[str, Any]]) -> list[Any]:
    """A conversation in langchain's classes, which want an id for every call."""
    found: list[Any] = []
    waiting: list[str] = []
    for number, message in enumerate(messages):
        if message["role"] == "assistant":
            ids = [f"lc_{number}_{place}" for place in range(len(message["tool_calls"]))]
            calls = [
                {"name": call["function"]["name"], "args": call["function"]["arguments"], "id": call_id}
                for call, call_id in zip(message["tool_calls"], ids, strict=True)
            ]
            waiting += ids
            found.append(messages_of_langchain.AIMessage(message["content"], tool_calls=calls))
        elif message["role"] == "tool":
            found.append(messages_of_langchain.ToolMessage(message["content"], tool_call_id=waiting.pop(0)))
        else:
            found.append(messages_of_langchain.HumanMessage(message["content"]))
    return found


def chat(case: Case) -> Result:
    """Ask ChatOllama, which streams even where it answers whole."""
    model = langchain_ollama.ChatOllama(model=case["model"], base_url=URL, reasoning=case.get("think"))
    asked: Any = model.bind_tools(case["tools"]) if "tools" in case else model
    heard = Heard()
    whole: Any = None
    try:
        for part in asked.stream(told(case["messages"])) if case["stream"] else [asked.invoke(told(case["messages"]))]:
            heard.text += part.content
            whole = part if whole is None else whole + part
    except ollama.ResponseError as error:
        heard.refuse(error)
    if whole is not None:
        heard.thinking = whole.additional_kwargs.get("reasoning_content", "")
        heard.calls = [[call["name"], call["args"]] for call in whole.tool_calls]
        usage = whole.usage_metadata
        heard.tokens = [usage["input_tokens"], usage["output_tokens"]] if usage else None
        heard.reason = whole.response_metadata.get("done_reason")
    return heard.result


def generate(case: Case) -> Result:
    """Ask OllamaLLM, which gives text and nothing else."""
    model = langchain_ollama.OllamaLLM(model=case["model"], base_url=URL)
    heard = Heard()
    try:
        for part in model.stream(case["prompt"]) if case["stream"] else [model.invoke(case["prompt"])]:
            heard.text += part
    except ollama.ResponseError as error:
        heard.refuse(error)
    return {"text": heard.text, "error": heard.error, "status": heard.status}


def tags(_case: Case) -> Result:
    """Raises for a model that it does not find in the list."""
    langchain_ollama.ChatOllama(model="no-usage", base_url=URL, validate_model_on_init=True)
    return {}


if __name__ == "__main__":
    drive({"chat": chat, "generate": generate, "tags": tags})
