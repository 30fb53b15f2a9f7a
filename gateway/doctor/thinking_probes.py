"""Does the model think, where does it say so, and what stops it."""

import json
from collections.abc import Iterator
from typing import Any

from gateway.codecs.models import decode_json
from gateway.codecs.thinking_requests import encode_think
from gateway.doctor.line import Reply
from gateway.doctor.patient import MORE_ROOM, Patient
from gateway.doctor.results import Result, no, not_asked, partly, told_by, unknown, yes
from gateway.errors import ProxyException, TranslationError

_WAYS: tuple[dict[str, Any], ...] = (
    {"reasoning_effort": "none"},
    {"chat_template_kwargs": {"enable_thinking": False}},
)
"""Tried where what the profile knows does not help."""
_QUESTION = "Is 7 a prime number?"


async def ask_thinking(patient: Patient) -> Result:
    """Ask to think, in the words of the profile."""
    reply = await patient.chat(encode_think(True, patient.profile), content=_QUESTION, room=MORE_ROOM, essential=False)
    return yes(_place(reply)) if reply.thinking else no("no reasoning comes")


def _place(reply: Reply) -> str:
    """Tell where in an answer the reasoning was."""
    try:
        message = decode_json(reply.body)["choices"][0]["message"]
        fields = [name for name in ("reasoning_content", "reasoning") if message.get(name)]
        parts = isinstance(message["content"], list)
    except (TranslationError, LookupError, TypeError, AttributeError):
        return ""
    return f"in {fields[0]}" if fields else "in parts of the content" if parts else "in tags in the text"


async def ask_not_to_think(patient: Patient) -> Result:
    """Ask not to, until one way is honoured; what follows is then asked in that way."""
    last: Result | None = None
    for number, way in enumerate(_ways(patient)):
        try:
            reply = await patient.chat(way, content=_QUESTION, room=MORE_ROOM)
        except ProxyException as error:
            last = last or told_by(error)
            continue
        if not reply.thinking and reply.text:
            patient.calm = way
            return yes(_shown(way)) if number == 0 else partly(f"only by {_shown(way)}")
        last = unknown("cut before an answer") if not reply.thinking else no("thinks all the same")
    patient.thinks_always = True
    return last or not_asked("no way is known")


def _ways(patient: Patient) -> Iterator[dict[str, Any]]:
    first = encode_think(False, patient.profile)
    if first:
        yield first
    for way in _WAYS:
        if way != first:
            yield way


def _shown(way: dict[str, Any]) -> str:
    return json.dumps(way)[1:-1].replace('"', "")
