"""What a model that chats is asked: one tiny request each, and what its answer proves."""

import json
from typing import Any

from gateway.codecs.tolerance import read_object
from gateway.doctor.line import Reply
from gateway.doctor.patient import MORE_ROOM, ROOM, Patient
from gateway.doctor.picture import COLOUR, WIDTH, picture_url
from gateway.doctor.results import Result, no, partly, unknown, yes
from gateway.errors import TranslationError

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "The weather in a city.", "parameters": CITY}
TIME = {"name": "get_time", "description": "The time of day in a city.", "parameters": CITY}
TOOLS = [{"type": "function", "function": function} for function in (WEATHER, TIME)]

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"lamp": {"type": "string", "enum": ["stop", "go"]}, "lit": {"type": "boolean"}},
    "required": ["lamp", "lit"],
    "additionalProperties": False,
}
"""Short under any grammar, and nothing that a model answers without having seen it."""


async def ask_plain(patient: Patient) -> Result:
    """Ask in one piece."""
    reply = await patient.chat()
    took_ms = round(reply.elapsed_s * 1000)
    used = reply.usage.completion_tokens if reply.usage is not None else None
    if reply.streamed:
        return partly("answered as a stream", value=took_ms, unit="ms")
    if not (reply.text or reply.thinking or reply.calls):
        return partly("an empty answer", value=took_ms, unit="ms")
    if used is not None and used > ROOM:
        return partly(f"used {used} tokens where {ROOM} were allowed", value=took_ms, unit="ms")
    return yes("" if reply.usage is not None else "without usage", value=took_ms, unit="ms")


async def ask_stream(patient: Patient) -> Result:
    """Ask for a stream; the value is the time to the first token."""
    reply = await patient.chat({"stream": True})
    if not reply.streamed:
        return no("answered in one piece")
    odd = [] if reply.body.rstrip().endswith(b"[DONE]") else ["without [DONE]"]
    if reply.usage is not None:
        odd.append("usage comes unasked")
    return yes(", ".join(odd), value=round(reply.first_s * 1000), unit="ms")


async def ask_usage(patient: Patient) -> Result:
    """Ask for a stream with its usage."""
    reply = await patient.chat({"stream": True, "stream_options": {"include_usage": True}})
    if not reply.streamed:
        return unknown("answered in one piece")
    usage = reply.usage
    if usage is None:
        return no("accepted, but no usage comes")
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return partly("only one of the two counts comes")
    return yes()


async def ask_tools(patient: Patient) -> Result:
    """Offer tools where one is wanted; where the model answers in words, demand a call."""
    question = "What is the weather in Paris? Use the tool get_weather."
    reply = await patient.chat({"tools": TOOLS}, content=question, room=MORE_ROOM)
    if reply.calls:
        return _judged(reply)
    if reply.was_cut:
        return unknown("cut before a call")
    reply = await patient.chat({"tools": TOOLS, "tool_choice": "required"}, content=question, room=MORE_ROOM)
    if reply.calls:
        judged = _judged(reply)
        return partly("calls only where a call is required") if judged.detail == "" else judged
    return unknown("cut before a call") if reply.was_cut else no("accepted, but answered in words")


def _judged(reply: Reply) -> Result:
    for call in reply.calls:
        if call.name not in ("get_weather", "get_time"):
            return partly("called a tool that was not offered")
        try:
            arguments = json.loads(call.arguments)
        except ValueError:
            return partly("called with arguments that are not JSON")
        if not isinstance(arguments, dict) or not isinstance(arguments.get("city"), str):
            return partly("called with arguments that the schema does not allow")
    return yes()


async def ask_parallel_tools(patient: Patient) -> Result:
    """Ask for what two calls at once would answer."""
    question = "What is the weather in Paris, and what is the time in Rome? Call get_weather and get_time at once."
    reply = await patient.chat({"tools": TOOLS, "parallel_tool_calls": True}, content=question, room=2 * MORE_ROOM)
    if len(reply.calls) > 1:
        return yes()
    if reply.was_cut:
        return unknown("cut before a second call")
    return no("one call where two were asked for" if reply.calls else "answered in words")


async def ask_schema(patient: Patient) -> Result:
    """Ask for an answer of SCHEMA without telling the model of it."""
    form = {"type": "json_schema", "json_schema": {"name": "light", "strict": True, "schema": SCHEMA}}
    reply = await patient.chat({"response_format": form}, content="May I walk? The lamp is green.", room=MORE_ROOM)
    value = _object(reply.text)
    if value is None:
        return unknown("cut before its end") if _looks_cut(reply) else no("accepted, but the answer is not JSON")
    fits = value.keys() == {"lamp", "lit"} and value["lamp"] in ("stop", "go") and isinstance(value["lit"], bool)
    return yes() if fits else partly("JSON, but not of the schema that was asked for")


async def ask_json(patient: Patient) -> Result:
    """Ask for any JSON object."""
    form = {"type": "json_object"}
    reply = await patient.chat({"response_format": form}, content="Say hello as a short JSON object.", room=MORE_ROOM)
    if _object(reply.text) is not None:
        return yes()
    return unknown("cut before its end") if _looks_cut(reply) else no("accepted, but the answer is not JSON alone")


def _object(text: str) -> dict[str, Any] | None:
    try:
        return read_object(text.encode("utf-8", "replace"))
    except TranslationError:
        return None


def _looks_cut(reply: Reply) -> bool:
    return reply.was_cut and reply.text.lstrip()[:1] in ("", "{")


async def ask_vision(patient: Patient) -> Result:
    """Show a picture; its colour or its width in the answer proves that it was looked at."""
    question = "What colour is this picture, and how many pixels wide is it? Answer in five words."
    content: list[dict[str, Any]] = [
        {"type": "text", "text": question},
        {"type": "image_url", "image_url": {"url": picture_url()}},
    ]
    reply = await patient.chat(content=content, room=ROOM)
    said = reply.text.lower()
    if COLOUR in said or str(WIDTH) in said:
        return yes()
    return unknown("cut before an answer") if reply.was_cut and not said else partly("taken, but not described")


async def ask_logprobs(patient: Patient) -> Result:
    """Ask for the log probabilities of the answer and of an alternative to each token."""
    reply = await patient.chat({"logprobs": True, "top_logprobs": 2})
    if not reply.logprobs:
        return unknown("no text came") if not reply.text else no("accepted, but none come")
    if not any(isinstance(entry.get("top_logprobs"), list) and entry["top_logprobs"] for entry in reply.logprobs):
        return partly("without alternatives")
    return yes()
