"""Which declared tools the demo calls, with what arguments, and what it makes of their results."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.demo.instances import instance_of
from gateway.demo.problems import DemoError
from gateway.demo.requests import ChatRequest, Function, Message
from gateway.demo.words import Supply, significant

_SIGNS = {
    "+": {"add", "sum", "plus"},
    "-": {"subtract", "minus", "difference"},
    "*": {"multiply", "times", "product"},
    "/": {"divide", "quotient"},
}
_SIGN_WORDS = {"plus": "+", "minus": "-", "times": "*", "divided": "/"}


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a declared function; the arguments are JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class _Mention:
    function: Function
    by_name: set[str]
    by_description: set[str]

    @property
    def weight(self) -> int:
        return 10 * len(self.by_name) + len(self.by_description)


def choose_calls(request: ChatRequest) -> list[Call]:
    """The calls to answer with; none unless the user spoke last. 400 when `tool_choice` names an unknown tool."""
    chosen = request.tool_choice
    if chosen.name is not None and chosen.name not in {function.name for function in request.functions}:
        raise DemoError(f"tool_choice names '{chosen.name}', which is not among the tools.", param="tool_choice")
    if not request.tools or chosen.mode == "none" or request.messages[-1].role != "user":
        return []
    functions = [f for f in request.functions if chosen.name in {None, f.name}]
    mentioned = _asked_for([_mention(function, request.user_text) for function in functions])
    if chosen.mode == "required" and not mentioned:
        mentioned = functions[:1]
    if request.parallel_tool_calls is False:
        mentioned = mentioned[:1]
    return [_call(function, request.user_text) for function in mentioned]


def _mention(function: Function, text: str) -> _Mention:
    """The words of the function's name and description that the text uses; singular and plural are the same."""
    said = _stems(significant(text) | _sign_words(text))
    by_name = said & _stems(significant(function.name))
    if re.search(rf"(?<!\w){re.escape(function.name)}(?!\w)", text, re.IGNORECASE):
        by_name.add(function.name)
    return _Mention(
        function,
        by_name,
        said & {word for word in _stems(significant(function.description or "")) if len(word) > 3},
    )


def _asked_for(mentions: list[_Mention]) -> list[Function]:
    """The best match, and every other tool whose name is mentioned in words that no better match has used up."""
    ranked = sorted((mention for mention in mentions if mention.weight), key=lambda mention: -mention.weight)
    if not ranked:
        return []
    chosen = [ranked[0].function]
    used = ranked[0].by_name | ranked[0].by_description
    for mention in ranked[1:]:
        if mention.by_name - used:
            chosen.append(mention.function)
            used |= mention.by_name
    return chosen


def _call(function: Function, text: str) -> Call:
    words = significant(function.name)
    folded = text.casefold()
    start = min((folded.find(word) for word in words if word in folded), default=0)
    supply = Supply(text, skip=words | {function.name}, start=start)
    schema = {"type": "object", **(function.parameters or {})}
    arguments = instance_of(schema, supply, param="tools")
    return Call(function.name, json.dumps(arguments, ensure_ascii=False))


def _stems(words: set[str]) -> set[str]:
    return {word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words}


def _sign_words(text: str) -> set[str]:
    """`10 + 10` and `three plus one` ask for a tool that adds."""
    signs = {_SIGN_WORDS.get(word, word) for word in text.casefold().split()}
    if any(character.isdigit() for character in text):
        signs |= {sign for sign in "+*/" if sign in text}
    return {word for sign in signs for word in _SIGNS.get(sign, ())}


def results_told(request: ChatRequest) -> str | None:
    """The results of the tools in words; None when the conversation does not end with results."""
    names = {call.id: call.function.name for message in request.messages for call in message.tool_calls or []}
    results: list[Message] = []
    for message in reversed(request.messages):
        if message.role != "tool":
            break
        results.insert(0, message)
    told = [f"{names.get(result.tool_call_id or '', 'The tool')} says: {_told(result.text)}." for result in results]
    return " ".join(told) or None


def _told(result: str) -> str:
    """A JSON object as `key: value` pairs, anything else as it is."""
    try:
        value: Any = json.loads(result)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, Mapping) and value:
        return ", ".join(f"{key}: {item if isinstance(item, str) else json.dumps(item)}" for key, item in value.items())
    return result.strip().rstrip(".") or "nothing"
