"""Routes: where a name leads, over all backends. Pure: the answer follows from what the lists say now."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.backend_settings import ModelRule
from gateway.catalog.mapping import NameMapping
from gateway.catalog.names import ANY_TEXT, PatternTable
from gateway.catalog.offer import GUESSED, Match, Offer
from gateway.catalog.source import Source
from gateway.catalog.union import union
from gateway.codecs.contract import Target
from gateway.codecs.models import ModelInfo, virtual_model
from gateway.codecs.virtual import VirtualModel
from gateway.mapping_entries import Entry

MAX_NAMES = 1024
MAX_NAME_CHARS = 512
"""For how many names, and how long ones, their targets are kept."""
ANY_MODEL = "any"
"""As the model of a fallback: the backend's first one that completes texts."""

_NO_RULE = ModelRule()


class Setup:
    """What is configured, and stays until the next reload; `sources` are in the order of their priority."""

    __slots__ = ("default_model", "mapping", "per_client_key", "rules", "sources")

    def __init__(
        self,
        sources: Sequence[Source],
        mapping: Mapping[str, Entry],
        rules: Mapping[str, ModelRule],
        default_model: str | None,
    ) -> None:
        self.sources = tuple(sorted(sources, key=lambda source: source.settings.priority))
        self.mapping = NameMapping(mapping)
        self.rules = PatternTable(rules)
        self.default_model = default_model
        self.per_client_key = any(source.per_client_key for source in sources)


class Place(NamedTuple):
    """A backend, and what it has."""

    source: Source
    offer: Offer


class Route(NamedTuple):
    """One way that a name can go."""

    place: Place
    match: Match


class Found(NamedTuple):
    """Where a name leads, best first; nowhere when there are no `routes`.

    `virtual`: the mapping's entry for it. `name`: what the backends were asked for, without the part that names one.
    `stand_in`: the name that answers in its place. `sure`: it can be asked for before all lists are read.
    `doubtful`: it may be found at last, or elsewhere, when all backends are asked for their lists again.
    """

    routes: tuple[Route, ...] = ()
    virtual: VirtualModel | None = None
    name: str = ""
    stand_in: str = ""
    sure: bool = False
    doubtful: bool = False

    @property
    def at_once(self) -> bool:
        """Whether it is sure, and the first backend to be asked is one whose list was read."""
        return self.sure and self.routes[0].place.offer.models is not None


class Routes:
    """The ways of all names while each backend of `setup` has what `offers` says, in the same order.

    `kept` has the targets of names that were asked for: they change only together with the offers.
    """

    __slots__ = ("_by_name", "_models", "_places", "_virtual_infos", "kept", "offers", "setup")

    def __init__(self, setup: Setup, offers: tuple[Offer, ...]) -> None:
        self.setup = setup
        self.offers = offers
        self.kept: dict[str, tuple[Target, ...]] = {}
        self._places = tuple(Place(source, offer) for source, offer in zip(setup.sources, offers, strict=True))
        self._by_name = {place.source.name.casefold(): place for place in self._places}
        self._models: tuple[ModelInfo, ...] | None = None
        self._virtual_infos: dict[str, ModelInfo] = {}

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """What clients are shown: the models of all backends, each name once, then the mapping's."""
        if self._models is None:
            ways = ((virtual, self._behind(virtual)) for virtual in self.setup.mapping.virtuals)
            mapped = [self._virtual_info(virtual, found) for virtual, found in ways if found.routes]
            self._models = union([offer.shown for offer in self.offers], mapped)
        return self._models

    def find(self, name: str) -> Found:
        """Return where `name` leads; where it leads nowhere, where DEFAULT_MODEL does."""
        name = name.strip()
        found = self._named(name) if name else Found()
        if found.routes or self.setup.default_model is None:
            return found
        instead = self._named(self.setup.default_model, insist=True)
        return instead._replace(
            stand_in=self.setup.default_model, sure=instead.sure and not name, doubtful=found.doubtful
        )

    def info(self, found: Found) -> ModelInfo | None:
        """Return what is known of the model that was found."""
        if not found.routes:
            return None
        return found.routes[0].match.shown if found.virtual is None else self._virtual_info(found.virtual, found)

    def listed(self, name: str) -> tuple[ModelInfo | None, bool]:
        """Return the model listed, configured or mapped as `name`, and whether that is sure."""
        found = self._named(name.strip()) if name.strip() else Found()
        if found.virtual is None and not _is_known(found.routes):
            return None, False
        return self.info(found), found.sure

    def targets(self, name: str, found: Found) -> tuple[Target, ...]:
        """Return the targets of `name`, for which `found` is the way: those that serve it, then its fallbacks'."""
        if not found.routes:
            return ()
        asked = name.strip() or found.stand_in
        rule = self.setup.rules.find(asked) or self.setup.rules.find_pattern(asked) or _NO_RULE
        ways = [found, *(self._fallback(entry.strip(), asked, found) for entry in rule.fallbacks)]
        targets: dict[tuple[str, str], Target] = {}
        for number, way in enumerate(ways):
            for target in _targets(way, number, rule):
                targets.setdefault((target.backend, target.model), target)
        answer = tuple(targets.values())
        if self._is_final(ways) and len(name) <= MAX_NAME_CHARS:
            if len(self.kept) >= MAX_NAMES:
                del self.kept[next(iter(self.kept))]
            self.kept[name] = answer
        return answer

    def _named(self, name: str, *, insist: bool = False) -> Found:
        """Return where a name leads by the mapping and the backends; `insist`: also if nobody has it."""
        if (virtual := self.setup.mapping.find(name)) is not None:
            return self._behind(virtual)
        bare, routes = self._lead(name)
        if _is_known(routes):
            return Found(routes, name=bare, sure=True)
        if (virtual := self.setup.mapping.find_pattern(name)) is not None and (found := self._behind(virtual)).routes:
            return found._replace(sure=False)  # a pattern is for names that nobody has
        if insist:
            bare, routes = self._lead(name, insist=True)
        return Found(routes, name=bare, doubtful=not routes or len(self._places) > 1)

    def _behind(self, virtual: VirtualModel) -> Found:
        # Not `_named`: what an entry names is a backend's, never another entry. And it need not be listed.
        bare, routes = self._lead(virtual.model, insist=True)
        known = _is_known(routes)
        return Found(routes, virtual, bare, sure=known, doubtful=not known and len(routes) != 1)

    def _lead(self, name: str, *, insist: bool = False) -> tuple[str, tuple[Route, ...]]:
        """Return the ways of a backend's name for a model, or of `backend/model`, with the name that is asked for."""
        routes = _routes(name, self._places, insist=insist)
        if _is_known(routes):
            return name, routes
        backend, _, model = name.partition("/")
        if model and (place := self._by_name.get(backend.casefold())) is not None:
            return model, _routes(model, (place,), insist=insist)
        return name, routes

    def _fallback(self, entry: str, asked: str, found: Found) -> Found:
        """Return where an entry of `fallbacks` leads for a request for `asked`, which itself leads to `found`."""
        backend, _, model = entry.partition("/")
        place = self._by_name.get(backend.casefold())
        if place is not None and model == ANY_TEXT:
            return found._replace(routes=_routes(found.name, (place,)), stand_in=found.stand_in or asked)
        if place is not None and model.casefold() == ANY_MODEL:
            match = place.offer.find(model)
            if match is None or match.tier == GUESSED:
                match = place.offer.first_to_complete()
            return Found((Route(place, match),), stand_in=match.shown.id) if match is not None else Found()
        other = self._named(entry)
        return other._replace(stand_in=entry if other.virtual is not None else other.name)

    def _virtual_info(self, virtual: VirtualModel, found: Found) -> ModelInfo:
        if virtual.name not in self._virtual_infos:
            self._virtual_infos[virtual.name] = virtual_model(virtual, found.routes[0].match.model)
        return self._virtual_infos[virtual.name]

    def _is_final(self, ways: Sequence[Found]) -> bool:
        """Tell whether only a new list, or another profile seen with one, can change where the ways lead."""
        way = ways[0]
        if way.doubtful or not (way.sure or all(offer.models is not None for offer in self.offers)):
            return False
        return all(route.place.offer.models is not None for way in ways for route in way.routes)


def _routes(name: str, places: Sequence[Place], *, insist: bool = False) -> tuple[Route, ...]:
    """Return the ways of `name`, best first; those of which nobody knows only where there is no other."""
    found = [Route(place, match) for place in places if (match := place.offer.find(name, insist=insist)) is not None]
    found.sort(key=lambda route: route.match.tier)  # the places are in the order of their priority already
    return tuple(route for route in found if route.match.tier != GUESSED) or tuple(found)


def _is_known(routes: Sequence[Route]) -> bool:
    return bool(routes) and routes[0].match.tier != GUESSED


def _targets(found: Found, fallback: int, rule: ModelRule) -> list[Target]:
    return [
        Target(
            backend=place.source.name,
            model=match.model.id,
            profile=place.source.profile_of(match.model.owned_by),
            defaults=found.virtual.defaults if found.virtual is not None else None,
            stand_in=found.stand_in,
            denied=match.model.denied,
            tier=match.tier,
            fallback=fallback,
            delivery=rule.delivery,
            sticky=rule.sticky,
            clocks=rule.clocks,
        )
        for place, match in found.routes
    ]
