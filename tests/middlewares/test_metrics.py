import asyncio
import json

from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from gateway.exchange import EXCHANGE, Dialect
from gateway.handlers.routing import RouteTable
from gateway.telemetry.metrics import METRICS
from gateway.telemetry.recent import Recent
from gateway.telemetry.waiting import waiting
from tests.middlewares.application import answering, build, raising


async def test_answers_and_errors_are_counted_with_their_status(aiohttp_client: AiohttpClient) -> None:
    app = build(answering(), raising(ValueError()))
    client = await aiohttp_client(app)
    await client.get("/answers")
    await client.post("/fails")
    await client.get("/nowhere/at/all")
    routes = app[METRICS].routes
    assert routes["/answers"].requests == {("GET", 200, "ollama"): 1}
    assert routes["/fails"].requests == {("POST", 500, "ollama"): 1}
    assert routes["/fails"].errors == {"internal": 1}
    assert routes["other"].requests == {("GET", 404, "ollama"): 1}


async def test_unknown_paths_make_no_label_of_their_own(aiohttp_client: AiohttpClient) -> None:
    app = build()
    client = await aiohttp_client(app)
    for number in range(5):
        await client.get(f"/made-up/{number}")
    assert list(app[METRICS].routes) == ["other"]


async def test_bodies_are_measured_both_ways(aiohttp_client: AiohttpClient) -> None:
    def echoes(routes: RouteTable) -> None:
        async def echo(request: web.Request) -> web.Response:
            return web.Response(body=await request.read())

        routes.add("POST", "/echoes", echo, dialect=Dialect.OLLAMA)

    app = build(echoes)
    client = await aiohttp_client(app)
    await client.post("/echoes", data=b"x" * 321)
    metrics = app[METRICS]
    assert (metrics.request_sizes.total, metrics.response_sizes.total) == (321, 321)


async def test_a_slower_handler_shows_in_the_overhead(aiohttp_client: AiohttpClient) -> None:
    def sleeps(routes: RouteTable) -> None:
        async def sleep(request: web.Request) -> web.Response:
            await asyncio.sleep(0.05)
            return web.Response()

        async def wait(request: web.Request) -> web.Response:
            await waiting(request[EXCHANGE], asyncio.sleep(0.05))
            return web.Response()

        routes.add("GET", "/sleeps", sleep, dialect=Dialect.OLLAMA)
        routes.add("GET", "/waits", wait, dialect=Dialect.OLLAMA)

    app = build(sleeps)
    client = await aiohttp_client(app)
    for path in ("/sleeps", "/waits"):
        await client.get(path)
    own, others = (app[METRICS].routes[path] for path in ("/sleeps", "/waits"))
    assert own.overheads.total >= 49e6
    assert others.durations.total - others.overheads.total >= 49e6


async def test_the_ring_keeps_a_request_and_not_its_key(aiohttp_client: AiohttpClient) -> None:
    recent = Recent()
    client = await aiohttp_client(build(answering(), recent=recent))
    await client.get("/answers", headers={"Authorization": "Bearer own-key-of-a-client", "X-Request-ID": "mine"})
    (exchange,) = recent
    assert (exchange.request_id, exchange.status, exchange.client_key) == ("mine", 200, None)
    assert exchange.ended_ns is not None
    assert "own-key" not in json.dumps(recent.find("mine"))


async def test_a_request_is_in_flight_until_its_client_leaves(aiohttp_server: AiohttpServer) -> None:
    started = asyncio.Event()

    def waits(routes: RouteTable) -> None:
        async def wait(request: web.Request) -> web.Response:
            started.set()
            await asyncio.Event().wait()
            return web.Response()

        routes.add("GET", "/waits", wait, dialect=Dialect.OLLAMA)

    app = build(waits)
    server = await aiohttp_server(app)
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await started.wait()
    numbers = app[METRICS].routes["/waits"]
    assert numbers.in_flight == 1
    writer.close()
    async with asyncio.timeout(10):
        while numbers.in_flight:
            await asyncio.sleep(0.01)
    assert numbers.requests == {("GET", 499, "ollama"): 1}
    assert numbers.errors == {"client_gone": 1}
