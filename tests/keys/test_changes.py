"""What becomes of keys: every sequence of changes against a model that knows nothing of how they are kept."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.keys.changes import KeyRefusedError, Limits, created, revoked, rotated, without_old_secret
from gateway.keys.entries import MOST_SECRETS, KeyBook, digest_of, first_twin
from gateway.keys.store import find_in, table_of
from tests.keys.made import DAY, HOUR, NOW, book_of

NONE = timedelta(0)
NEVER = datetime.max.replace(tzinfo=NOW.tzinfo)


def test_a_new_key_has_its_limits_its_term_and_one_secret() -> None:
    limits = Limits(models=("gpt-*",), rpm=60, tpm=1000, concurrency=2)
    book, secret = created(KeyBook(), "ci", limits, now=NOW, term=90 * DAY)
    [key] = book.keys
    assert (key.name, key.created, key.expires) == ("ci", NOW, NOW + 90 * DAY)
    assert (key.models, key.requests_per_minute, key.tokens_per_minute, key.concurrency) == (("gpt-*",), 60, 1000, 2)
    assert [kept.sha256 for kept in key.secrets] == [digest_of(secret).hex()]


@pytest.mark.parametrize("name", ["ci", "CI"])
def test_a_name_is_given_once(name: str) -> None:
    book, _ = book_of("ci")
    with pytest.raises(KeyRefusedError, match="revoke it first"):
        created(book, name, Limits(), now=NOW)


def test_what_is_not_there_cannot_be_changed() -> None:
    book, _ = book_of("ci")
    for change in (
        lambda: rotated(book, "cd", now=NOW, grace=DAY),
        lambda: revoked(book, "cd"),
        lambda: without_old_secret(book, "CI"),
    ):
        with pytest.raises(KeyRefusedError, match="there is no key"):
            change()


def test_the_old_secret_works_until_its_own_end() -> None:
    book, [old] = book_of("ci")
    book, new = rotated(book, "ci", now=NOW, grace=DAY)
    for secret, after, works in ((old, HOUR, True), (old, DAY, False), (new, HOUR, True), (new, DAY, True)):
        assert (find_in(table_of(book), digest_of(secret), (NOW + after).timestamp) is not None) is works


def test_a_third_secret_is_refused_while_two_work() -> None:
    book, _ = book_of("ci")
    book, _ = rotated(book, "ci", now=NOW, grace=DAY)
    with pytest.raises(KeyRefusedError, match=r"until 2030-02-01T12:00:00Z.*--old.*--grace 0"):
        rotated(book, "ci", now=NOW + HOUR, grace=DAY)
    assert len(rotated(book, "ci", now=NOW + HOUR, grace=NONE)[0].keys[0].secrets) == 1
    assert len(rotated(book, "ci", now=NOW + DAY, grace=DAY)[0].keys[0].secrets) == MOST_SECRETS


def test_an_expired_key_gets_a_new_secret_only_with_a_new_term() -> None:
    book, old = created(KeyBook(), "ci", Limits(), now=NOW, term=HOUR)
    with pytest.raises(KeyRefusedError, match="has expired"):
        rotated(book, "ci", now=NOW + DAY, grace=DAY)
    book, new = rotated(book, "ci", now=NOW + DAY, grace=DAY, term=DAY)
    table = table_of(book)
    assert find_in(table, digest_of(old), (NOW + DAY).timestamp) is None
    assert find_in(table, digest_of(new), (NOW + DAY).timestamp) is not None


def test_a_new_term_is_not_for_the_old_secret() -> None:
    book, old = created(KeyBook(), "ci", Limits(), now=NOW, term=HOUR)
    book, _ = rotated(book, "ci", now=NOW, grace=DAY, term=30 * DAY)
    assert find_in(table_of(book), digest_of(old), (NOW + HOUR).timestamp) is None


def test_the_old_secret_alone_can_be_taken_away() -> None:
    book, [old] = book_of("ci")
    with pytest.raises(KeyRefusedError, match="no older secret"):
        without_old_secret(book, "ci")
    book, new = rotated(book, "ci", now=NOW, grace=DAY)
    table = table_of(without_old_secret(book, "ci"))
    assert digest_of(old) not in table
    assert digest_of(new) in table


def test_no_message_and_no_repr_holds_a_secret() -> None:
    book, [old] = book_of("ci")
    book, new = rotated(book, "ci", now=NOW, grace=DAY)
    with pytest.raises(KeyRefusedError) as refused:
        rotated(book, "ci", now=NOW, grace=DAY)
    for text in (repr(book), repr(table_of(book)), repr(refused.value)):
        assert old not in text
        assert new not in text


@dataclass
class Model:
    """What ought to work: the end of each secret by name, oldest first, and what never may again."""

    ends: dict[str, list[tuple[str, datetime]]] = field(default_factory=dict)
    terms: dict[str, datetime] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)

    def works(self, now: datetime) -> dict[str, str]:
        """Return the names by the secrets that work."""
        return {secret: name for name, ends in self.ends.items() for secret, end in ends if end > now}

    def bury(self, before: dict[str, str], now: datetime) -> None:
        """Remember what has ended."""
        self.dead |= before.keys() - self.works(now).keys()


type Step = tuple[str, str, timedelta, timedelta | None]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "rotate", "rotate", "revoke", "revoke --old", "wait"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from([NONE, HOUR, DAY]),
        st.sampled_from([None, None, HOUR, 3 * DAY]),
    ),
    max_size=25,
)


def expected(model: Model, step: Step, now: datetime) -> bool:
    """Tell whether a step is to be taken."""
    action, name, grace, term = step
    if action == "create":
        return name not in model.ends
    if name not in model.ends:
        return False
    live = [end for _, end in model.ends[name] if end > now]
    if action == "rotate":
        return (term is not None or model.terms[name] > now) and (grace == NONE or len(live) < MOST_SECRETS)
    return action == "revoke" or len(model.ends[name]) > 1


def taken(model: Model, step: Step, now: datetime, secret: str) -> None:
    """Bring the model to where a step leads."""
    action, name, grace, term = step
    if action == "create":
        model.terms[name] = NEVER if term is None else now + term
        model.ends[name] = [(secret, model.terms[name])]
    elif action == "rotate":
        live = [(one, end) for one, end in model.ends[name] if end > now and grace > NONE]
        end_of_key = model.terms[name] = model.terms[name] if term is None else now + term
        # The end of the key is the end of all its secrets; a later one is for the new secret alone.
        old = [(one, min(end, now + grace, end_of_key)) for one, end in live]
        model.ends[name] = [*old, (secret, model.terms[name])]
    elif action == "revoke":
        del model.ends[name]
    else:
        model.ends[name] = model.ends[name][-1:]


def applied(book: KeyBook, step: Step, now: datetime) -> tuple[KeyBook, str]:
    """Take a step."""
    action, name, grace, term = step
    match action:
        case "create":
            return created(book, name, Limits(), now=now, term=term)
        case "rotate":
            return rotated(book, name, now=now, grace=grace, term=term)
        case "revoke":
            return revoked(book, name), ""
        case _:
            return without_old_secret(book, name), ""


@given(STEPS)
@settings(deadline=None)
def test_after_any_changes_exactly_the_right_secrets_work(steps: list[Step]) -> None:
    book, model, now = KeyBook(), Model(), NOW
    for step in steps:
        before = model.works(now)
        if step[0] == "wait":
            now += step[2] + timedelta(minutes=1)
        elif expected(model, step, now):
            book, secret = applied(book, step, now)
            taken(model, step, now, secret)
        else:
            with pytest.raises(KeyRefusedError):
                applied(book, step, now)
        model.bury(before, now)
        written = msgspec.json.encode(book)
        assert msgspec.json.decode(written, type=KeyBook) == book
        assert first_twin(book) is None
        table, works = table_of(book), model.works(now)
        for secret in works.keys() | model.dead:
            caller = find_in(table, digest_of(secret), now.timestamp)
            assert (caller.name if caller is not None else None) == works.get(secret)
            assert secret.encode() not in written
