"""`<think>` tags at the beginning of the text are told from content, however they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.thinking import ThinkTags


def split(*pieces: str) -> tuple[str, str]:
    tags = ThinkTags()
    parts = [tags.feed(piece) for piece in pieces] + [tags.flush()]
    return "".join(part[0] for part in parts), "".join(part[1] for part in parts)


@pytest.mark.parametrize(
    ("text", "thinking", "content"),
    [
        ("<think>hm</think>yes", "hm", "yes"),
        ("\n <think>hm</think>\n\nyes\n", "hm", "yes\n"),
        ("<think>hm", "hm", ""),
        ("<think>a < b </thin", "a < b </thin", ""),
        ("<think></think>yes", "", "yes"),
        ("yes <think>no</think>", "", "yes <think>no</think>"),
        ("<thinking>", "", "<thinking>"),
        ("<thi", "", "<thi"),
        ("  plain", "", "  plain"),
        ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
        ("", "", ""),
    ],
)
def test_tags_split_whole_and_letter_by_letter(text: str, thinking: str, content: str) -> None:
    assert split(text) == (thinking, content)
    assert split(*text) == (thinking, content)


@given(
    parts=st.lists(st.sampled_from(["<think>", "</think>", "<", "</", "think>", "\n", " ", "a", "b "]), max_size=8),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)
def test_any_cut_gives_the_same_halves(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    assert split(*[text[a:b] for a, b in pairwise(places)]) == split(text)


def test_plain_text_needs_no_further_splitting_after_its_first_letter() -> None:
    tags = ThinkTags()
    tags.feed("a")
    assert tags.idle
