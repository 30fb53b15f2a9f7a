"""The golden streams: what the gateway answers to each situation, kept in `streams/` with its clocks masked.

`python -m tests.golden.streams` writes them anew from a gateway of this checkout; the difference is then to be read.
"""

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from tests.e2e import processes
from tests.golden.backend import GoldenBackend
from tests.golden.models import MODELS
from tests.golden.situations import QUESTION, SITUATIONS, Situation

STREAMS = Path(__file__).parent / "streams"
GIVE_UP_S = 30
_CREATED = re.compile(rb'"created_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z"')
_DURATION = re.compile(rb'_duration":[1-9]\d*(?=[,}])')
_REQUEST_ID = re.compile(rb'"request_id":"req_[0-9a-f]+"')
_CONTEXT = re.compile(rb'"context":\[[1-9]\d*(?:,\d+)*\]')
_MASKS = (
    (_CREATED, b'"created_at":"TIME"'),
    (_DURATION, b'_duration":NS'),
    (_REQUEST_ID, b'"request_id":"ID"'),
    (_CONTEXT, b'"context":[NUMBERS]'),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """The objects of a stream, read as Python's clients do: lines end at every separator there is."""
        return [json.loads(line) for line in self.body.decode().splitlines()]


@dataclass(frozen=True, slots=True)
class Way:
    """A route, streamed or whole."""

    path: str
    streamed: bool

    @property
    def title(self) -> str:
        """How a golden file calls it."""
        return f"{self.path}, {'streamed' if self.streamed else 'whole'}"


WAYS = tuple(Way(path, streamed) for path in ("/api/chat", "/api/generate") for streamed in (True, False))


def send(url: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
    """Send a request (`body` becomes JSON) and read the answer to its end."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=GIVE_UP_S)
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, headers or {})
        response = connection.getresponse()
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def question(situation: Situation, way: Way) -> dict[str, Any]:
    """The body that asks for a situation."""
    prompt = {"messages": QUESTION} if way.path == "/api/chat" else {"prompt": "Say it."}
    # A stream is what a client gets that says nothing about it.
    streamed = {} if way.streamed else {"stream": False}
    return {"model": situation.name, **prompt, **situation.asks, **streamed}


def asked(url: str, situation: Situation, way: Way) -> Reply:
    """Ask a gateway for a situation."""
    return send(url, "POST", way.path, question(situation, way))


def ways_of(situation: Situation) -> Iterator[Way]:
    """The ways in which a situation can be asked for."""
    return (way for way in WAYS if way.path == "/api/chat" or situation.is_for_generate)


def masked(body: bytes) -> bytes:
    """The same bytes whenever they were made: what differs each time becomes a word, where it has the right form."""
    for form, word in _MASKS:
        body = form.sub(word, body)
    return body


def golden(url: str, situation: Situation) -> str:
    """What a gateway answers to a situation, in all its ways, as a golden file has it."""
    parts = []
    for way in ways_of(situation):
        reply = asked(url, situation, way)
        parts.append(f"{way.title}: {reply.status} {reply.headers['content-type']}\n".encode() + masked(reply.body))
    return b"\n\n".join(part.removesuffix(b"\n") for part in parts).decode("ascii") + "\n"


def main() -> None:
    """Write all files anew."""
    STREAMS.mkdir(exist_ok=True)
    for path in STREAMS.glob("*.txt"):
        path.unlink()
    answers = {situation.name: situation.answer for situation in SITUATIONS}
    with (
        TemporaryDirectory() as folder,
        GoldenBackend(answers, MODELS).serving() as backend,
        processes.gateway(
            Path(folder), OPENAI_API_BASE_URL=backend.url, MAX_RETRIES="0", PLAIN_REQUESTS="direct"
        ) as program,
    ):
        for situation in SITUATIONS:
            (STREAMS / f"{situation.name}.txt").write_text(golden(program.url, situation), "utf-8")


if __name__ == "__main__":
    main()
