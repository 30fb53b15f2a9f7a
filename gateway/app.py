"""create_app: the one place where everything is put together; nothing is built at import."""

from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway._version import __version__
from gateway.backends import POOL
from gateway.backends.asking import Asks
from gateway.backends.pool import create_session
from gateway.catalog import CATALOG
from gateway.config import Config
from gateway.fleet import LiveFleet
from gateway.handlers.admin import AdminHandler
from gateway.handlers.blobs import BlobHandler
from gateway.handlers.body import BODY_TIMEOUT_S
from gateway.handlers.cloud import CloudHandler
from gateway.handlers.embed import embed_handlers
from gateway.handlers.generation import chat_handler, generate_handler
from gateway.handlers.health import HealthHandler
from gateway.handlers.management import management_handlers
from gateway.handlers.metrics import MetricsHandler
from gateway.handlers.models import PsHandler, ShowHandler, TagsHandler
from gateway.handlers.openai_models import OpenAIModelsHandler
from gateway.handlers.pass_through import pass_through_handlers
from gateway.handlers.root import RootHandler
from gateway.handlers.routing import RouteTable
from gateway.handlers.unmatched import register_unmatched
from gateway.handlers.version import VersionHandler
from gateway.lifecycle import LIFECYCLE, Lifecycle
from gateway.middlewares.access_log import access_log_middleware
from gateway.middlewares.authentication import authentication_middleware
from gateway.middlewares.cors import OriginPolicy, install_cors
from gateway.middlewares.errors import error_middleware
from gateway.middlewares.headers import set_answer_headers
from gateway.middlewares.metrics import metrics_middleware
from gateway.middlewares.origin import origin_middleware
from gateway.middlewares.request_id import request_id_middleware
from gateway.middlewares.size_limit import size_limit_middleware
from gateway.telemetry.metrics import METRICS, Metrics
from gateway.version import version_facts


def create_app(config: Config) -> web.Application:
    """Return the gateway as an application, to be run with `server.runner_options`. Call it in a running event loop.

    Raises ValueError when the configuration names no backend, ConfigError when one cannot be set up.
    """
    metrics = Metrics(__version__) if config.metrics.enabled else None
    policy = OriginPolicy(config.access.cors_origins, config.access.ollama_origins)
    app = web.Application(middlewares=_middlewares(config, metrics, policy))
    app[LIFECYCLE] = Lifecycle()
    app[BODY_TIMEOUT_S] = config.listen.body_timeout_s
    if metrics is not None:
        app[METRICS] = metrics
    app.on_response_prepare.append(set_answer_headers)
    install_cors(app, policy)
    fleet = _add_backends(app, config, metrics)
    _add_routes(app, config, metrics, fleet)
    return app


def _middlewares(config: Config, metrics: Metrics | None, policy: OriginPolicy) -> list[Middleware]:
    """Return the middlewares, outermost first."""
    return [
        request_id_middleware,
        access_log_middleware(),
        *([metrics_middleware(metrics)] if metrics is not None else []),
        error_middleware,
        origin_middleware(policy, config.listen.host),
        authentication_middleware(config.access.api_keys, config.access.admin_key),
        size_limit_middleware(config.listen.request_max_size_bytes),
    ]


def _add_backends(app: web.Application, config: Config, metrics: Metrics | None) -> LiveFleet:
    """Build what asks the backends; its tasks start and end with the application."""
    if not config.fleet.backends:
        raise ValueError("there is no backend: set OPENAI_API_BASE_URL or BACKENDS_FILE")
    session = create_session(config.backend)
    fleet = LiveFleet(config, session, metrics)
    app[POOL], app[CATALOG], app[LIFECYCLE].reload = fleet.pool, fleet.catalog, fleet.reload

    async def live(_: web.Application) -> AsyncIterator[None]:
        await fleet.start()
        yield
        await fleet.aclose()
        await session.close()

    app.cleanup_ctx.append(live)
    return fleet


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


def _add_routes(app: web.Application, config: Config, metrics: Metrics | None, fleet: LiveFleet) -> None:
    catalog, pool = fleet.catalog, _asks(app, config, metrics)
    routes = RouteTable(app)
    for handler in (
        RootHandler(__version__),
        VersionHandler(version_facts, detailed=config.version_endpoint),
        HealthHandler(fleet.probers, app[LIFECYCLE], __version__),
        chat_handler(catalog, pool),
        generate_handler(catalog, pool),
        *embed_handlers(catalog, pool),
        TagsHandler(catalog),
        ShowHandler(catalog, config.models.default_context_length),
        PsHandler(catalog, config.models.default_context_length),
        *management_handlers(catalog, strict=config.models.management == "strict"),
        BlobHandler(config.backend.total_timeout_s),
        CloudHandler(),
        *pass_through_handlers(catalog, pool),
        OpenAIModelsHandler(catalog),
    ):
        handler.register(routes)
    if config.access.admin_key is not None:
        AdminHandler(fleet.reload).register(routes)
    if metrics is not None:
        text = config.metrics.prometheus
        MetricsHandler(metrics, config.metrics.path, text=text, public=config.access.metrics_public).register(routes)
    register_unmatched(app)
