"""The other routes: liveness, version, the hosted service that is not here."""

from collections.abc import Sequence

from tests.conformance.case import Case, NotOurs, get, post
from tests.conformance.client import Answer, Request

SECTION = "10 misc"
SEARCH, FETCH = "/api/experimental/web_search", "/api/experimental/web_fetch"


def _running(answer: Answer) -> object:
    return answer.body in (b"Ollama is running", b"") and answer.header("Content-Type") == "text/plain; charset=utf-8"


def _new_enough(answer: Answer) -> object:
    return tuple(map(int, answer.json["version"].split("."))) >= (0, 13, 4)


def _not_signed_in(answer: Answer) -> object:
    return answer.json["error"] in ("unauthorized", "you are not currently signed in")


CASES: Sequence[Case] = (
    Case(SECTION, "GET /", get("/"), holds=lambda answer: _running(answer) and answer.body),
    Case(SECTION, "HEAD /", get("/", "HEAD"), holds=_running),
    Case(SECTION, "GET /api/version", get("/api/version"), holds=_new_enough),
    Case(SECTION, "HEAD /api/version", get("/api/version", "HEAD")),
    Case(SECTION, "GET /api/status", get("/api/status"), holds=lambda answer: "disabled" in answer.json["cloud"]),
    Case(
        SECTION,
        "POST /api/me",
        post("/api/me"),
        status=401,
        error="unauthorized",
        holds=lambda a: "signin_url" in a.json,
    ),
    Case(SECTION, "POST /api/signout", post("/api/signout"), status=401, error="you are not currently signed in"),
    Case(SECTION, "DELETE /api/user/keys", Request("DELETE", "/api/user/keys/AAAA"), status=401, holds=_not_signed_in),
    Case(
        SECTION,
        f"POST {SEARCH}",
        post(SEARCH, {"query": "x", "max_results": 3}),
        status=403,
        error="ollama cloud is disabled: web search is unavailable",
    ),
    Case(
        SECTION,
        f"POST {FETCH}",
        post(FETCH, {"url": "https://example.org"}),
        status=403,
        error="ollama cloud is disabled: web fetch is unavailable",
    ),
    Case(
        SECTION,
        "GET /api/experimental/model-recommendations",
        get("/api/experimental/model-recommendations"),
        holds=lambda answer: isinstance(answer.json["recommendations"], list),
    ),
)

_NO_ACCOUNT = "nobody signs in to a gateway: there is no account behind it"
NOT_OURS: Sequence[NotOurs] = (
    NotOurs(SECTION, "me of a signed-in user", _NO_ACCOUNT),
    NotOurs(SECTION, "signout of a signed-in user", _NO_ACCOUNT),
    NotOurs(SECTION, "results of a web search", "the hosted service searches, not the server"),
    NotOurs(SECTION, "results of a web fetch", "the hosted service fetches, not the server"),
)
