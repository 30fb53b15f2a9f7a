"""create_app: the one place where everything is put together; nothing is built at import."""

from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway._version import __version__
from gateway.backends import POOL
from gateway.backends.backend import Backend
from gateway.backends.listing import ModelLister
from gateway.backends.metadata import ModelDescriber
from gateway.backends.pool import Pool, create_session
from gateway.backends.probing import PROBER, Prober
from gateway.backends.profiles import profile_for
from gateway.catalog import CATALOG
from gateway.catalog.catalog import Catalog
from gateway.config import Config
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

BACKEND_NAME = "main"
"""What the one backend of OPENAI_API_BASE_URL is called in logs and metrics."""


def create_app(config: Config) -> web.Application:
    """Return the gateway as an application, to be run with `server.runner_options`. Call it in a running event loop.

    Raises ValueError when the configuration names no backend.
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
    _add_backend(app, config, metrics)
    _add_routes(app, config, metrics)
    return app


def _middlewares(config: Config, metrics: Metrics | None, policy: OriginPolicy) -> list[Middleware]:
    """Return the middlewares, outermost first."""
    return [
        request_id_middleware,
        access_log_middleware(),
        *([metrics_middleware(metrics)] if metrics is not None else []),
        error_middleware,
        origin_middleware(policy, config.listen.host),
        authentication_middleware(config.access.api_keys),
        size_limit_middleware(config.listen.request_max_size_bytes),
    ]


def _add_backend(app: web.Application, config: Config, metrics: Metrics | None) -> None:
    """Build what asks the backend; its tasks start and end with the application."""
    settings = config.backend
    if settings.base_url is None:
        raise ValueError("there is no backend: set OPENAI_API_BASE_URL")
    backend = Backend(
        BACKEND_NAME,
        settings.base_url,
        api_key=settings.api_key,
        pass_client_key=settings.api_key is None and not config.access.api_keys,
    )
    session = create_session(settings)
    app[POOL] = Pool(session, [backend], settings, metrics)
    app[PROBER] = Prober(session, backend, settings.health_check_timeout_s)
    lister = ModelLister(session, backend, settings.health_check_timeout_s)
    app[CATALOG] = Catalog(
        ModelDescriber(session, backend, lister).fetch,
        backend_name=backend.name,
        profile_of=lambda owned_by: profile_for(backend.base_url, owned_by),
        mapping=config.models.mapping,
        default_model=config.models.default_model,
        cache_ttl_s=config.models.cache_ttl_s,
        per_client_key=backend.pass_client_key,
    )

    async def live(app: web.Application) -> AsyncIterator[None]:
        app[PROBER].start()
        yield
        await app[PROBER].aclose()
        await app[CATALOG].aclose()
        await session.close()

    app.cleanup_ctx.append(live)


def _add_routes(app: web.Application, config: Config, metrics: Metrics | None) -> None:
    catalog, pool = app[CATALOG], app[POOL]
    routes = RouteTable(app)
    for handler in (
        RootHandler(__version__),
        VersionHandler(version_facts, detailed=config.version_endpoint),
        HealthHandler(app[PROBER], app[LIFECYCLE], __version__),
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
    if metrics is not None:
        text = config.metrics.prometheus
        MetricsHandler(metrics, config.metrics.path, text=text, public=config.access.metrics_public).register(routes)
    register_unmatched(app)
