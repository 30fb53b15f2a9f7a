"""Backend: one OpenAI-compatible server, what every request to it carries, and how busy it is."""

import ssl
from typing import Self

from aiohttp import ClientTimeout
from multidict import CIMultiDict
from pydantic import SecretStr
from yarl import URL

from gateway.backend_settings import BackendSettings, Timeouts, TlsSettings
from gateway.backends.budget import RetryBudget
from gateway.backends.limits import Gate
from gateway.codecs.contract import Target

BEARER = "Authorization"
"""Where most servers want their key, as a bearer token; a header of another name carries the key alone."""


class Backend:
    """One OpenAI-compatible server. `pass_client_key`: the client's own key is sent on, because we hold none.

    `settings` say the rest: clocks, limits, priority, weight, TLS, headers of its own. Raises ValueError for
    certificates that cannot be loaded.
    """

    __slots__ = (
        "_headers",
        "_prefix",
        "_urls",
        "answered_s",
        "api_key",
        "base_url",
        "budget",
        "gate",
        "key_header",
        "name",
        "pass_client_key",
        "settings",
        "timeout",
        "tls",
    )

    def __init__(
        self,
        name: str,
        base_url: URL,
        *,
        api_key: SecretStr | None = None,
        pass_client_key: bool = False,
        settings: BackendSettings | None = None,
    ) -> None:
        if settings is None:
            settings = BackendSettings(name=name, base_url=base_url, api_key=api_key, pass_client_key=pass_client_key)
        self.name = name
        self.base_url = base_url
        self.api_key = api_key
        self.pass_client_key = pass_client_key
        self.settings = settings
        self.key_header = BEARER
        self.gate = Gate(settings.limits.concurrency, settings.limits.requests_per_minute)
        self.budget = RetryBudget()
        self.answered_s = float("-inf")
        self.tls = _tls(settings.tls)
        self.timeout = ClientTimeout(total=None, sock_connect=settings.timeouts.connect_s)
        self._prefix = base_url.raw_path.rstrip("/")
        self._urls: dict[str, URL] = {}
        self._headers: CIMultiDict[str] = CIMultiDict(
            {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        )
        if api_key is not None:
            self._set_key(self._headers, api_key.get_secret_value())
        for header, value in settings.headers.items():
            self._headers[header] = value.get_secret_value()

    @classmethod
    def of(cls, settings: BackendSettings) -> Self:
        """Return the backend of these settings."""
        return cls(
            settings.name,
            settings.base_url,
            api_key=settings.api_key,
            pass_client_key=settings.pass_client_key,
            settings=settings,
        )

    def __repr__(self) -> str:
        return f"Backend({self.name!r})"

    def wants_key_in(self, header: str) -> None:
        """Send the key in `header` from now on: what kind of server this is may be found out only when it answers."""
        if header == self.key_header:
            return
        old, self.key_header = self.key_header, header
        if self.api_key is not None and old not in self.settings.headers:
            del self._headers[old]
            self._set_key(self._headers, self.api_key.get_secret_value())

    def url(self, path: str) -> URL:
        """Return the URL of `path` (such as `/chat/completions`) below the base URL."""
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = self.base_url.with_path(self._prefix + path, encoded=True)
        return url

    def headers(self, client_key: str | None, request_id: str | None = None) -> CIMultiDict[str]:
        """Return the headers of one request: JSON, no compression, the key, the request id, the configured ones."""
        headers = self._headers.copy()
        if self.pass_client_key and client_key:
            self._set_key(headers, client_key)
        if request_id is not None:
            headers["X-Request-ID"] = request_id
        return headers

    def clocks(self, target: Target) -> Timeouts:
        """Return the clocks of a target: the backend's, with those of its model in their place."""
        timeouts = self.settings.timeouts
        return timeouts if target.clocks is None else target.clocks.over(timeouts)

    def secrets(self, client_key: str | None) -> list[str]:
        """Return the strings that no text of this backend may carry to a log or a client."""
        own = self.settings.secrets()
        return [*own, client_key] if client_key else own

    def _set_key(self, headers: CIMultiDict[str], key: str) -> None:
        headers[self.key_header] = f"Bearer {key}" if self.key_header == BEARER else key


def _tls(settings: TlsSettings) -> ssl.SSLContext | bool:
    """Return what aiohttp is given as `ssl`: the default check, none, or a context with files of the user's."""
    if settings.ca is None and settings.cert is None:
        return settings.verify
    context = ssl.create_default_context()
    try:
        if settings.ca is not None:
            context.load_verify_locations(settings.ca)
        if settings.cert is not None:
            context.load_cert_chain(settings.cert, settings.key)
    except OSError as error:  # ssl.SSLError is one: a file that is missing, or no certificate
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"the TLS files of a backend cannot be loaded ({reason})") from None
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
