import pytest

from gateway.middlewares.cors import OriginPolicy


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "https://localhost",
        "http://localhost:3000",
        "https://127.0.0.1:8443",
        "http://0.0.0.0:1",
        "app://obsidian.md",
        "file://",
        "tauri://localhost",
        "vscode-webview://1abc",
        "vscode-file://vscode-app",
    ],
)
def test_local_pages_are_allowed_when_nothing_is_configured(origin: str) -> None:
    assert OriginPolicy(None).allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://example.com",
        "http://localhost.example.com",
        "http://localhost:80.example.com",
        "http://localhost:",
        "http://localhost:1@example.com",
        "http://127.0.0.1.example.com",
        "ftp://localhost",
        "chrome-extension://abc",
        "http://[::1]:3000",
    ],
)
def test_other_pages_are_not(origin: str) -> None:
    assert not OriginPolicy(None).allows(origin)


def test_configured_origins_are_the_only_ones() -> None:
    policy = OriginPolicy(["https://app.example.com", "https://*.example.org", "chrome-extension://*"])
    assert policy.allows("https://app.example.com")
    assert policy.allows("https://a.b.example.org")
    assert policy.allows("chrome-extension://abc")
    assert not policy.allows("https://app.example.com:8443")
    assert not policy.allows("https://exampleXorg")
    assert not policy.allows("http://localhost")


def test_ollamas_own_setting_adds_to_the_local_pages() -> None:
    policy = OriginPolicy(None, ["chrome-extension://*", "*.example.org"])
    for origin in ("chrome-extension://abc", "https://a.example.org", "http://localhost:3000", "tauri://localhost"):
        assert policy.allows(origin)
    assert not policy.allows("https://example.com")
    assert not policy.allows_all
    assert OriginPolicy(None, []).allows("http://localhost")
    assert OriginPolicy(None, ["*"]).allows_all


def test_both_settings_allow_what_either_names_and_the_local_pages() -> None:
    policy = OriginPolicy(["https://a.example"], ["https://b.example"])
    for origin in ("https://a.example", "https://b.example", "http://127.0.0.1:1"):
        assert policy.allows(origin)
    assert not policy.allows("https://c.example")


def test_an_asterisk_allows_all_and_an_empty_list_nobody() -> None:
    assert OriginPolicy(["*"]).allows("https://anything")
    assert OriginPolicy(["*"]).allows_all
    assert not OriginPolicy([]).allows("http://localhost")


@pytest.mark.parametrize("text", ["a b", "a\tb", "a\nb", "a\x00b", "a\x7fb", "a\x85b", "a\u202eb", "\u00e4"])
def test_a_wildcard_stands_for_no_text_that_an_answer_could_not_repeat(text: str) -> None:
    policy = OriginPolicy(["https://*.example.com"])
    assert policy.allows("https://a.example.com")
    assert not policy.allows(f"https://{text}.example.com")
