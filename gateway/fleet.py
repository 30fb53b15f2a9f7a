"""LiveFleet: the backends of an application put together, and replaced as one when the configuration is read again."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from aiohttp import ClientSession

from gateway.backend_settings import BackendSettings, Fleet
from gateway.backends.backend import Backend
from gateway.backends.detection import Detector
from gateway.backends.listing import ModelLister
from gateway.backends.metadata import ModelDescriber
from gateway.backends.pool import Pool
from gateway.backends.probing import Prober, Probers
from gateway.backends.profiles import profile_for
from gateway.backends.sessions import create_session
from gateway.catalog.catalog import Catalog
from gateway.catalog.source import Source
from gateway.codecs.contract import Profile
from gateway.config import Config
from gateway.keys.store import KeyStore
from gateway.settings_text import ConfigError, Problem
from gateway.telemetry.logging import get_logger, keep_out_of_logs
from gateway.telemetry.metrics import Metrics

_log = get_logger("fleet")


class LiveFleet:
    """What asks the backends of `config.fleet`: `pool`, `catalog` and `probers`, over a session that it does not own.

    `keys` are read again with the rest.

    Raises ConfigError where a backend's TLS files cannot be loaded.
    """

    def __init__(
        self, config: Config, session: ClientSession, metrics: Metrics | None, keys: KeyStore | None = None
    ) -> None:
        self._config = config
        self._keys = keys
        self._session = session
        self._unpooled = create_session(config.backend, pooled=False)
        self._reloading = asyncio.Lock()
        self._sources: dict[str, tuple[Backend, Source]] = {}
        backends = _backends(config.fleet, {})
        self.pool = Pool(
            session,
            backends,
            max_retries=config.backend.max_retries,
            delivery=config.backend.delivery,
            guarded_tokens=config.backend.guarded_tokens,
            keepalive_s=config.backend.keepalive_timeout_s,
            unpooled=self._unpooled,
            metrics=metrics,
        )
        self.catalog = Catalog(
            self._listed(backends),
            mapping=config.models.mapping,
            rules=config.fleet.rules,
            default_model=config.models.default_model,
            cache_ttl_s=config.models.cache_ttl_s,
        )
        self.probers = Probers(self._prober)

    async def start(self) -> None:
        """Begin to probe."""
        for warning in self._keys.warnings if self._keys is not None else ():
            _log.warning("configuration", detail=warning)
        await self.probers.replace(self.pool.backends.values())
        self.probers.start()

    async def aclose(self) -> None:
        """Stop what runs in the background."""
        await self.probers.aclose()
        await self.catalog.aclose()
        await self._unpooled.close()

    async def reload(self) -> Sequence[str]:
        """Read the configuration again and go on with its backends, rules and mapping; return the backends' names.

        Requests that run are not disturbed. Raises ConfigError, and nothing has changed.
        """
        async with self._reloading:
            config = await asyncio.to_thread(self._config.reread)
            loaded = await asyncio.to_thread(self._keys.read) if self._keys is not None else None
            if not config.fleet.backends:
                raise ConfigError([Problem("BACKENDS_FILE", "names no backend", "a file with backends")])
            keep_out_of_logs(config.secrets())
            backends = _backends(config.fleet, self.pool.backends)
            self.pool.replace(backends)
            self.catalog.replace(self._listed(backends), mapping=config.models.mapping, rules=config.fleet.rules)
            await self.probers.replace(backends)
            self._config = config
            if self._keys is not None and loaded is not None:
                self._keys.replace(loaded)
            names = [backend.name for backend in backends]
            for warning in (*config.warnings, *(loaded.warnings if loaded is not None else ())):
                _log.warning("configuration", detail=warning)
            _log.info("configuration read again", backends=names)
            return names

    def _listed(self, backends: Sequence[Backend]) -> list[Source]:
        before, self._sources = self._sources, {}
        for backend in backends:
            kept = before.get(backend.name)
            source = kept[1] if kept is not None and kept[0] is backend else self._source(backend)
            self._sources[backend.name] = backend, source
        return [source for _, source in self._sources.values()]

    def _source(self, backend: Backend) -> Source:
        config = self._config.backend
        detector = Detector(self._session, backend)
        lister = ModelLister(self._session, backend, config.health_check_timeout_s)
        settings = backend.settings

        def profile_of(owned_by: str) -> Profile:
            profile = detector.profile(owned_by)
            backend.wants_key_in(profile.key_header)
            return adapted(profile, settings, config.plain_requests)

        return Source(
            settings=settings,
            fetch=ModelDescriber(self._session, backend, lister, detector).fetch,
            profile_of=profile_of,
            per_client_key=backend.pass_client_key,
        )

    def _prober(self, backend: Backend) -> Prober:
        timeout_s = self._config.backend.health_check_timeout_s
        return Prober(self._session, backend, timeout_s, on_answer=self.pool.recovered)


def adapted(profile: Profile, settings: BackendSettings, plain_requests: str) -> Profile:
    """Return a kind's profile as one backend is configured: its batches of texts, and how plain questions are asked."""
    batch = settings.limits.embedding_batch
    return msgspec.structs.replace(
        profile,
        embedding_batch=min(batch, profile.embedding_batch) if batch is not None else profile.embedding_batch,
        streams_plain=profile.streams_plain and plain_requests != "direct",
        always_streams=plain_requests == "streamed",
    )


def _backends(fleet: Fleet, known: Mapping[str, Backend]) -> list[Backend]:
    """Return the backends; one whose settings did not change stays as it is, with what is known of it."""
    backends: list[Backend] = []
    for settings in fleet.backends:
        kept = known.get(settings.name)
        backends.append(kept if kept is not None and kept.settings == settings else _backend(settings))
    return backends


def _backend(settings: BackendSettings) -> Backend:
    try:
        backend = Backend.of(settings)
    except ValueError as error:
        right = "certificates and keys in PEM form that belong together"
        raise ConfigError([Problem(f"backend {settings.name}", str(error), right)]) from None
    backend.wants_key_in(profile_for(settings.base_url, name=settings.profile).key_header)
    return backend
