"""Learned: which parameters a backend was seen to refuse, so that no later request asks in vain."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import msgspec

from gateway.codecs.contract import Encoded, Question
from gateway.codecs.refusals import refused_parameter
from gateway.errors import ProxyException

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NONE: frozenset[str] = frozenset()
EVERY_MODEL = "*"


class Learned:
    """Refused parameters by backend and model, at most `maximum` pairs: the one unused for longest is forgotten.

    What a backend's configuration says (`seed`) is kept apart: it counts from the start and is never forgotten.
    """

    def __init__(self, maximum: int = 1024) -> None:
        self._maximum = maximum
        self._learnt: OrderedDict[tuple[str, str], frozenset[str]] = OrderedDict()
        self._seeds: dict[str, dict[str, frozenset[str]]] = {}
        self._dropped: dict[tuple[str, str], frozenset[str]] = {}  # what was learnt, with the seeds

    def dropped(self, backend: str, model: str) -> frozenset[str]:
        """Return the parameters not to send to `model` (its name there)."""
        pair = (backend, model)
        if (dropped := self._dropped.get(pair)) is not None:
            self._learnt.move_to_end(pair)
            return dropped
        return self._seeded(backend, model) if self._seeds else _NONE

    def learn(self, backend: str, model: str, parameter: str) -> bool:
        """Remember that `parameter` was refused; return whether that is news."""
        if parameter in self.dropped(backend, model):
            return False
        pair = (backend, model)
        self._learnt[pair] = self._learnt.get(pair, _NONE) | {parameter}
        self._learnt.move_to_end(pair)
        self._dropped[pair] = self._learnt[pair] | self._seeded(backend, model)
        if len(self._learnt) > self._maximum:
            oldest, _ = self._learnt.popitem(last=False)
            del self._dropped[oldest]
        return True

    def seed(self, backend: str, refused: Mapping[str, Iterable[str]]) -> None:
        """Take what is configured of `backend` (by its name for the model, `*` for all) in place of what was."""
        every = frozenset(refused.get(EVERY_MODEL, ()))
        self._seeds[backend] = {model: every.union(names) for model, names in refused.items()}
        if not self._seeds[backend]:
            del self._seeds[backend]
        for pair, learnt in self._learnt.items():
            if pair[0] == backend:
                self._dropped[pair] = learnt | self._seeded(*pair)

    def forget(self, backend: str) -> None:
        """Forget all of a backend that is no longer configured, or is another now."""
        self._seeds.pop(backend, None)
        for pair in [pair for pair in self._learnt if pair[0] == backend]:
            del self._learnt[pair], self._dropped[pair]

    def known(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Return (backend, model, refused parameters), sorted; the model is `*` where every model refuses them."""
        pairs = {(backend, model): names for backend, seeds in self._seeds.items() for model, names in seeds.items()}
        return [(*pair, tuple(sorted(names))) for pair, names in sorted({**pairs, **self._dropped}.items())]

    def _seeded(self, backend: str, model: str) -> frozenset[str]:
        seeds = self._seeds.get(backend)
        if seeds is None:
            return _NONE
        return seeds.get(model) or seeds.get(EVERY_MODEL, _NONE)


def droppable(error: ProxyException, question: Question, encoded: Encoded) -> frozenset[str]:
    """Return the parameters that a refusal names, where the question keeps its meaning without all of them."""
    if error.status not in (400, 422):
        return frozenset()
    try:
        sent = _decode_members(encoded.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return frozenset()  # a client's own bytes: what only a lenient reader takes cannot be edited safely
    refusal = refused_parameter(error, sent)
    if refusal is None or not all(map(question.may_drop, refusal.parameters)):
        return frozenset()
    return frozenset(refusal.parameters)
