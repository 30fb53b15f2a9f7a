"""What a check found: an answer to each question, of each model, of each backend."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.backend_settings import BackendSettings
from gateway.codecs.backend_errors import is_unknown_model
from gateway.codecs.contract import Profile
from gateway.codecs.models import ModelInfo
from gateway.errors import ProxyException, UpstreamStatusError

CHECKS = (
    "plain",
    "streaming",
    "stream_options",
    "thinking",
    "thinking_off",
    "tools",
    "parallel_tools",
    "json_schema",
    "json_mode",
    "vision",
    "logprobs",
    "parameters",
    "unknown_parameters",
    "embeddings",
    "embeddings_base64",
    "embeddings_batch",
    "context_length",
)
"""What is found out of every model, in the order in which it is shown."""
CHAT_CHECKS = CHECKS[1 : CHECKS.index("embeddings")]
"""Those that only a model that chats is asked for, `plain` beside."""

_REFUSING = frozenset({400, 404, 405, 413, 415, 422, 501})
_UNABLE = ("not support", "unsupported", "not implemented", "not enabled")


class Answer(StrEnum):
    """`failed`: there was no answer, or one that says nothing of what was asked."""

    YES = "yes"
    NO = "no"
    PARTLY = "partly"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """One finding. `value` is a number where one was measured, `unit` its unit (`ms`, or nothing for counts).

    `word` stands in a table for the answer where it says more. `expected` is what the gateway would have assumed, by
    `expected_by` (its profile, or the list of models).
    `asked` is False where an earlier finding made the question needless.
    """

    answer: Answer
    detail: str = ""
    value: int | None = None
    unit: str = ""
    word: str = ""
    expected: Answer | None = None
    expected_by: str = ""
    asked: bool = True

    @property
    def surprises(self) -> bool:
        """Whether it is the opposite of what the gateway assumes."""
        measured = {Answer.YES: Answer.YES, Answer.PARTLY: Answer.YES, Answer.NO: Answer.NO}.get(self.answer)
        return None not in (self.expected, measured) and self.expected is not measured

    @property
    def is_fine(self) -> bool:
        """Whether it works, if only in part."""
        return self.answer in (Answer.YES, Answer.PARTLY)


def yes(detail: str = "", *, value: int | None = None, unit: str = "", word: str = "") -> Result:
    """Return that it works."""
    return Result(Answer.YES, detail, value, unit, word)


def no(detail: str = "", *, word: str = "") -> Result:
    """Return that it does not work."""
    return Result(Answer.NO, detail, word=word)


def partly(detail: str, *, value: int | None = None, unit: str = "") -> Result:
    """Return that it works but for something."""
    return Result(Answer.PARTLY, detail, value, unit)


def unknown(detail: str) -> Result:
    """Return that the answer leaves it open."""
    return Result(Answer.UNKNOWN, detail)


def not_asked(reason: str) -> Result:
    """Return that there was no point in asking."""
    return Result(Answer.UNKNOWN, f"not asked: {reason}", asked=False)


def told_by(error: ProxyException) -> Result:
    """Return what an error says: a refusal is a no, anything else a failure."""
    if not isinstance(error, UpstreamStatusError):
        return Result(Answer.FAILED, error.message)
    text = f"{error.status}: {error.message}"
    unable = error.status in _REFUSING or any(word in error.message.lower() for word in _UNABLE)
    return no(text) if unable and not is_unknown_model(error) else Result(Answer.FAILED, text)


@dataclass(slots=True)
class ModelReport:
    """What was found of one model. `name`: its id, without secrets. `learned`: the parameters it refuses, sorted."""

    info: ModelInfo
    name: str
    checks: dict[str, Result] = field(default_factory=dict)
    learned: tuple[str, ...] = ()

    @property
    def answers(self) -> bool:
        """Whether the model does anything at all."""
        return any(self.checks[name].is_fine for name in ("plain", "embeddings"))

    def findings(self) -> Iterator[tuple[str, Result]]:
        """Give every check in order."""
        return ((name, self.checks.get(name, not_asked("the check ended early"))) for name in CHECKS)


@dataclass(slots=True)
class BackendReport:
    """What was found of one backend. `how`: where its profile comes from (`configured` or `detected`).

    `left_out`: how many of its models were not asked. `spared`: models were named, and none of them is its.
    """

    settings: BackendSettings
    reachable: Result = field(default_factory=lambda: unknown("not asked"))
    key: Result = field(default_factory=lambda: unknown("not asked"))
    listing: Result = field(default_factory=lambda: unknown("not asked"))
    profile: Profile | None = None
    how: str = ""
    models: list[ModelReport] = field(default_factory=list)
    left_out: int = 0
    spared: bool = False

    @property
    def fine(self) -> bool:
        """Whether it can be reached, takes the key, has models, and one of those asked answers."""
        return (
            self.reachable.is_fine
            and self.key.answer is not Answer.NO
            and (self.spared or any(model.answers for model in self.models))
        )


@dataclass(slots=True)
class Tally:
    """What the check cost: requests sent, and the tokens that the answers say were used."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found."""

    backends: tuple[BackendReport, ...]
    tally: Tally

    @property
    def fine(self) -> bool:
        """Whether every backend is."""
        return bool(self.backends) and all(backend.fine for backend in self.backends)
