"""Backend: one OpenAI-compatible server, and the headers every request to it carries."""

from multidict import CIMultiDict
from pydantic import SecretStr
from yarl import URL


class Backend:
    """One OpenAI-compatible server. `pass_client_key`: the client's own key is sent on, because we hold none."""

    __slots__ = ("_headers", "_prefix", "_urls", "api_key", "base_url", "name", "pass_client_key")

    def __init__(self, name: str, base_url: URL, *, api_key: SecretStr | None, pass_client_key: bool) -> None:
        self.name = name
        self.base_url = base_url
        self.api_key = api_key
        self.pass_client_key = pass_client_key
        self._prefix = base_url.raw_path.rstrip("/")
        self._urls: dict[str, URL] = {}
        self._headers: CIMultiDict[str] = CIMultiDict(
            {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        )
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key.get_secret_value()}"

    def __repr__(self) -> str:
        return f"Backend({self.name!r})"

    def url(self, path: str) -> URL:
        """Return the URL of `path` (such as `/chat/completions`) below the base URL."""
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = self.base_url.with_path(self._prefix + path, encoded=True)
        return url

    def headers(self, client_key: str | None, request_id: str | None = None) -> CIMultiDict[str]:
        """Return the headers of one request: JSON, no compression, the key, the request id."""
        headers = self._headers.copy()
        if self.pass_client_key and client_key:
            headers["Authorization"] = f"Bearer {client_key}"
        if request_id is not None:
            headers["X-Request-ID"] = request_id
        return headers

    def secrets(self, client_key: str | None) -> list[str]:
        """Return the strings that no text of this backend may carry to a log or a client."""
        own = [self.api_key.get_secret_value()] if self.api_key is not None else []
        return [*own, client_key] if client_key else own
