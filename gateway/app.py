"""create_app: the one place where everything is put together; nothing is built at import."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial

import msgspec
from aiohttp import web

from gateway._version import __version__
from gateway.admission import Admission, client_address
from gateway.backends import POOL
from gateway.backends.asking import Asks
from gateway.backends.sessions import create_session
from gateway.catalog import CATALOG
from gateway.channel import ChannelError
from gateway.config import Config
from gateway.fleet import LiveFleet
from gateway.handlers.admin import AdminHandler, answer_others
from gateway.handlers.blobs import BlobHandler
from gateway.handlers.body import BODY_TIMEOUT_S
from gateway.handlers.cloud import CloudHandler
from gateway.handlers.embed import embed_handlers
from gateway.handlers.generation import chat_handler, generate_handler
from gateway.handlers.health import HealthHandler
from gateway.handlers.live import STREAM_CLOCKS, StreamClocks
from gateway.handlers.management import management_handlers
from gateway.handlers.metrics import MetricsHandler
from gateway.handlers.models import PsHandler, ShowHandler, TagsHandler
from gateway.handlers.openai_models import OpenAIModelsHandler
from gateway.handlers.pass_through import pass_through_handlers
from gateway.handlers.root import RootHandler
from gateway.handlers.routing import RouteTable
from gateway.handlers.unmatched import register_unmatched
from gateway.handlers.version import VersionHandler
from gateway.keys.store import KeyStore
from gateway.lifecycle import BREAKERS, BREAKERS_NOW, LIFECYCLE, Lifecycle
from gateway.middlewares.access_log import AccessLog
from gateway.middlewares.authentication import authentication_guard, peer_address
from gateway.middlewares.cors import OriginPolicy, install_cors
from gateway.middlewares.headers import set_answer_headers
from gateway.middlewares.line import Guard, Observer, line
from gateway.middlewares.metrics import Counting
from gateway.middlewares.origin import origin_guard
from gateway.middlewares.size_limit import size_limit_guard
from gateway.telemetry.gathering import FAMILIES, SUMMARY, Gathering
from gateway.telemetry.metrics import METRICS, BackendState, Metrics
from gateway.telemetry.recent import RECENT, Recent
from gateway.telemetry.system import watched
from gateway.telemetry.tracing import open_tracing
from gateway.version import version_facts
from gateway.web.counted import CountedNumbers
from gateway.web.described import DescriptionHandler
from gateway.web.feed import Feed
from gateway.web.reference import ReferenceHandler
from gateway.web.status import StatusPageHandler
from gateway.web.view import View

type Close = Callable[[], Awaitable[None]]

CLOSE: web.AppKey[Close] = web.AppKey("close")
"""Closes what asks the backends; an application that was started calls it itself."""


def create_app(config: Config, lifecycle: Lifecycle | None = None) -> web.Application:
    """Return the gateway as an application, to be run with `server.runner_options`. Call it in a running event loop.

    Raises ValueError when the configuration names no backend, ConfigError when one cannot be set up.
    """
    metrics = Metrics(__version__, buffer_size=config.metrics.buffer_size) if config.metrics.enabled else None
    recent = Recent() if config.access.admin_key is not None or config.status_page else None
    policy = OriginPolicy(config.access.cors_origins, config.access.ollama_origins)
    keys = KeyStore(config.access.keys_file) if config.access.keys_file is not None else None
    lifecycle = lifecycle if lifecycle is not None else Lifecycle()
    tracing = open_tracing(os.environ, __version__)
    observers: list[Observer] = [AccessLog(detail=config.log.detail, per_second=config.log.sample)]
    if metrics is not None or recent is not None or tracing is not None:
        observers.append(Counting(metrics, recent, tracing))
    app = web.Application(middlewares=[line(observers, _guards(config, policy, keys), lifecycle)])
    if tracing is not None:
        app.on_cleanup.append(lambda _: tracing.aclose())
    app[LIFECYCLE] = lifecycle
    app[STREAM_CLOCKS] = StreamClocks(config.backend.heartbeat_interval_s, config.listen.write_timeout_s)
    app[BODY_TIMEOUT_S] = config.listen.body_timeout_s
    if metrics is not None:
        app[METRICS] = metrics
    if recent is not None:
        app[RECENT] = recent
        answer_others(lifecycle, recent)
    app.on_response_prepare.append(set_answer_headers)
    install_cors(app, policy)
    fleet = _add_backends(app, config, metrics, keys)
    if lifecycle.worker is not None:
        _share_breakers(app, fleet)
    admission = _add_admission(app, config, metrics)
    if metrics is not None:
        metrics.breaker_states = fleet.pool.breakers.not_closed
        metrics.list_ages_s = fleet.catalog.list_ages_s
        metrics.queue = lambda: (admission.waiting, admission.running)
        metrics.backends = partial(_backend_states, fleet)
        metrics.connection_limit = config.backend.max_connections
    _add_routes(app, config, metrics, fleet, admission)
    return app


def _guards(config: Config, policy: OriginPolicy, keys: KeyStore | None) -> list[Guard]:
    """Return who looks at a request before its handler, in their order."""
    access, trusted = config.access, config.listen.trusted_proxies
    address = partial(client_address, trusted=trusted) if trusted else peer_address
    return [
        origin_guard(policy, config.listen.host),
        authentication_guard(access.api_keys, access.admin_key, keys=keys, address=address),
        size_limit_guard(config.listen.request_max_size_bytes),
    ]


def _add_admission(app: web.Application, config: Config, metrics: Metrics | None) -> Admission:
    """Build what lets requests in; what it holds is closed with the application."""
    lifecycle = app[LIFECYCLE]
    place = lifecycle.worker
    admission = Admission(
        config,
        meter=metrics,
        ask=partial(lifecycle.ask, "limits") if place is not None else None,
        worker=(place.number, place.count) if place is not None else (0, 1),
    )

    async def live(_: web.Application) -> AsyncIterator[None]:
        yield
        await admission.aclose()

    app.cleanup_ctx.append(live)
    return admission


def _backend_states(fleet: LiveFleet) -> Iterator[BackendState]:
    """Yield what metrics tell of each backend at the moment."""
    probers = fleet.probers.by_backend
    for name, backend in fleet.pool.backends.items():
        prober = probers.get(name)
        latency_ms = prober.latency_ms if prober is not None else None
        probe_s = latency_ms / 1000 if latency_ms is not None else None
        yield BackendState(name, prober is None or prober.usable, probe_s, backend.gate.in_flight)


def _add_gathering(app: web.Application, metrics: Metrics) -> Gathering:
    """Build what knows the numbers of all processes; a worker leaves its own to the supervisor when it goes."""
    lifecycle = app[LIFECYCLE]
    gathering = Gathering(metrics, lifecycle.collect if lifecycle.worker is not None else None)
    lifecycle.topics |= {FAMILIES: gathering.tell_families, SUMMARY: gathering.tell_summary}

    async def live(_: web.Application) -> AsyncIterator[None]:
        async with watched(metrics):
            yield
        if gathering.shared:
            with suppress(ChannelError):
                await lifecycle.ask(FAMILIES, await gathering.tell_families())

    app.cleanup_ctx.append(live)
    return gathering


def _add_backends(app: web.Application, config: Config, metrics: Metrics | None, keys: KeyStore | None) -> LiveFleet:
    """Build what asks the backends; its tasks start and end with the application."""
    if not config.fleet.backends:
        raise ValueError("there is no backend: set OPENAI_API_BASE_URL or BACKENDS_FILE")
    session = create_session(config.backend)
    fleet = LiveFleet(config, session, metrics, keys)
    app[POOL], app[CATALOG], app[LIFECYCLE].reload = fleet.pool, fleet.catalog, fleet.reload

    async def close() -> None:
        await fleet.aclose()
        await session.close()

    async def live(_: web.Application) -> AsyncIterator[None]:
        await fleet.start()
        yield
        await close()

    app[CLOSE] = close
    app.cleanup_ctx.append(live)
    return fleet


def _share_breakers(app: web.Application, fleet: LiveFleet) -> None:
    """Have the workers' breakers learn of each other."""
    from gateway.backends.shared_breakers import SharedBreakers

    lifecycle, pool = app[LIFECYCLE], fleet.pool
    shared = SharedBreakers(
        pool.breakers, partial(lifecycle.tell, BREAKERS), known=lambda backend: backend in pool.backends
    )
    lifecycle.topics |= {BREAKERS: shared.hear, BREAKERS_NOW: shared.now}

    async def live(_: web.Application) -> AsyncIterator[None]:
        # A supervisor of an older version does not know, nor does one that is busy: then this worker learns by itself.
        with suppress(ChannelError, msgspec.ValidationError):
            shared.learn(await lifecycle.ask(BREAKERS_NOW))
        yield
        shared.close()

    app.cleanup_ctx.append(live)


def _asks(app: web.Application, config: Config, metrics: Metrics | None) -> Asks:
    """Return whom the handlers ask: the pool of backends, with a cache before it where one is configured."""
    cache = config.cache
    if cache.url is None:
        return app[POOL]
    from gateway.backends.cache_stores import open_store
    from gateway.backends.caching import CachingPool

    count = metrics.cache_outcome if metrics is not None else None
    store = open_store(cache.url.get_secret_value(), ttl_s=cache.ttl_s, max_bytes=cache.max_bytes, count=count)

    async def close(_: web.Application) -> AsyncIterator[None]:
        yield
        await store.aclose()

    app.cleanup_ctx.append(close)
    return CachingPool(app[POOL], store, count=count)


def _status_page(app: web.Application, metrics: Metrics | None, fleet: LiveFleet) -> StatusPageHandler:
    """Return what serves the status page of this process."""
    lifecycle = app[LIFECYCLE]
    recent = app[RECENT]
    numbers = CountedNumbers(metrics, recent) if metrics is not None else None
    view = View(numbers, fleet.pool, fleet.catalog, fleet.probers, lifecycle, __version__)
    return StatusPageHandler(Feed(view.look, over=lambda: lifecycle.stopping))


def _add_routes(
    app: web.Application, config: Config, metrics: Metrics | None, fleet: LiveFleet, admission: Admission
) -> None:
    catalog, pool = fleet.catalog, _asks(app, config, metrics)
    routes = RouteTable(app)
    status_page = _status_page(app, metrics, fleet) if config.status_page else None
    if status_page is not None:
        status_page.register(routes)
    for handler in (
        RootHandler(__version__, status_page.page if status_page is not None else None),
        VersionHandler(version_facts, detailed=config.version_endpoint),
        HealthHandler(fleet.probers, app[LIFECYCLE], __version__, fleet.pool.breakers.not_closed),
        chat_handler(catalog, pool, admission),
        generate_handler(catalog, pool, admission),
        *embed_handlers(catalog, pool, admission),
        TagsHandler(catalog),
        ShowHandler(catalog, config.models.default_context_length),
        PsHandler(catalog, config.models.default_context_length),
        *management_handlers(catalog, strict=config.models.management == "strict"),
        BlobHandler(config.backend.total_timeout_s),
        CloudHandler(),
        *pass_through_handlers(catalog, pool, admission),
        OpenAIModelsHandler(catalog),
    ):
        handler.register(routes)
    if config.docs:
        DescriptionHandler(__version__, config.metrics.path, wants_key=config.access.wants_key).register(routes)
        ReferenceHandler().register(routes)
    if config.access.admin_key is not None:
        AdminHandler(app[LIFECYCLE].reload_everywhere, app[LIFECYCLE].collect).register(routes)
    if metrics is not None:
        text, public = config.metrics.prometheus, config.access.metrics_public
        gathering = _add_gathering(app, metrics)
        MetricsHandler(gathering, config.metrics.path, text=text, public=public).register(routes)
    register_unmatched(app)
