import pytest

from gateway.telemetry.masking import mask, may_need_mask


def test_given_secrets_are_replaced() -> None:
    assert mask("key hunter2hunter2 is wrong", ["hunter2hunter2"]) == "key *** is wrong"


def test_short_secrets_are_left_since_they_would_hide_words() -> None:
    assert mask("a key of the world", ["key"]) == "a key of the world"


def test_a_secret_inside_another_leaves_nothing_of_the_longer_one() -> None:
    assert mask("abcdef-ghijkl", ["abcdef", "abcdef-ghijkl"]) == "***"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Incorrect API key provided: sk-abcd1234efgh. See", "Incorrect API key provided: *** See"),
        ("Incorrect API key provided: sk-ab****wxyz", "Incorrect API key provided: ***"),
        ('{"Authorization": "Bearer abcdef123456"}', '{"Authorization": "Bearer ***"}'),
        ("authorization: bearer abcdef123456", "authorization: bearer ***"),
        ("AUTHORIZATION: BEARER ABCDEF123456", "AUTHORIZATION: BEARER ***"),
    ],
)
def test_what_looks_like_a_key_is_replaced(text: str, expected: str) -> None:
    assert mask(text) == expected
    assert may_need_mask(text, ())


@pytest.mark.parametrize("text", ["a task-force of disk-drives", "model 'llama3:8b' not found", "a bearer of news"])
def test_ordinary_text_stays(text: str) -> None:
    assert mask(text) == text


def test_the_cheap_look_sees_given_secrets() -> None:
    assert may_need_mask("x hunter2hunter2 y", ["hunter2hunter2"])
    assert not may_need_mask("nothing here", ["hunter2hunter2"])
