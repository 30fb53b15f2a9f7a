"""How a misbehaving backend plays an answer: the waits, the pieces, the table of its faults by name."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from tests.faults.wire import DONE, Speech, error_body
from tests.support.backend import JSON, SSE, Call, end, head, raw

TOKEN_S = 0.015
"""From one token to the next."""

type Headers = Sequence[tuple[str, str]]


class LeftError(Exception):
    """The gateway closed the connection before the answer was over."""


@dataclass(slots=True)
class Ask:
    """One request to answer: the `number`-th for its model, `since_s` seconds after the first."""

    call: Call
    speech: Speech
    number: int
    streamed: bool
    scale: float
    since_s: float
    prefilled: bool
    reused: bool = False
    usage_sent: bool = False

    async def pause(self, seconds: float) -> None:
        """Wait, by the scale. Raises LeftError when the connection is closed meanwhile."""
        try:
            async with asyncio.timeout(seconds * self.scale):
                await self.call.closed.wait()
        except TimeoutError:
            return
        raise LeftError

    async def head(
        self, headers: Headers = (), *, status: int = 200, length: int | None = None, unframed: bool = False
    ) -> None:
        """Send the status and the headers."""
        kind = SSE if self.streamed and status == 200 else JSON
        await head(status, kind, length=length, close=unframed, headers=headers)(self.call)

    async def send(self, *pieces: bytes) -> None:
        """Send pieces of the body, each in a write of its own. Raises LeftError when nobody is there any more."""
        for piece in pieces:
            if self.call.closed.is_set():
                raise LeftError
            self.call.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self.call.chunked else piece)
            await asyncio.sleep(0)

    async def drip(self, pieces: Iterable[bytes], every_s: float = TOKEN_S) -> None:
        """Send pieces one after the other, `every_s` apart."""
        for piece in pieces:
            await self.send(piece)
            await self.pause(every_s)

    async def refuse(self, status: int, message: str, code: str | None = None, *, headers: Headers = ()) -> None:
        """Answer with an error."""
        body = error_body(message, code)
        await self.head(headers, status=status, length=len(body))
        await raw(body)(self.call)


type Behaviour = Callable[[Ask], Awaitable[None]]
BEHAVIOURS: dict[str, Behaviour] = {}


def named(name: str) -> Callable[[Behaviour], Behaviour]:
    """Enter a behaviour into the table."""

    def enter(behaviour: Behaviour) -> Behaviour:
        BEHAVIOURS[name] = behaviour
        return behaviour

    return enter


@named("00-fine")
async def fine(ask: Ask) -> None:
    """The whole answer, in whichever form it was asked for."""
    if ask.streamed:
        await ask.head()
        await rest(ask, ask.speech.opening())
    else:
        body = ask.speech.plain()
        await ask.head(length=len(body))
        await ask.send(body)
        ask.usage_sent = True


async def rest(ask: Ask, *first: bytes, done: bool = True) -> None:
    """Send a stream's events after its head, and its proper end."""
    await ask.send(*first)
    await ask.drip(ask.speech.tokens())
    await ask.send(ask.speech.closing())
    ask.usage_sent = True
    if done:
        await ask.send(DONE)
    await end(ask.call)


async def begin(ask: Ask, tokens: int, *, unframed: bool = False) -> None:
    """Send the beginning of an answer: so many tokens, or as large a part of an object."""
    if ask.streamed:
        await ask.head(unframed=unframed)
        await ask.send(ask.speech.opening())
        await ask.drip(islice(ask.speech.tokens(), tokens))
        return
    body = ask.speech.plain()
    await ask.head(length=None if unframed else len(body), unframed=unframed)
    await ask.send(body[: len(body) * tokens // 60])
