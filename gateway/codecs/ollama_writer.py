"""Writers of `/api/chat` and `/api/generate`: events in, NDJSON lines (or server-sent events, or one JSON body) out.

Every line is ASCII: clients split lines at U+2028, U+0085 and the like. Content is a string in every chunk, thinking
and content never share one, empty fields are left out, counts stand on the last line only.
"""

import json
from json.encoder import encode_basestring_ascii as quote
from typing import Any

import msgspec

from gateway.codecs.context import Conversation
from gateway.codecs.error_body import error_body
from gateway.codecs.events import Event, Failure, Finish, Text, Texts, Thinking, ToolCall, Usage
from gateway.codecs.timestamps import Timestamps
from gateway.errors import ProxyException


class Shape(msgspec.Struct, frozen=True):
    """What differs between the two endpoints: the JSON around a chunk's text, thinking and tool calls."""

    text: str
    thinking: str
    tool_calls: str
    close: str
    empty: str


CHAT = Shape(
    text='"message":{"role":"assistant","content":',
    thinking='"message":{"role":"assistant","content":"","thinking":',
    tool_calls='"message":{"role":"assistant","content":"","tool_calls":',
    close="}",
    empty='"message":{"role":"assistant","content":""}',
)
GENERATE = Shape(
    text='"response":',
    thinking='"response":"","thinking":',
    tool_calls='"response":"","tool_calls":',
    close="",
    empty='"response":""',
)


class Clocks(msgspec.Struct):
    """Monotonic nanoseconds of one request: its start, when the backend was asked, its first output, its end."""

    started_ns: int
    asked_ns: int
    first_ns: int | None = None
    ended_ns: int | None = None


class NdjsonWriter:
    """Turns batches of events into lines. `sse=True` frames the same objects as server-sent events."""

    def __init__(
        self, shape: Shape, model: str, clocks: Clocks, *, conversation: Conversation | None = None, sse: bool = False
    ) -> None:
        self._shape = shape
        self._conversation = conversation
        self._said: list[str] = []
        self._clocks = clocks
        self._open = f'{"data: " if sse else ""}{{"model":{quote(model)},"created_at":"'
        self._end = "\n\n" if sse else "\n"
        self._times = Timestamps()
        self._usage: Usage | None = None
        self.content_type = "text/event-stream" if sse else "application/x-ndjson"
        self.failure: ProxyException | None = None

    def write(self, events: list[Event], wall_ns: int) -> bytes:
        """Return the lines of a batch, b"" if it shows nothing. A Failure is kept: `fail` writes its line."""
        shape = self._shape
        head = f'{self._open}{self._times.format(wall_ns)}",'
        tail = f'{shape.close},"done":false'
        end = "}" + self._end
        lines: list[str] = []
        for event in events:
            if isinstance(event, Text):
                logprobs = _logprobs(event.logprobs) if event.logprobs else ""
                lines.append(f"{head}{shape.text}{quote(event.text)}{tail}{logprobs}{end}")
                if self._conversation is not None:
                    self._said.append(event.text)
            elif isinstance(event, Texts):
                begin, finish = f"{head}{shape.text}", f"{tail}{end}"
                lines.append(f"{begin}{(finish + begin).join(map(quote, event.texts))}{finish}")
                if self._conversation is not None:
                    self._said += event.texts
            elif isinstance(event, Thinking):
                lines.append(f"{head}{shape.thinking}{quote(event.text)}{tail}{end}")
            elif isinstance(event, ToolCall):
                lines.append(f"{head}{shape.tool_calls}[{_tool_call(event)}]{tail}{end}")
            elif isinstance(event, Usage):
                self._usage = event
            elif isinstance(event, Finish):
                lines.append(f"{head}{shape.empty}{self._done(event)}{end}")
            elif isinstance(event, Failure):
                self.failure = event.error
        return "".join(lines).encode("ascii")

    def heartbeat(self, wall_ns: int) -> bytes:
        """Return a chunk with empty content: a sign of life, and no output."""
        shape = self._shape
        head = f'{self._open}{self._times.format(wall_ns)}",'
        return f'{head}{shape.empty},"done":false}}{self._end}'.encode("ascii")

    def fail(self, error: ProxyException, request_id: str) -> bytes:
        """Return the last line of a broken stream: nothing follows it, least of all a done line."""
        line = error_body("ollama", error, request_id).decode()
        return f"data: {line}\n\n".encode() if self.content_type == "text/event-stream" else f"{line}\n".encode()

    def _done(self, finish: Finish) -> str:
        done = f',"done":true,"done_reason":"{done_reason(finish.reason)}"{remote_model(finish)}'
        done += metrics(self._clocks, self._usage)
        return done + _context(self._conversation, self._said)


class JsonBody:
    """Collects the events of a whole answer; `body` is the one JSON object of a request with `stream: false`."""

    def __init__(self, shape: Shape, model: str, clocks: Clocks, *, conversation: Conversation | None = None) -> None:
        self._shape = shape
        self._conversation = conversation
        self._model = model
        self._clocks = clocks
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[str] = []
        self._logprobs: list[dict[str, Any]] = []
        self._usage: Usage | None = None
        self._finish = Finish("stop")

    def add(self, events: list[Event]) -> None:
        """Take a batch. Raises the error of a Failure."""
        for event in events:
            if isinstance(event, Text):
                self._text.append(event.text)
                self._logprobs.extend(event.logprobs)
            elif isinstance(event, Texts):
                self._text += event.texts
            elif isinstance(event, Thinking):
                self._thinking.append(event.text)
            elif isinstance(event, ToolCall):
                self._calls.append(_tool_call(event))
            elif isinstance(event, Usage):
                self._usage = event
            elif isinstance(event, Finish):
                self._finish = event
            elif isinstance(event, Failure):
                raise event.error

    def body(self, wall_ns: int) -> bytes:
        """Return the object."""
        shape = self._shape
        thinking = f',"thinking":{quote("".join(self._thinking))}' if self._thinking else ""
        calls = f',"tool_calls":[{",".join(self._calls)}]' if self._calls else ""
        logprobs = _logprobs(tuple(self._logprobs)) if self._logprobs else ""
        return (
            f'{{"model":{quote(self._model)},"created_at":"{Timestamps().format(wall_ns)}",'
            f"{shape.text}{quote(''.join(self._text))}{thinking}{calls}{shape.close},"
            f'"done":true,"done_reason":"{done_reason(self._finish.reason)}"{remote_model(self._finish)}'
            f"{metrics(self._clocks, self._usage)}{_context(self._conversation, self._text)}{logprobs}}}"
        ).encode("ascii")


def load_reply(shape: Shape, model: str, wall_ns: int, *, unload: bool) -> bytes:
    """Return the answer to a request without a prompt: the model counts as loaded, or unloaded with `keep_alive: 0`."""
    reason = "unload" if unload else "load"
    created = Timestamps().format(wall_ns)
    reply = f'{{"model":{quote(model)},"created_at":"{created}",{shape.empty},"done":true,"done_reason":"{reason}"}}'
    return reply.encode("ascii")


def done_reason(finish_reason: str) -> str:
    """Return Ollama's done_reason for OpenAI's finish_reason: all but `length` is `stop`, tool calls too."""
    return "length" if finish_reason == "length" else "stop"


def remote_model(finish: Finish) -> str:
    """Return the name of the model that answered, where it is another than the client named; led by a comma."""
    return f',"remote_model":{quote(finish.model)}' if finish.model else ""


def metrics(clocks: Clocks, usage: Usage | None) -> str:
    """Return the counts and durations (ns) of a last line, each led by a comma; what is unknown or 0 is left out.

    Durations are the backend's own where it measured them, else ours: the prompt's up to the first output, the
    evaluation's from there to the end. `load_duration` is the time until the backend was asked.
    """
    usage = usage or Usage()
    ended = clocks.ended_ns or clocks.started_ns
    first = clocks.first_ns or ended
    fields = (
        ("total_duration", ended - clocks.started_ns),
        ("load_duration", clocks.asked_ns - clocks.started_ns),
        ("prompt_eval_count", usage.prompt_tokens),
        ("prompt_eval_duration", usage.prompt_ns if usage.prompt_ns is not None else first - clocks.asked_ns),
        ("eval_count", usage.completion_tokens),
        ("eval_duration", usage.eval_ns if usage.eval_ns is not None else ended - first),
    )
    return "".join(f',"{name}":{value}' for name, value in fields if value is not None and value > 0)


def _context(conversation: Conversation | None, said: list[str]) -> str:
    return "" if conversation is None else f',"context":{conversation.context("".join(said))}'


def _tool_call(call: ToolCall) -> str:
    function = f'{{"index":{call.index},"name":{quote(call.name)},"arguments":{call.arguments}}}'
    return f'{{"id":{quote(call.id)},"function":{function}}}'


def _logprobs(entries: tuple[dict[str, Any], ...]) -> str:
    """Return Ollama's `logprobs` for OpenAI's entries: token, logprob, bytes, top_logprobs."""
    return f',"logprobs":{json.dumps([_entry(entry) for entry in entries], separators=(",", ":"))}'


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {"token": str(entry.get("token", "")), "logprob": entry.get("logprob", 0.0)}
    if entry.get("bytes"):
        written["bytes"] = entry["bytes"]
    if top := entry.get("top_logprobs"):
        written["top_logprobs"] = [_entry(item) for item in top if isinstance(item, dict)]
    return written
