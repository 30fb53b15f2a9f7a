"""Channel: how two processes of the gateway ask each other things, over a pair of sockets.

A frame is a line of JSON: a question (`id`, `topic`, `payload`), its answer (the same `id`), or a notice (no `id`).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

FRAME_BYTES = 8 * 1024 * 1024
"""The longest frame, and the most that may wait to be read by the other end."""
MOST_WAITING = 1024
"""Most questions that wait for their answers at one time, in either direction."""
ANSWER_WITHIN_S = 5.0
COLLECT = "collect"
"""The topic under which a worker asks the supervisor for the answers of all workers."""

type Topic = Callable[[Any], Awaitable[Any]]
"""Answers a question: JSON in, JSON out."""


class ChannelError(Exception):
    """There is no answer: the other end is gone, slow, full, or failed itself."""


class Frame(msgspec.Struct, omit_defaults=True):
    """One line. A question has `id` and `topic`, an answer only `id`, a notice only `topic`."""

    id: int = 0
    topic: str = ""
    payload: Any = None
    error: str = ""


class Collection(msgspec.Struct):
    """The payload of a COLLECT question: what all workers are to be asked."""

    topic: str
    payload: Any = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Frame).decode


class Channel:
    """One end. `topics` is what this end answers; it may grow while the channel is open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, topics: Mapping[str, Topic]) -> None:
        self._reader = reader
        self._writer = writer
        self._topics = topics
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._last_id = 0
        self._closed = False

    @classmethod
    async def over(cls, end: socket.socket, topics: Mapping[str, Topic]) -> "Channel":
        """Return a channel over one end of a socket pair, which it owns from then on."""
        reader, writer = await asyncio.open_unix_connection(sock=end, limit=FRAME_BYTES)
        return cls(reader, writer, topics)

    async def ask(self, topic: str, payload: Any = None, *, timeout_s: float = ANSWER_WITHIN_S) -> Any:
        """Return the other end's answer, decoded JSON. Raises ChannelError where none comes in time."""
        if len(self._waiting) >= MOST_WAITING:
            raise ChannelError("too many questions wait for their answers")
        self._last_id += 1
        number = self._last_id
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._send(Frame(id=number, topic=topic, payload=payload))
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise ChannelError(f"no answer about {topic!r} within {timeout_s:g} s") from None
        finally:
            del self._waiting[number]

    async def collect(self, topic: str, payload: Any = None) -> list[Any]:
        """Return the answers of all workers, the own one included: a worker's question to its supervisor."""
        answers = await self.ask(COLLECT, Collection(topic, payload), timeout_s=2 * ANSWER_WITHIN_S)
        return list(answers)

    def tell(self, topic: str, payload: Any = None) -> None:
        """Send a notice, which has no answer; where the other end is gone, nobody hears it."""
        try:
            self._send(Frame(topic=topic, payload=payload))
        except ChannelError:
            return

    async def listen(self) -> None:
        """Take questions and answers until the other end closes, or sends what is no frame; then close."""
        try:
            while line := await self._reader.readline():
                self._take(_decode(line))
        except (ValueError, ConnectionError):  # a line that is too long or no frame, or the end of the other process
            return
        finally:
            self.close()

    def close(self) -> None:
        """Close; who waits for an answer gets a ChannelError."""
        self._closed = True
        self._writer.close()
        for task in self._answering:
            task.cancel()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ChannelError("the other process is gone"))

    def _send(self, frame: Frame) -> None:
        if self._closed or self._writer.is_closing():
            raise ChannelError("the other process is gone")
        data = _encode(frame)
        if len(data) >= FRAME_BYTES or self._writer.transport.get_write_buffer_size() > FRAME_BYTES:
            raise ChannelError("the frame is too long" if len(data) >= FRAME_BYTES else "the other end does not read")
        self._writer.write(data + b"\n")

    def _take(self, frame: Frame) -> None:
        if frame.topic:
            self._start_answer(frame)
            return
        answer = self._waiting.get(frame.id)
        if answer is None or answer.done():
            return
        if frame.error:
            answer.set_exception(ChannelError(frame.error))
        else:
            answer.set_result(frame.payload)

    def _start_answer(self, frame: Frame) -> None:
        if len(self._answering) >= MOST_WAITING:
            self._reply(Frame(id=frame.id, error="too many questions at one time"))
            return
        task = asyncio.create_task(self._answer(frame))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, frame: Frame) -> None:
        topic = self._topics.get(frame.topic)
        if topic is None:
            self._reply(Frame(id=frame.id, error=f"nobody answers about {frame.topic!r}"))
            return
        try:
            self._reply(Frame(id=frame.id, payload=await topic(frame.payload)))
        except Exception as error:  # noqa: BLE001 - the process that asked is told, and raises ChannelError; raised here it would be left waiting
            self._reply(Frame(id=frame.id, error=f"{type(error).__name__}: {error}"))

    def _reply(self, frame: Frame) -> None:
        if not frame.id:
            return
        try:
            self._send(frame)
        except ChannelError as error:
            self._refuse(frame.id, error)

    def _refuse(self, number: int, error: ChannelError) -> None:
        """Answer with an error instead of an answer that could not be sent."""
        if not self._closed and not self._writer.is_closing():
            self._writer.write(_encode(Frame(id=number, error=str(error))) + b"\n")
