"""The conversation that every client holds. Only the standard library is imported: each runs in its own environment."""

import json
import sys
from collections.abc import Callable
from typing import Any

MODEL = "demo"
QUESTION = "What is the weather in Paris?"
WEATHER = '{"sky": "clear"}'
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Name of the city"}},
    "required": ["city"],
}
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather in a city", "parameters": PARAMETERS},
}
PERSON = {
    "type": "object",
    "title": "Person",
    "description": "Somebody",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
SOMEBODY = "Make a person of this: Alice is 22"


def get_weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: Name of the city.
    """
    return WEATHER if city == "Paris" else "there is no such city"


def told(calls: list[list[Any]], answer: str) -> dict[str, Any]:
    """A conversation as it is printed."""
    return {"calls": calls, "answer": answer}


def hold(talk: Callable[[bool], dict[str, Any]], **more: Callable[[], Any]) -> None:
    """Hold the conversation streamed and whole, then whatever more the client can do, and print all of it."""
    conversations = {"streamed": talk(True), "whole": talk(False)}
    json.dump({**conversations, **{name: task() for name, task in more.items()}}, sys.stdout)
