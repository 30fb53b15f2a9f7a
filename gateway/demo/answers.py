"""What the demo models say: plain sentences about what they were sent, the same for the same request."""

import json
import re
from collections.abc import Iterable

from gateway.demo.arithmetic import solve
from gateway.demo.instances import instance_of
from gateway.demo.requests import ChatRequest
from gateway.demo.tools import results_told
from gateway.demo.words import Supply

_GREETING = re.compile(
    r"\W*(?:hi|hiya|hello|hey|howdy|greetings|good (?:morning|afternoon|evening)|hallo|hola|bonjour)\b", re.IGNORECASE
)
_QUOTE_CHARACTERS = 200
_THOUGHTS_BY_EFFORT = {"minimal": 1, "low": 1, "medium": 2}


def answer(request: ChatRequest, pictures: Iterable[str] = ()) -> str:
    """The answer in the format that was asked for; `pictures` are descriptions of images."""
    wanted = request.response_format
    seen = [f"Image {number} is {picture}." for number, picture in enumerate(pictures, start=1)]
    if wanted is None or wanted.type == "text":
        return " ".join([*seen, *_sentences(request)])
    if wanted.json_schema is not None:
        supply = Supply(request.user_text)
        value = instance_of(wanted.json_schema.definition, supply, param="response_format.json_schema.schema")
    else:
        said = " ".join([*seen, _reaction(request)])
        value = {"answer": said, "messages": len(request.messages), "words": _word_count(request)}
    return json.dumps(value, ensure_ascii=False)


def thoughts(request: ChatRequest) -> str:
    """What the thinking model thinks first; nothing when thinking is off, less when the effort is low."""
    if request.reasoning_effort == "none" or (request.chat_template_kwargs or {}).get("enable_thinking") is False:
        return ""
    steps = [
        f"The user says {_quoted(request.user_text)}." if request.user_text else "The user says nothing.",
        f"That makes {_amount(len(request.messages), 'message')} so far.",
        "I will answer with what I can see in the request.",
    ]
    return " ".join(steps[: _THOUGHTS_BY_EFFORT.get(request.reasoning_effort or "high", len(steps))])


def _sentences(request: ChatRequest) -> list[str]:
    sentences = [
        _reaction(request),
        f"I received {_amount(len(request.messages), 'message')} with {_amount(_word_count(request), 'word')}.",
    ]
    if request.system_text:
        sentences.append(f"My system prompt is {_quoted(request.system_text)}.")
    if request.functions:
        sentences.append(f"I was offered these tools: {', '.join(function.name for function in request.functions)}.")
    return sentences


def _reaction(request: ChatRequest) -> str:
    """To the results of tools, to a greeting, to a sum, to a question or to anything else."""
    told = results_told(request)
    if told:
        return told
    text = request.user_text.strip()
    greeting = _GREETING.match(text)
    if greeting and len(text.split()) <= 4:
        return f"Hello! I am {request.model}, a small demo model without any real knowledge."
    result = solve(text)
    if result:
        return f"{result}."
    hello = "Hello! " if greeting else ""
    if text.endswith("?"):
        return f"{hello}You asked {_quoted(text)}, and as a demo model I can only repeat the question."
    return f"{hello}You said {_quoted(text)}." if text else "You said nothing."


def _quoted(text: str) -> str:
    flat = " ".join(text.split())
    return f'"{flat if len(flat) <= _QUOTE_CHARACTERS else flat[: _QUOTE_CHARACTERS - 3] + "..."}"'


def _amount(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _word_count(request: ChatRequest) -> int:
    return sum(len(text.split()) for text in request.texts)
