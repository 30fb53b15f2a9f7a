"""Server-sent events at a reader's pace."""

import asyncio
from collections.abc import Iterable

from aiohttp import web
from aiohttp_sse import sse_response


async def stream(request: web.Request, chunks: Iterable[str], pace_s: float) -> web.StreamResponse:
    """Sends each chunk as an event, `pace_s` apart, then `[DONE]`; ends quietly when the client leaves."""
    answer: web.StreamResponse = web.Response(status=499)
    if request.transport is None:
        return answer
    try:
        # aiohttp-sse takes only GET, as browsers have it, unless told otherwise.
        async with sse_response(request, sep="\n", allow_all_methods=True) as answer:
            for chunk in chunks:
                await answer.send(chunk)
                if pace_s:
                    await asyncio.sleep(pace_s)
            await answer.send("[DONE]")
    except OSError:
        # Nobody is left to be told: the connection was reset, or took nothing for two minutes.
        pass
    return answer
