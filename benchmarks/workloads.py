"""The codecs alone, on fixed input: what the microbenchmarks time, and what callgrind counts the instructions of.

Also a program: `python workloads.py NAME...` imports `gateway` from PYTHONPATH, of whatever commit that is, and runs
each workload inside of glibc's `qsort_r`, by which callgrind tells it from all the rest. Nothing else of this folder is
imported, since another commit has another one or none.
"""

import ctypes
import json
import sys
from base64 import b64encode
from collections.abc import Callable
from glob import glob
from struct import pack
from time import time_ns
from typing import NamedTuple

CHUNKS = 200
VECTORS = 32
DIMENSIONS = 1024
READ_BYTES = 4096
WARM_LOOPS = 20
COUNTED_LOOPS = 5
DUMPS = "dump"


class Workload(NamedTuple):
    """Something to run; `units` is how many chunks, requests or vectors one run handles, `unit` what they are."""

    run: Callable[[], object]
    units: int
    unit: str


def stream() -> list[bytes]:
    """Return a stream of CHUNKS words as a socket gives it: pieces cut anywhere."""
    texts: list[str | None] = [f" w{number:03}" for number in range(CHUNKS)]
    events = [_event(text, None) for text in texts] + [_event(None, "stop"), b"[DONE]"]
    data = b"".join(b"data: %b\n\n" % event for event in events)
    return [data[at : at + READ_BYTES] for at in range(0, len(data), READ_BYTES)]


def plain() -> bytes:
    """Return an answer in one piece."""
    message = {"role": "assistant", "content": " word" * CHUNKS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": CHUNKS, "total_tokens": CHUNKS + 5}
    return json.dumps({"id": "c", "model": "m", "choices": [choice], "usage": usage}).encode()


def _event(text: str | None, finish: str | None) -> bytes:
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}
    return json.dumps({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}).encode()


def sse_decoder() -> Workload:
    """Events out of bytes."""
    from gateway.codecs.sse import SseDecoder

    pieces = stream()

    def run() -> int:
        decoder = SseDecoder()
        return sum(len(decoder.feed(piece)) for piece in pieces)

    return Workload(run, CHUNKS, "chunk")


def chat_reader() -> Workload:
    """What `/api` makes of a stream."""
    from gateway.codecs.chat_reader import ChatReader

    pieces = stream()

    def run() -> int:
        reader = ChatReader(asked="m")
        return sum(len(reader.feed(piece, 0)) for piece in pieces)

    return Workload(run, CHUNKS, "chunk")


def plain_reader() -> Workload:
    """What `/api` makes of an answer in one piece."""
    from gateway.codecs.chat_reader import ChatReader
    from gateway.codecs.events import End

    body = plain()

    def run() -> int:
        reader = ChatReader(asked="m")
        reader.feed(body, 0)
        return len(reader.finish(End.CLEAN, 0))

    return Workload(run, 1, "answer")


def framing_reader() -> Workload:
    """What `/v1` makes of a stream."""
    from gateway.codecs.framing_reader import FramingReader

    pieces = stream()

    def run() -> int:
        reader = FramingReader(hide_usage=True, whole=False)
        return sum(len(reader.feed(piece, 0)) for piece in pieces)

    return Workload(run, CHUNKS, "chunk")


def ndjson_writer() -> Workload:
    """Lines out of events, in batches of sixteen."""
    from gateway.codecs.events import Event, Text
    from gateway.codecs.ollama_writer import CHAT, Clocks, NdjsonWriter

    batch: list[Event] = [Text(f" w{number:03}") for number in range(16)]

    def run() -> int:
        writer = NdjsonWriter(CHAT, "m", Clocks(0, 0))
        return sum(len(writer.write(batch, time_ns())) for _ in range(CHUNKS // 16))

    return Workload(run, CHUNKS // 16 * 16, "chunk")


def paced_chunks() -> Workload:
    """Reader and writer for chunks that come alone: what each token of a live stream costs."""
    from gateway.codecs.chat_reader import ChatReader
    from gateway.codecs.ollama_writer import CHAT, Clocks, NdjsonWriter

    events = [b"data: %b\n\n" % _event(f" w{number:03}", None) for number in range(CHUNKS)]

    def run() -> int:
        reader, writer = ChatReader(asked="m"), NdjsonWriter(CHAT, "m", Clocks(0, 0))
        return sum(len(writer.write(reader.feed(event, 0), 1_700_000_000_000_000_000)) for event in events)

    return Workload(run, CHUNKS, "chunk")


def question() -> Workload:
    """A request of `/api/chat`: read, checked, encoded for a backend."""
    from gateway.backends.profiles import GENERIC
    from gateway.codecs.contract import Target
    from gateway.codecs.ollama_questions import ChatQuestion
    from gateway.codecs.requests import read_request
    from gateway.schemas.ollama import ChatRequest

    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi there"}], "stream": False}).encode()
    target = Target("backend", "m", GENERIC)

    def run() -> int:
        asked = ChatQuestion(read_request(ChatRequest, body))
        asked.settle()
        return len(asked.encode(target).body)

    return Workload(run, 1, "request")


def embeddings() -> Workload:
    """Vectors in base64 in, the body of `/api/embed` out."""
    from gateway.codecs.embed_reader import EmbedReader
    from gateway.codecs.embed_writer import embed_body
    from gateway.codecs.events import End, Vectors
    from gateway.codecs.ollama_writer import Clocks

    one = b64encode(pack(f"<{DIMENSIONS}f", *[DIMENSIONS**-0.5] * DIMENSIONS)).decode()
    rows = [{"object": "embedding", "index": number, "embedding": one} for number in range(VECTORS)]
    body = json.dumps({"object": "list", "model": "m", "data": rows}).encode()

    def run() -> int:
        reader = EmbedReader(VECTORS)
        events = [*reader.feed(body, 0), *reader.finish(End.CLEAN, 0)]
        vectors = next(event.vectors for event in events if isinstance(event, Vectors))
        return len(embed_body("m", vectors, None, Clocks(0, 0), None))

    return Workload(run, VECTORS, "vector")


WORKLOADS: dict[str, Callable[[], Workload]] = {
    one.__name__: one
    for one in (
        sse_decoder,
        chat_reader,
        plain_reader,
        framing_reader,
        ndjson_writer,
        paced_chunks,
        question,
        embeddings,
    )
}


def run_marked(run: Callable[[], object]) -> None:
    """Run within `qsort`, which calls `qsort_r`, which asks once how two elements compare.

    callgrind sees calls out of ctypes only one level further down. Raises RuntimeError where a run fails: ctypes prints
    what a callback raises, and goes on.
    """
    runs = 0

    def compare(_one: object, _other: object) -> int:
        nonlocal runs
        for _ in range(COUNTED_LOOPS):
            run()
            runs += 1
        return 0

    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    elements = (ctypes.c_int * 2)(0, 1)
    ctypes.CDLL(None).qsort(elements, ctypes.c_size_t(2), ctypes.c_size_t(4), kind(compare))
    if runs != COUNTED_LOOPS:
        raise RuntimeError(f"run {runs + 1} of {COUNTED_LOOPS} failed: its traceback is above")


def main(names: list[str]) -> None:
    """Run workloads; print a line for each that could be: its name, units handled, dumps that callgrind has written."""
    for name in names:
        try:
            workload = WORKLOADS[name]()
            for _ in range(WARM_LOOPS):
                workload.run()
        except (ImportError, AttributeError, TypeError) as error:
            print(f"{name} has another interface in this commit: {error}", file=sys.stderr)
            continue
        run_marked(workload.run)
        print(name, COUNTED_LOOPS * workload.units, len(glob(f"{DUMPS}.*")), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
