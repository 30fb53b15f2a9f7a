"""Web pages and host names."""

import socket
from collections.abc import Sequence

from tests.conformance.case import Case, NotOurs, Server, chat, get
from tests.conformance.client import Answer, Request

SECTION = "11 CORS and Host"
LOCAL = tuple(
    f"{scheme}://{host}{port}"
    for scheme in ("http", "https")
    for host in ("localhost", "127.0.0.1", "0.0.0.0")
    for port in ("", ":3000")
)
APPS = ("app://x", "file://x", "tauri://localhost", "vscode-webview://abc", "vscode-file://x")
FOREIGN = ("https://evil.example", "http://localhost.evil.example", "chrome-extension://abc", "null")
_HEADERS = "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,OpenAI-Beta".lower().split(",")
_STAINLESS = [
    "arch",
    "async",
    "custom-poll-interval",
    "helper-method",
    "lang",
    "os",
    "package-version",
    "poll-helper",
    "retry-count",
    "runtime",
    "runtime-version",
    "timeout",
]


def _from(origin: str, method: str = "GET", path: str = "/api/tags") -> Request:
    return Request(method, path, None, {"Origin": origin})


def _host(host: str, method: str = "GET") -> Request:
    return Request(method, "/api/version", None, {"Host": host})


def _allowed(origin: str) -> Case:
    def holds(answer: Answer) -> object:
        vary = [part.strip() for value in answer.headers.get_all("Vary", []) for part in value.split(",")]
        return answer.header("Access-Control-Allow-Origin") == origin and "Origin" in vary

    return Case(SECTION, f"allowed origin {origin}", _from(origin), holds=holds)


def _refused(origin: str, method: str = "GET", server: Server = "demo") -> Case:
    return Case(
        SECTION,
        f"refused origin {origin}, {method}, {server}",
        _from(origin, method),
        server,
        status=403,
        holds=lambda answer: answer.body == b"" and not answer.header("Access-Control-Allow-Origin"),
    )


def _preflight(answer: Answer) -> object:
    allowed = [part.strip().lower() for part in answer.header("Access-Control-Allow-Headers").split(",")]
    methods = [part.strip() for part in answer.header("Access-Control-Allow-Methods").split(",")]
    return (
        {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"} <= set(methods)
        and answer.header("Access-Control-Max-Age") == "43200"
        and {*_HEADERS, *(f"x-stainless-{name}" for name in _STAINLESS)} <= set(allowed)
        and not answer.header("Access-Control-Allow-Credentials")
        and not answer.header("Access-Control-Expose-Headers")
    )


def _no_cors(answer: Answer) -> object:
    return not [name for name in answer.headers if name.lower().startswith("access-control-")]


def _empty(answer: Answer) -> object:
    return answer.body == b""


_STREAM = chat(stream=True)
_OPTIONS = Request(
    "OPTIONS", "/api/chat", None, {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
)
_UNROUTED = Request("OPTIONS", "/no/such/path", None, {"Origin": "http://localhost"})
_OWN_NAME = socket.gethostname()

CASES: Sequence[Case] = (
    Case(SECTION, "no Origin", get("/api/tags"), holds=_no_cors),
    Case(
        SECTION,
        "the server's own origin",
        Request("GET", "/api/tags", None, {"Origin": "http://localhost", "Host": "localhost"}),
        holds=_no_cors,
    ),
    *(_allowed(origin) for origin in (*LOCAL, *APPS)),
    *(_refused(origin) for origin in FOREIGN),
    _refused("https://evil.example", "OPTIONS"),
    Case(
        SECTION,
        "an allowed origin, on a stream",
        Request("POST", "/api/chat", _STREAM.body, {"Origin": "http://localhost:3000"}),
        holds=lambda answer: (
            answer.streamed and answer.header("Access-Control-Allow-Origin") == "http://localhost:3000"
        ),
    ),
    Case(
        SECTION,
        "an allowed origin, on an error",
        Request("POST", "/api/chat", b"x", {"Origin": "http://localhost:3000"}),
        status=400,
        holds=lambda answer: answer.header("Access-Control-Allow-Origin") == "http://localhost:3000",
    ),
    Case(SECTION, "preflight", _OPTIONS, status=204, holds=_preflight),
    Case(SECTION, "preflight for any path", _UNROUTED, status=204, holds=_preflight),
    Case(SECTION, "OLLAMA_ORIGINS, listed", _from("https://listed.example"), "strict"),
    Case(SECTION, "OLLAMA_ORIGINS, by wildcard", _from("https://a.b.wild.example"), "strict"),
    Case(SECTION, "OLLAMA_ORIGINS, local ones stay", _from("http://localhost:3000"), "strict"),
    _refused("https://unlisted.example", server="strict"),
    Case(
        SECTION,
        "OLLAMA_ORIGINS, *",
        _from("https://anything.example"),
        "recorder",
        holds=lambda answer: answer.header("Access-Control-Allow-Origin") == "*",
    ),
    *(
        Case(SECTION, f"allowed host {host}", _host(host))
        for host in (
            "127.0.0.1",
            "127.8.8.8:11434",
            "[::1]:11434",
            "0.0.0.0",
            "10.1.2.3",
            "192.168.1.5:80",
            "172.16.0.1",
            "localhost",
            "LOCALHOST:99",
            _OWN_NAME,
            "a.localhost",
            "box.local",
            "db.internal",
        )
    ),
    *(
        Case(SECTION, f"refused host {host}", _host(host), status=403, holds=_empty)
        for host in ("evil.example", "evil.example:11434", "8.8.8.8", "localhost.evil.example", "local")
    ),
    Case(
        SECTION,
        "a refused host, any path",
        Request("GET", "/nothing", None, {"Host": "evil.example"}),
        status=403,
        holds=_empty,
    ),
    Case(SECTION, "OPTIONS on an allowed name", _host("localhost", "OPTIONS"), status=204),
    Case(SECTION, "any host where the server is not bound to loopback", _host("evil.example"), "recorder"),
    Case(
        SECTION,
        "a target with another host's name",
        Request("GET", "/api/version", head="GET http://evil.example/api/version HTTP/1.1\nHost: localhost"),
        status=400,
    ),
    Case(
        SECTION,
        "Transfer-Encoding in HTTP/1.0",
        Request(
            "POST",
            "/api/chat",
            b"0\r\n\r\n",
            head="POST /api/chat HTTP/1.0\nHost: localhost\nTransfer-Encoding: chunked",
        ),
        status=400,
    ),
    Case(
        SECTION,
        "CORS comes before the host",
        Request("GET", "/api/version", None, {"Host": "evil.example", "Origin": "http://localhost"}),
        status=403,
        holds=lambda answer: answer.header("Access-Control-Allow-Origin") == "http://localhost",
    ),
)

NOT_OURS: Sequence[NotOurs] = ()
