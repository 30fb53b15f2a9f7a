"""Entity: what is sent often and never changes: compressed once, with the tags by which it is known again."""

import asyncio
import gzip
import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import hdrs, web


class Entity(NamedTuple):
    """Bytes in gzip, which is how nearly everybody wants them, and the tag of the plain ones, without quotes."""

    packed: bytes
    etag: str

    @property
    def packed_etag(self) -> str:
        """The tag of the compressed form: other bytes are another entity."""
        return f"{self.etag}-gz"


def entity(body: bytes) -> Entity:
    """Return bytes as an entity."""
    return Entity(gzip.compress(body, 9, mtime=0), tag_of(body))


def tag_of(data: bytes) -> str:
    """Return a tag that only these bytes have."""
    return hashlib.sha256(data).hexdigest()[:32]


async def ask_for_key(request: web.Request, page: Entity, headers: Mapping[str, str]) -> web.Response:
    """Answer 401 with a page that asks for a key. Nobody keeps it: with the key, the same address answers otherwise."""
    about = {
        **headers,
        hdrs.WWW_AUTHENTICATE: "Bearer",
        hdrs.CACHE_CONTROL: "no-store",
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
    }
    return await _answer(page, about, status=401, packed=_takes_gzip(request))


async def send(request: web.Request, sent: Entity, headers: Mapping[str, str]) -> web.Response:
    """Answer with an entity in the form the client takes, or with 304 to one that has it. `headers` name its type."""
    packed = _takes_gzip(request)
    about = {
        **headers,
        hdrs.ETAG: f'"{sent.packed_etag if packed else sent.etag}"',
        hdrs.CACHE_CONTROL: "no-cache",
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
    }
    if any(tag.value in (sent.etag, sent.packed_etag, "*") for tag in request.if_none_match or ()):
        del about[hdrs.CONTENT_TYPE]
        return web.Response(status=304, headers=about)
    return await _answer(sent, about, status=200, packed=packed)


async def _answer(sent: Entity, about: Mapping[str, str], *, status: int, packed: bool) -> web.Response:
    if packed:
        headers = {**about, hdrs.CONTENT_ENCODING: "gzip"}
        return web.Response(body=sent.packed, status=status, headers=headers)
    # Some are large: streams of others go on meanwhile.
    plain = await asyncio.to_thread(gzip.decompress, sent.packed)
    return web.Response(body=plain, status=status, headers=about)


def _takes_gzip(request: web.Request) -> bool:
    return takes_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ())))


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding names gzip, and not with a quality of 0."""
    for item in accept_encoding.split(","):
        coding, _, parameter = item.partition(";")
        if coding.strip().lower() == "gzip":
            return parameter.replace(" ", "").rstrip("0") not in ("q=", "q=0.")
    return False
