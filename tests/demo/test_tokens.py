"""Tokens."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.demo import tokens


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_tokens_joined_are_the_text_again(text: str) -> None:
    assert "".join(tokens.split(text)) == text


def test_a_token_is_a_word_with_the_space_before_it() -> None:
    assert tokens.split("One  two,\nthree. ") == ["One", "  two,", "\nthree.", " "]


def test_long_words_and_ideographs_are_several_tokens() -> None:
    assert tokens.split("a" * 40) == ["a" * 16, "a" * 16, "a" * 8]
    assert tokens.split("日本 ok") == ["日", "本", " ok"]
