import base64
import hashlib

import pytest

from gateway.keys.entries import LONGEST_NAME, digest_of, earliest, in_words, is_name, is_pattern, new_secret
from gateway.telemetry.masking import MASK, mask
from tests.keys.made import DAY, NOW, key_of


def test_a_secret_is_sk_and_256_random_bits_that_a_header_can_carry() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        assert secret.startswith("sk-")
        assert secret.isascii()
        assert secret.isprintable()
        assert len(base64.urlsafe_b64decode(secret.removeprefix("sk-") + "=")) == 32


def test_a_secret_is_masked_wherever_it_gets_into_a_log() -> None:
    assert mask(f"the key {new_secret()} was sent") == f"the key {MASK} was sent"


def test_the_digest_is_what_sha256sum_prints() -> None:
    assert digest_of("sk-some").hex() == hashlib.sha256(b"sk-some").hexdigest()


def test_whatever_a_header_carries_has_a_digest() -> None:
    assert len(digest_of("é\udcff")) == 32


@pytest.mark.parametrize("name", ["a", "CI", "ci-2.main_x", "0", "a" * LONGEST_NAME, "skunk", "api-keys"])
def test_plain_names_are_taken(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", " a", "-a", ".a", "a b", "a/b", "é", "a\n", "a\x1b", "a" * (LONGEST_NAME + 1)),
        # What begins as a key does, and what could pass for a key of API_KEYS.
        *("sk-abc", "SK-abc", "api-key-1", "Api-Key-1", "api-key-x"),
    ],
)
def test_other_names_are_refused(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("pattern", ["*", "gpt-*", "llama3:8b", "a model", "é", "a" * 200])
def test_names_and_patterns_of_models_are_taken(pattern: str) -> None:
    assert is_pattern(pattern)


@pytest.mark.parametrize("pattern", ["", " ", " a", "a ", "a\n", "a\tb", "\x1b[31m", "a\u202eb", "a" * 201])
def test_texts_that_name_no_model_are_refused(pattern: str) -> None:
    assert not is_pattern(pattern)


def test_the_earlier_end_counts() -> None:
    assert earliest(None, None) is None
    assert earliest(None, NOW) == NOW
    assert earliest(NOW + DAY, None, NOW) == NOW
    key = key_of("a", expires=NOW)
    assert key.end_of(key.secrets[0]) == NOW
    assert key.live(NOW - DAY) == list(key.secrets)
    assert key.live(NOW) == []


def test_a_moment_is_written_as_it_stands_in_the_file() -> None:
    assert in_words(NOW) == "2030-01-31T12:00:00Z"
