"""One backend: its addresses, its headers, its secrets."""

import pytest
from pydantic import SecretStr
from yarl import URL

from gateway.backends.backend import Backend
from tests.support.secrets import BACKEND_KEY, CLIENT_KEY


def backend(
    url: str = "http://backend.example/v1", *, key: str | None = None, pass_client_key: bool = False
) -> Backend:
    """Return a backend."""
    return Backend("main", URL(url), api_key=SecretStr(key) if key else None, pass_client_key=pass_client_key)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://backend.example", "http://backend.example/chat/completions"),
        ("http://backend.example/", "http://backend.example/chat/completions"),
        ("http://backend.example/v1", "http://backend.example/v1/chat/completions"),
        ("http://backend.example/v1/", "http://backend.example/v1/chat/completions"),
        ("https://backend.example:8443/a%2Fb/v1", "https://backend.example:8443/a%2Fb/v1/chat/completions"),
    ],
)
def test_paths_lie_below_the_base_url(base: str, url: str) -> None:
    one = backend(base)
    assert str(one.url("/chat/completions")) == url
    assert one.url("/chat/completions") is one.url("/chat/completions")


def test_every_request_asks_for_an_answer_that_is_not_compressed() -> None:
    headers = backend().headers(None, "id-1")
    assert headers == {"Content-Type": "application/json", "Accept-Encoding": "identity", "X-Request-ID": "id-1"}


def test_its_own_key_is_sent() -> None:
    assert backend(key=BACKEND_KEY).headers(CLIENT_KEY)["Authorization"] == f"Bearer {BACKEND_KEY}"


def test_the_clients_key_is_sent_where_it_may_pass() -> None:
    assert backend(pass_client_key=True).headers(CLIENT_KEY)["Authorization"] == f"Bearer {CLIENT_KEY}"
    assert "Authorization" not in backend(pass_client_key=True).headers(None)
    assert "Authorization" not in backend(pass_client_key=False).headers(CLIENT_KEY)


def test_a_key_moves_to_the_header_that_its_kind_of_server_wants_and_back() -> None:
    one = backend(key=BACKEND_KEY)
    one.wants_key_in("api-key")
    assert (one.headers(None).get("api-key"), one.headers(None).get("Authorization")) == (BACKEND_KEY, None)
    one.wants_key_in("Authorization")
    assert (one.headers(None).get("api-key"), one.headers(None)["Authorization"]) == (None, f"Bearer {BACKEND_KEY}")


def test_the_clients_key_goes_into_that_header_too() -> None:
    one = backend(pass_client_key=True)
    one.wants_key_in("api-key")
    assert (one.headers(CLIENT_KEY).get("api-key"), one.headers(CLIENT_KEY).get("Authorization")) == (CLIENT_KEY, None)


def test_headers_are_made_anew_for_each_request() -> None:
    one = backend(pass_client_key=True)
    one.headers(CLIENT_KEY)["X-Mine"] = "yes"
    assert "Authorization" not in one.headers(None)
    assert "X-Mine" not in one.headers(None)


def test_both_keys_are_its_secrets() -> None:
    assert backend(key=BACKEND_KEY).secrets(None) == [BACKEND_KEY]
    assert set(backend(key=BACKEND_KEY).secrets(CLIENT_KEY)) == {BACKEND_KEY, CLIENT_KEY}
    assert backend().secrets(None) == []


def test_its_repr_shows_its_name_alone() -> None:
    assert repr(backend("http://internal.example/v1", key=BACKEND_KEY)) == "Backend('main')"
