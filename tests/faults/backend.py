"""The misbehaving backend: OpenAI's `/v1`, where the model's name says what goes wrong.

`python -m tests.faults.backend --port 9000` serves it for any gateway: `GET /v1/models` lists the faults, `GET /log`
has every attempt with its time, `POST /reset` forgets them. A model's name is a fault's, then perhaps a dot and
anything, which keeps apart what several clients do at one time. Names that begin with `alone-` mean the same fault;
they are for gateways that have no fallback for them. What comes before `/v1` in a path is kept with the attempt.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.faults import attempt_faults, connection_faults
from tests.faults.asking import WAYS
from tests.faults.play import BEHAVIOURS, Ask, Behaviour, LeftError
from tests.faults.wire import PRIMARY, SPARE, SPARE_MODEL, Speech
from tests.support.backend import JSON, Call, ScriptedBackend, head, raw

_FAULTS = attempt_faults, connection_faults
"""What enters the names into the table."""
_NOT_FOUND = b'{"error": {"message": "not found", "type": "invalid_request_error", "param": null, "code": null}}'
ALONE = "alone-"


@dataclass(eq=False)
class Attempt:
    """One request that reached the backend. Times are `time.monotonic()`; `closed_s` is when its connection went.

    `number`: which one it is for this model. `done`: the answer, or the fault, was played to its end.
    """

    model: str
    place: str
    number: int
    at_s: float
    streamed: bool
    prefilled: bool
    connection: int
    closed_s: float | None = None
    done: bool = False
    usage_sent: bool = False
    size_bytes: int = 0
    call: Call | None = field(default=None, repr=False)

    def shown(self, since_s: float) -> dict[str, Any]:
        """Return it for a report, with times counted from `since_s`."""
        closed_s = None if self.closed_s is None else round(self.closed_s - since_s, 3)
        return {
            "model": self.model,
            "place": self.place,
            "number": self.number,
            "at_s": round(self.at_s - since_s, 3),
            "closed_s": closed_s,
            "streamed": self.streamed,
            "done": self.done,
        }


class FaultBackend(ScriptedBackend):
    """Plays the fault a model's name selects. All its waits are multiplied by `scale`."""

    def __init__(self, scale: float = 1.0, port: int = 0) -> None:
        super().__init__()
        self.scale = scale
        self._wanted_port = port
        self.attempts: list[Attempt] = []
        self.plans: dict[str, Behaviour] = {}
        """What a test wants of a model by its full name, in place of what the name says."""
        self.others = 0
        """Requests that were for no answer."""
        self.started_s = time.monotonic()
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._first_s: dict[str, float] = {}
        self._used: set[int] = set()
        self._watchers: set[asyncio.Task[None]] = set()

    def of(self, model: str, place: str | None = None) -> list[Attempt]:
        """Return the attempts at a model, in their order."""
        return [one for one in self.attempts if one.model == model and place in (None, one.place)]

    def forget(self) -> None:
        """Drop the log, and begin every fault anew."""
        self.attempts.clear()
        self._counts.clear()
        self._first_s.clear()
        self.started_s = time.monotonic()

    async def start(self, port: int = 0) -> None:
        """Listen at the port that was wanted, if not at this one."""
        await super().start(port or self._wanted_port)

    async def stop(self) -> None:
        """Stop listening and drop all connections."""
        await super().stop()
        for task in list(self._watchers):
            task.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)

    async def answer(self, call: Call) -> None:
        """Play what the request asks for."""
        place, _, path = call.path.partition("?")[0].rpartition("/v1")
        if call.method == "POST" and path in ("/chat/completions", "/completions"):
            await self._misbehave(call, place.strip("/"))
        elif path == "/models":
            names = self.names(() if place.strip("/") else (way.name for way in WAYS))
            await _say(call, {"object": "list", "data": [_listed(name) for name in names]})
        elif call.path == "/log":
            await _say(call, [one.shown(self.started_s) for one in self.attempts])
        elif call.path == "/reset":
            self.forget()
            await _say(call, {})
        else:
            self.others += 1
            await head(404, JSON, length=len(_NOT_FOUND))(call)
            await raw(_NOT_FOUND)(call)

    @staticmethod
    def names(ways: Iterable[str] = ()) -> list[str]:
        """Return the names of all faults, and for each way to ask, and that of the model all falls back to."""
        bare = [f"{before}{name}" for before in ("", ALONE) for name in BEHAVIOURS]
        return [SPARE_MODEL, *bare, *(f"{name}.{way}" for name in bare for way in ways)]

    async def _misbehave(self, call: Call, place: str) -> None:
        asked = call.json
        model = str(asked.get("model", ""))
        behaviour = BEHAVIOURS.get(model.removeprefix(ALONE).partition(".")[0])
        attempt = self._note(call, asked, model, place)
        voice = SPARE if model == SPARE_MODEL else PRIMARY
        speech = Speech(voice, model, len(self.attempts))
        since_s = time.monotonic() - self._first_s[model]
        reused = call.connection in self._used
        self._used.add(call.connection)
        ask = Ask(call, speech, attempt.number, attempt.streamed, self.scale, since_s, attempt.prefilled, reused)
        if model == SPARE_MODEL:
            behaviour = BEHAVIOURS["00-fine-unless-prefilled"]
        chosen = self.plans.get(model) or behaviour or BEHAVIOURS["unknown"]
        try:
            await chosen(ask)
        except LeftError:
            return
        attempt.done = True
        attempt.usage_sent = ask.usage_sent

    def _note(self, call: Call, asked: dict[str, Any], model: str, place: str) -> Attempt:
        now_s = time.monotonic()
        self._counts[model] += 1
        self._first_s.setdefault(model, now_s)
        messages = asked.get("messages") or [{}]
        attempt = Attempt(
            model=model,
            place=place,
            number=self._counts[model],
            at_s=now_s,
            streamed=bool(asked.get("stream")),
            prefilled=messages[-1].get("role") == "assistant",
            connection=call.connection,
            size_bytes=len(call.body),
            call=call,
        )
        self.attempts.append(attempt)
        watcher = asyncio.get_running_loop().create_task(_watch(attempt), name="scripted-backend")
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        return attempt


async def _watch(attempt: Attempt) -> None:
    """Note when the connection of an attempt goes."""
    if attempt.call is not None:
        await attempt.call.closed.wait()
        attempt.closed_s = time.monotonic()


async def _say(call: Call, value: object) -> None:
    body = json.dumps(value).encode()
    await head(200, JSON, length=len(body))(call)
    await raw(body)(call)


def _listed(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1, "owned_by": "faults"}


async def _serve(port: int, scale: float) -> None:
    backend = FaultBackend(scale, port)
    await backend.start()
    sys.stdout.write(f"http://127.0.0.1:{backend.port}/v1\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await backend.stop()


def main() -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.backend", description=__doc__)
    parser.add_argument("--port", type=int, default=9000, help="where to listen on 127.0.0.1; 0 for any free port")
    parser.add_argument("--scale", type=float, default=1.0, help="what all waits are multiplied by")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.port, arguments.scale))
    return 0


if __name__ == "__main__":
    sys.exit(main())
