"""One backend, visited: is it there, does it take our key, what does it list; then its models, one after the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import override

import aiohttp

from gateway.backend_settings import BackendSettings
from gateway.backends.backend import Backend
from gateway.backends.detection import Detector
from gateway.backends.learning import EVERY_MODEL
from gateway.backends.listing import Listed, ModelLister
from gateway.backends.metadata import ModelDescriber
from gateway.backends.profiles import profile_for
from gateway.catalog.offer import Offer
from gateway.codecs.models import ModelInfo
from gateway.doctor.choosing import LIMIT, choose, named, served
from gateway.doctor.examination import examine
from gateway.doctor.line import Line
from gateway.doctor.patient import Patient
from gateway.doctor.results import Answer, BackendReport, Result, Tally, no, told_by, unknown, yes
from gateway.errors import ProxyException, TranslationError, UpstreamStatusError
from gateway.settings_text import ConfigError, Problem
from gateway.telemetry.masking import mask

type Progress = Callable[[str, str, str], None]
"""Is told the names of backend, model and check ("" where it is about none) before each step."""

_REFUSED = (401, 403)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which backends and models are asked; nothing named: every backend, and some models of each."""

    backends: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    all_models: bool = False


class TimedLister(ModelLister):
    """A ModelLister that knows how long the last reading took."""

    latency_s = 0.0

    @override
    async def read(self, client_key: str | None) -> Listed:
        """Read the list, and take the time."""
        started_s = time.monotonic()
        try:
            return await super().read(client_key)
        finally:
            self.latency_s = time.monotonic() - started_s


class Visit:
    """Everything that is asked of one backend. `list_timeout_s` bounds the reading of its list.

    Raises ConfigError where its TLS files cannot be loaded.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: BackendSettings,
        list_timeout_s: float,
        tally: Tally,
        progress: Progress,
    ) -> None:
        self.report = BackendReport(settings)
        self._settings = settings
        self._session = session
        self._list_timeout_s = list_timeout_s
        self._progress = progress
        self._backend = _backend(settings)
        self._detector = Detector(session, self._backend)
        self._line = Line(session, self._backend, settings.timeouts.first_token_s, tally)
        self._offer = Offer(settings, None)

    async def knock(self) -> None:
        """Ask for the list, and without the key whether it is needed; read which kind of server this is."""
        self._progress(self._settings.name, "", "models")
        lister = TimedLister(self._session, self._backend, self._list_timeout_s, attempts=1)
        models: tuple[ModelInfo, ...] | None = None
        error: ProxyException | None = None
        try:
            models = await ModelDescriber(self._session, self._backend, lister, self._detector).fetch(None)
        except ProxyException as failure:
            error = failure
        self.report.reachable = _reached(error, lister.latency_s)
        self.report.listing = told_by(error) if error is not None else yes(value=len(models or ()))
        self.report.key = await self._key(error)
        self._offer = Offer(self._settings, models)

    async def ask_models(self, selection: Selection, *, known_elsewhere: bool) -> None:
        """Ask the chosen models. `known_elsewhere`: another backend has those that are named."""
        chosen = self._chosen(selection, known_elsewhere=known_elsewhere)
        for info in chosen:
            profile = self._detector.profile(info.owned_by)
            learned = self._settings.learned
            refused = {*learned.get(EVERY_MODEL, ()), *learned.get(info.id, ())}
            patient = Patient(self._line, info.id, profile, refused)
            watch = partial(self._progress, self._settings.name, mask(info.id, self._line.secrets))
            self.report.models.append(await examine(patient, info, watch))
        self.report.spared = bool(selection.models) and not chosen
        if not self.report.reachable.is_fine:
            return
        self.report.profile = self._detector.profile(chosen[0].owned_by if chosen else None)
        self.report.how = "configured" if self._settings.profile is not None else "detected"
        if self._line.refusal is not None:
            self.report.key = no(f"refused: {self._line.refusal.message}")

    def has(self, names: tuple[str, ...]) -> bool:
        """Tell whether one of these models is served here."""
        return self.report.reachable.is_fine and bool(named(self._offer, names))

    def _chosen(self, selection: Selection, *, known_elsewhere: bool) -> list[ModelInfo]:
        if not self.report.reachable.is_fine:
            return []
        if selection.models:
            return named(self._offer, selection.models, insist=not known_elsewhere)
        models = served(self._offer)
        chosen = choose(models, limit=None if selection.all_models else LIMIT)
        self.report.left_out = len(models) - len(chosen)
        return chosen

    async def _key(self, error: ProxyException | None) -> Result:
        """Tell whether the list was refused for the key, and whether it is open to everybody."""
        refused = isinstance(error, UpstreamStatusError) and error.status in _REFUSED
        if self._settings.pass_client_key:
            return no("clients bring theirs; there is none to check with") if refused else unknown("clients' own")
        if refused:
            return no("refused" if self._settings.has_key else "one is needed, and none is set")
        if not self._settings.has_key:
            return unknown("none is set") if error is not None else yes("none is set, none is asked for")
        if self._settings.api_key is None or error is not None:
            return unknown("set; nothing tells whether it is needed")
        lister = ModelLister(self._session, _backend(_keyless(self._settings)), self._list_timeout_s, attempts=1)
        try:
            await lister.fetch(None)
        except ProxyException as failure:
            if isinstance(failure, UpstreamStatusError) and failure.status in _REFUSED:
                return yes("accepted, and needed")
            return unknown("set; nothing tells whether it is needed")
        return yes("set; the list does not ask for it")


def _reached(error: ProxyException | None, latency_s: float) -> Result:
    took_ms = round(latency_s * 1000)
    if error is None or isinstance(error, UpstreamStatusError | TranslationError):
        return yes(value=took_ms, unit="ms")
    return Result(Answer.NO, error.message, took_ms, "ms")


def _backend(settings: BackendSettings) -> Backend:
    try:
        backend = Backend.of(settings)
    except ValueError as error:
        right = "certificates and keys in PEM form that belong together"
        raise ConfigError([Problem(f"backend {settings.name}", str(error), right)]) from None
    backend.wants_key_in(profile_for(settings.base_url, name=settings.profile).key_header)
    return backend


def _keyless(settings: BackendSettings) -> BackendSettings:
    return settings.model_copy(update={"api_key": None})
