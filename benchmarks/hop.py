"""A bare aiohttp hop: passes `/v1` on and does nothing else. The floor of what an aiohttp gateway can cost.

`python -m benchmarks.hop BASE_URL` prints its port and serves until it is ended.
"""

import asyncio
import sys
from contextlib import suppress

import aiohttp
from aiohttp import web

from benchmarks.loops import run

_JSON = {"Content-Type": "application/json"}


class Hop:
    """Passes each request on to the same path below `base_url` (which ends with /v1)."""

    def __init__(self, base_url: str, session: aiohttp.ClientSession) -> None:
        self._base_url = base_url
        self._session = session

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Pass one request on, and its answer back: one write for each read."""
        url = f"{self._base_url}/{request.match_info['path']}"
        body = await request.read()
        async with self._session.post(url, data=body, headers=_JSON) as answer:
            if answer.content_type != "text/event-stream":
                return web.Response(body=await answer.read(), status=answer.status, headers=_JSON)
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            while data := await answer.content.readany():
                await response.write(data)
            await response.write_eof()
            return response


async def serve(base_url: str) -> None:
    """Serve on a free port of 127.0.0.1, and print which."""
    session = aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    )
    async with session:
        app = web.Application()
        app.router.add_post("/v1/{path:.+}", Hop(base_url, session).post)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        run(serve(sys.argv[1]))
