"""llama-index-llms-ollama."""

import sys
from importlib import import_module
from typing import Any

from tests.golden.drivers.frame import Case, Heard, Result, drive

# Not in the environment of the type checker.
llama_index: Any = import_module("llama_index.llms.ollama")
llms: Any = import_module("llama_index.core.base.llms.types")
ollama: Any = import_module("ollama")
URL = sys.argv[1]


def told(messages: list[dict[str, Any]]) -> list[Any]:
    """A conversation in llama-index's classes, which keep no ids of calls."""
    found = []
    for message in messages:
        blocks = [llms.TextBlock(text=message["content"])]
        for call in message.get("tool_calls", []):
            function = call["function"]
            blocks.append(llms.ToolCallBlock(tool_name=function["name"], tool_kwargs=function["arguments"]))
        found.append(llms.ChatMessage(role=message["role"], blocks=blocks))
    return found


def hear(part: Any, heard: Heard) -> None:
    """Take a part: each one has all that was said so far."""
    blocks = part.message.blocks
    heard.text = "".join(block.text for block in blocks if block.block_type == "text")
    heard.thinking = "".join(block.content for block in blocks if block.block_type == "thinking")
    heard.calls = [[block.tool_name, block.tool_kwargs] for block in blocks if block.block_type == "tool_call"]
    usage = part.raw.get("usage")
    heard.tokens = [usage["prompt_tokens"], usage["completion_tokens"]] if usage else None
    heard.reason = part.raw.get("done_reason")


def chat(case: Case) -> Result:
    """Ask; the context length comes from /api/show first."""
    model = llama_index.Ollama(model=case["model"], base_url=URL, thinking=case.get("think"))
    asked = {"tools": case["tools"]} if "tools" in case else {}
    heard = Heard()
    try:
        messages = told(case["messages"])
        answer = model.stream_chat(messages, **asked) if case["stream"] else [model.chat(messages, **asked)]
        for part in answer:
            hear(part, heard)
    except ollama.ResponseError as error:
        heard.refuse(error)
    return heard.result


def show(case: Case) -> Result:
    """The context length it finds."""
    return {"context": [llama_index.Ollama(model=case["model"], base_url=URL).get_context_window()]}


if __name__ == "__main__":
    drive({"chat": chat, "show": show})
