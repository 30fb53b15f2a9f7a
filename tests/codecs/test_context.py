"""`context` carries a conversation there and back, and nothing else is taken for one."""

import json
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.context import MAX_HISTORY_BYTES, MAX_PACKED_BYTES, Conversation, Turn, pack_context, unpack_context

TURNS: list[Turn] = [("system", "be brief"), ("user", "hé🙂"), ("assistant", "yes\n")]

turns = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text(max_size=50)), max_size=8)


@given(turns=turns)
def test_turns_come_back_as_they_went(turns: list[Turn]) -> None:
    assert unpack_context(pack_context(turns)) == turns


def test_integers_fit_where_clients_keep_tokens() -> None:
    packed = pack_context([("user", random.Random(1).randbytes(5000).hex())])
    assert all(0 <= value < 2**31 for value in packed)


@given(context=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40))
def test_foreign_integers_are_ignored(context: list[int]) -> None:
    assert unpack_context(context) == []


@given(position=st.integers(0, 30), value=st.integers(-(2**40), 2**40))
def test_a_broken_context_is_ignored_or_says_what_it_said(position: int, value: int) -> None:
    context = pack_context(TURNS)
    context[position % len(context)] = value
    assert unpack_context(context) in ([], TURNS)


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 5, -1])
def test_a_cut_context_is_ignored(cut: int) -> None:
    assert unpack_context(pack_context(TURNS)[:cut]) == []


def forged(data: bytes) -> list[int]:
    head = pack_context(TURNS)[:2]
    packed = zlib.compress(data, 9)
    padded = packed + b"\0" * (-len(packed) % 3)
    return [*head, len(packed), *(int.from_bytes(padded[at : at + 3], "big") for at in range(0, len(padded), 3))]


def test_a_bomb_is_not_unpacked() -> None:
    bomb = forged(b"[" + b" " * (64 * MAX_HISTORY_BYTES) + b"]")
    assert unpack_context(bomb) == []


@pytest.mark.parametrize(
    "value", [{"a": 1}, [["user"]], [["tool", "x"]], [["user", 1]], [[]], "text", None, [["user", "x", "y"]]]
)
def test_what_is_packed_but_no_history_is_ignored(value: object) -> None:
    assert unpack_context(forged(json.dumps(value).encode())) == []


def test_deep_nesting_is_ignored() -> None:
    assert unpack_context(forged(b"[" * 100_000)) == []


def test_the_oldest_turns_give_way_when_all_are_too_much() -> None:
    noise = random.Random(2)
    long: list[Turn] = [("user", f"{number} {noise.randbytes(8000).hex()}") for number in range(40)]
    packed = pack_context(long)
    assert packed[2] <= MAX_PACKED_BYTES
    kept = unpack_context(packed)
    assert kept
    assert kept == long[-len(kept) :]


def test_one_turn_that_is_too_much_leaves_an_empty_history() -> None:
    assert unpack_context(pack_context([("user", "x" * (2 * MAX_HISTORY_BYTES))])) == []


def test_a_conversation_goes_on_with_its_context() -> None:
    first = Conversation([], system="be brief", prompt="one")
    assert first.turns == [("system", "be brief"), ("user", "one")]
    second = Conversation(json.loads(first.context("1")), system="", prompt="two")
    assert second.turns == [("system", "be brief"), ("user", "one"), ("assistant", "1"), ("user", "two")]


def test_a_new_system_prompt_takes_the_place_of_the_old_one() -> None:
    context = pack_context(TURNS)
    assert Conversation(context, system="be long", prompt="x").turns[0] == ("system", "be long")
    assert [role for role, _ in Conversation(context, system="be long", prompt="x").turns].count("system") == 1
