"""Entity: what is sent often and never changes: its bytes, compressed once, and the tags by which it is known again."""

import gzip
import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import hdrs, web


class Entity(NamedTuple):
    """Bytes, the same in gzip, and a tag (without quotes) for each of both."""

    body: bytes
    packed: bytes
    etag: str

    @property
    def packed_etag(self) -> str:
        """The tag of the compressed form: other bytes are another entity."""
        return f"{self.etag}-gz"


def entity(body: bytes, packed: bytes | None = None) -> Entity:
    """Return bytes as an entity; `packed` where they are there in gzip already."""
    packed = gzip.compress(body, 9, mtime=0) if packed is None else packed
    return Entity(body, packed, hashlib.sha256(body).hexdigest()[:32])


def send(
    request: web.Request, sent: Entity, content_type: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with an entity in the form the client takes, or with 304 for one that has it."""
    packed = takes_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ())))
    about = {
        hdrs.ETAG: f'"{sent.packed_etag if packed else sent.etag}"',
        hdrs.CACHE_CONTROL: "no-cache",
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
        **(headers or {}),
    }
    if any(tag.value in (sent.etag, sent.packed_etag, "*") for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=about)
    about[hdrs.CONTENT_TYPE] = content_type
    if packed:
        about[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(body=sent.packed if packed else sent.body, headers=about)


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding names gzip, and not with a quality of 0."""
    for item in accept_encoding.split(","):
        coding, _, parameter = item.partition(";")
        if coding.strip().lower() == "gzip":
            return parameter.replace(" ", "").rstrip("0") not in ("q=", "q=0.")
    return False
