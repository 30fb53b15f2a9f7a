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


async def send(request: web.Request, sent: Entity, headers: Mapping[str, str]) -> web.Response:
    """Answer with an entity in the form the client takes, or with 304 to one that has it. `headers` name its type."""
    packed = takes_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ())))
    about = {
        **headers,
        hdrs.ETAG: f'"{sent.packed_etag if packed else sent.etag}"',
        hdrs.CACHE_CONTROL: "no-cache",
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
    }
    if any(tag.value in (sent.etag, sent.packed_etag, "*") for tag in request.if_none_match or ()):
        del about[hdrs.CONTENT_TYPE]
        return web.Response(status=304, headers=about)
    if packed:
        return web.Response(body=sent.packed, headers={**about, hdrs.CONTENT_ENCODING: "gzip"})
    # Some are large: streams of others go on meanwhile.
    return web.Response(body=await asyncio.to_thread(gzip.decompress, sent.packed), headers=about)


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding names gzip, and not with a quality of 0."""
    for item in accept_encoding.split(","):
        coding, _, parameter = item.partition(";")
        if coding.strip().lower() == "gzip":
            return parameter.replace(" ", "").rstrip("0") not in ("q=", "q=0.")
    return False
