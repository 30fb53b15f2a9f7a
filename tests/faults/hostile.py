"""What a hostile client sends: requests that two servers would read differently, and bodies that are too much."""

import json
import zlib
from collections.abc import Iterator

_CHAT = "/v1/chat/completions"
_PIECE = 65536


def smuggled(model: str) -> bytes:
    """Return the request that would reach a backend if another were read wrongly."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}]}).encode()
    return b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b" % (_CHAT.encode(), len(body), body)


def battery(model: str) -> dict[str, bytes]:
    """Return requests none of which may be taken, by what is wrong with them. Each would ask for `model`."""
    inner = smuggled(model)
    body = inner.partition(b"\r\n\r\n")[2]
    length = f"Content-Length: {len(body)}"
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    te = "Transfer-Encoding: chunked"
    return {
        "length and chunks": _request([length, te], chunked + inner),
        "chunks and length": _request([te, "Content-Length: 4"], chunked + inner),
        "two lengths": _request([length, "Content-Length: 5"], body + inner),
        "two lengths in one": _request([f"Content-Length: {len(body)}, 5"], body + inner),
        "a length with a sign": _request([f"Content-Length: +{len(body)}"], body),
        "a hexadecimal length": _request([f"Content-Length: {len(body):#x}"], body),
        "a negative length": _request(["Content-Length: -1"], body),
        "a length with an underscore": _request(["Content-Length: 1_0"], body),
        "a folded header": _request(["X-Folded: a", " b", length], body),
        "a NUL in a header": _request(["X-Nul: a\0b", length], body),
        "a CR in a header": _request(["X-Cr: a\rb", length], body),
        "two hosts": _request(["Host: elsewhere.example", length], body),
        "another host in the target": _request([length], body, target=f"http://elsewhere.example{_CHAT}"),
        "chunks in HTTP/1.0": _request([te], chunked + inner, version="1.0"),
        "an unknown transfer encoding": _request(["Transfer-Encoding: xchunked"], chunked + inner),
        "chunked, and not last": _request(["Transfer-Encoding: chunked, identity"], chunked + inner),
        "two transfer encodings": _request([te, te], chunked + inner),
        "a chunk size with a sign": _request([te], b"+" + chunked + inner),
        "a chunk size with 0x": _request([te], b"0x" + chunked + inner),
        "a space before the colon": _request([f"Content-Length : {len(body)}"], body),
        "a space in a header's name": _request(["X Y: 1", length], body),
        "no host": _request([length], body, host=""),
        "a version of two digits": _request([length], body, version="1.10"),
    }


def _request(
    headers: list[str], body: bytes, *, target: str = _CHAT, version: str = "1.1", host: str = "Host: 127.0.0.1"
) -> bytes:
    kind = "Content-Type: application/json"
    lines = [f"POST {target} HTTP/{version}", *([host] if host else []), kind, *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def nested(depth: int = 100_000) -> bytes:
    """Return JSON that is as deep as that."""
    return b'{"model":"x","messages":' + b"[" * depth + b"]" * depth + b"}"


def bomb(size_bytes: int) -> bytes:
    """Return a gzip body a thousandth as large as what comes out of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(b'{"model":"x","prompt":"')
    middle = b"".join(packer.compress(b"a" * _PIECE) for _ in range(size_bytes // _PIECE))
    return start + middle + packer.compress(b'"}') + packer.flush()


def large(size_bytes: int) -> Iterator[bytes]:
    """Yield the pieces of a body of that size, and a little more."""
    yield b'{"model":"x","prompt":"'
    for _ in range(size_bytes // _PIECE):
        yield b"a" * _PIECE
    yield b'"}'
