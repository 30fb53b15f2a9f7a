from pathlib import Path

import pytest

from gateway.callers import Caller
from gateway.keys import store as keys_store
from gateway.keys.entries import digest_of
from gateway.keys.store import KeyStore, find_in, granted
from gateway.settings_text import ConfigError
from tests.keys.made import DAY, HOUR, NOW, key_of, written


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now.timestamp()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with two keys, `limited` (secret "one") and `plain` (secret "two")."""
    limits = {"models": ("gpt-*",), "requests_per_minute": 60, "tokens_per_minute": 1000, "concurrency": 2}
    return written(tmp_path / "keys.json", key_of("one", "limited", **limits), key_of("two", "plain"))


def test_a_key_is_found_with_its_limits(path: Path) -> None:
    store = KeyStore(path)
    assert store.find(digest_of("one")) == Caller("limited", "", ("gpt-*",), 60, 1000, 2)
    assert store.find(digest_of("two")) == Caller("plain")
    assert store.find(digest_of("three")) is None


def test_a_key_ends_with_its_term(tmp_path: Path) -> None:
    clock = Clock()
    store = KeyStore(written(tmp_path / "keys.json", key_of("one", expires=NOW + HOUR)), now_s=clock)
    assert store.find(digest_of("one")) is not None
    clock.now += HOUR
    assert store.find(digest_of("one")) is None


def test_a_reload_takes_up_what_was_added_and_taken_away(path: Path) -> None:
    store = KeyStore(path)
    written(path, key_of("two", "plain"), key_of("three", "new"))
    assert store.find(digest_of("three")) is None
    assert list(store.reload()) == ["plain", "new"]
    assert [store.find(digest_of(secret)) for secret in ("one", "two", "three")] == [
        None,
        Caller("plain"),
        Caller("new"),
    ]


def test_a_broken_file_leaves_the_old_keys(path: Path) -> None:
    store = KeyStore(path)
    for broken in ('{"keys": [{}]}', "{", ""):
        path.write_text(broken)
        with pytest.raises(ConfigError, match=r"keys\.json"):
            store.reload()
        assert store.find(digest_of("one")) is not None
    path.unlink()
    with pytest.raises(ConfigError, match="there is no file"):
        store.reload()
    assert store.find(digest_of("two")) is not None


def test_reading_alone_changes_nothing(path: Path) -> None:
    store = KeyStore(path)
    written(path, key_of("three", "new"))
    path.chmod(0o644)
    loaded = store.read()
    assert store.find(digest_of("one")) is not None
    assert not store.warnings
    store.replace(loaded)
    assert store.find(digest_of("one")) is None
    assert store.find(digest_of("three")) is not None
    [warning] = store.warnings
    assert "may be read by everybody" in warning


def test_a_store_without_its_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="python -m gateway key create"):
        KeyStore(tmp_path / "none.json")


@pytest.mark.parametrize("secret", ["one", "none of them", "expired"])
def test_every_key_that_is_shown_is_compared_exactly_once_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    keys = [key_of(f"other {number}", f"k{number}") for number in range(50)]
    store = KeyStore(
        written(tmp_path / "k.json", key_of("one"), key_of("expired", "old", expires=NOW - DAY * 9999), *keys)
    )
    compared: list[tuple[int, int]] = []

    def noting(known: bytes, shown: bytes) -> bool:
        compared.append((len(known), len(shown)))
        return known == shown

    monkeypatch.setattr(keys_store, "compare_digest", noting)
    assert (store.find(digest_of(secret)) is not None) is (secret == "one")
    # However many keys there are, and whether this is one of them.
    assert compared == [(32, 32)]


def test_a_table_that_leads_to_another_digest_opens_nothing() -> None:
    table = {digest_of("shown"): granted([(digest_of("other"), Caller("other"))])[digest_of("other")]}
    assert find_in(table, digest_of("shown")) is None
    # What stands in for a digest that is not there is nobody's.
    assert find_in({}, bytes(32)) is None


def test_of_equal_keys_the_first_counts() -> None:
    digest = digest_of("same")
    assert find_in(granted([(digest, Caller("first")), (digest, Caller("second"))]), digest) == Caller("first")


def test_a_store_shows_its_file_and_no_digest(path: Path) -> None:
    assert repr(KeyStore(path)) == f"KeyStore({str(path)!r}, 2 keys)"
