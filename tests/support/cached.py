"""Requests whose answers may be kept, and what the cache said of them."""

from typing import Any

from tests.support.answers import DONE, ROLE, TEXT, completion, finish, plain, stream, token, usage
from tests.support.backend import Step
from tests.support.gateway import Gateway
from tests.support.ways import Way

SURE = {"temperature": 0, "seed": 7}


def sure(way: Way, **more: Any) -> dict[str, Any]:
    """Return the body of a request whose answer may be kept."""
    return {**way.body, **SURE, **more} if way.v1 else {**way.body, "options": SURE, **more}


def right(way: Way, text: str = TEXT) -> list[Step]:
    """Return an answer in either form: whether `/api` streams what is asked in one piece is not decided here."""
    if way.v1 and not way.streamed:
        return plain(completion(text))
    return stream(ROLE, token(text), finish(), usage(), DONE)


async def ask(gateway: Gateway, way: Way, wanted: str, **more: Any) -> str:
    """Ask, check what the cache did, and return the text of the answer."""
    reply = await gateway.ask(way.path, sure(way, **more))
    assert reply.headers.get("X-Cache", "") == wanted, reply.body
    return way.text(reply)
