"""The faults of connections and bodies, and patient backends for misbehaving clients: rows 17 to 27."""

import gzip

from tests.faults.play import TOKEN_S, Ask, fine, named
from tests.faults.wire import DONE
from tests.support.backend import close, end, head, reset

STEADY_S = 0.3
"""Between the tokens of an answer that takes its time: eighteen seconds for all of it."""
KEY_TOLD = "sk-live-0123456789abcdef0123"
"""A key that a backend shows where it should not."""
PRIVATE_HEADERS = (
    ("Connection", "close, X-Private"),
    ("X-Private", "1"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Authenticate", "Basic"),
    ("Set-Cookie", "tracker=1"),
    ("Server", "secret-engine/1.0"),
    ("X-Powered-By", "secret-engine"),
    ("Trailer", "X-Trailer"),
    ("Upgrade", "h2c"),
    ("Access-Control-Allow-Origin", "*"),
)
"""What a client of a gateway must never see."""


@named("17-slow")
async def slow(ask: Ask) -> None:
    """Takes its time in every phase, and then never ends: for clients that leave."""
    await ask.pause(0.4)
    body = ask.speech.plain()
    await ask.head(length=None if ask.streamed else 10 * len(body))
    await ask.pause(0.2)
    await ask.send(ask.speech.opening() if ask.streamed else body[:10])
    await ask.pause(0.2)
    while True:
        await ask.drip(ask.speech.tokens() if ask.streamed else [b" "], 0.05)


@named("17-slow-refusal")
async def slow_refusal(ask: Ask) -> None:
    """Always asks to come back in a second, which is a time in which a client may leave."""
    await ask.refuse(503, "come back later", headers=[("Retry-After", "1")])


@named("18-flood")
async def flood(ask: Ask) -> None:
    """Talks without end, as fast as it is read."""
    await ask.head(length=None if ask.streamed else 2**40)
    piece = b"".join([*ask.speech.tokens()] * 20)
    while not ask.call.closed.is_set():
        await ask.send(piece)
        while ask.call.transport.get_write_buffer_size() > 2**20:
            await ask.pause(0.01)


@named("20-huge-line")
async def huge_line(ask: Ask) -> None:
    """One event of ten megabytes and more which does not end."""
    await ask.head(length=None if ask.streamed else 2**40)
    await ask.send(b"data: " if ask.streamed else b"{")
    for _ in range(400):
        await ask.send(b"x" * 65536)
        while ask.call.transport.get_write_buffer_size() > 2**20:
            await ask.pause(0.001)
    await close(ask.call)


@named("22-headers")
async def headers(ask: Ask) -> None:
    """Well, with headers that are nobody's business behind a gateway."""
    body = ask.speech.stream() if ask.streamed else ask.speech.plain()
    await ask.head(PRIVATE_HEADERS, length=len(body))
    await ask.send(body)
    ask.usage_sent = True


@named("23-drip")
async def steady(ask: Ask) -> None:
    """A whole answer over some seconds."""
    await ask.head()
    await ask.send(ask.speech.opening())
    await ask.drip(ask.speech.tokens(), STEADY_S)
    await ask.send(ask.speech.closing(), DONE)
    ask.usage_sent = True
    await end(ask.call)


@named("26-gzip")
async def zipped(ask: Ask) -> None:
    """Compresses its answer, whether it was asked to or not."""
    body = gzip.compress(ask.speech.stream() if ask.streamed else ask.speech.plain())
    await ask.head([("Content-Encoding", "gzip")], length=len(body))
    await ask.send(body)
    ask.usage_sent = True


@named("26-closing")
async def closing(ask: Ask) -> None:
    """Well, and then closes the connection, which it had promised to keep."""
    await fine(ask)
    await ask.pause(TOKEN_S)
    await close(ask.call)


@named("26-stale")
async def stale(ask: Ask) -> None:
    """Well on a fresh connection; one that was used before is closed when the next request comes."""
    if ask.reused:
        await reset(ask.call)
    else:
        await fine(ask)


@named("26-bytes")
async def byte_by_byte(ask: Ask) -> None:
    """Each byte in a chunk, and a write, of its own: characters and events are split everywhere."""
    body = ask.speech.stream() if ask.streamed else ask.speech.plain()
    await ask.head()
    await ask.send(*(body[at : at + 1] for at in range(len(body))))
    ask.usage_sent = True
    await end(ask.call)


@named("27-html")
async def html(ask: Ask) -> None:
    """A page where there should be an answer."""
    body = f"<!DOCTYPE html><html><body>{KEY_TOLD} Sign in</body></html>".encode()
    await head(200, "text/html", length=len(body))(ask.call)
    await ask.send(body)


@named("27-empty")
async def empty(ask: Ask) -> None:
    """200, and nothing."""
    await ask.head(length=0)


@named("27-redirect")
async def redirect(ask: Ask) -> None:
    """Elsewhere, with a key in the address."""
    location = f"http://127.0.0.1:9/v1?key={KEY_TOLD}"
    await ask.head([("Location", location)], status=302, length=0)


@named("unknown")
async def unknown(ask: Ask) -> None:
    """There is no such model."""
    await ask.refuse(404, f"model '{ask.speech.model}' not found", "model_not_found")
