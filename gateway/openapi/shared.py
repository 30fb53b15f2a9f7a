"""What the whole document shares: who made it, tags, keys, headers."""

from collections.abc import Collection, Mapping

from openapi_pydantic.v3.v3_1 import Contact, Header, Info, License, Schema, SecurityScheme, Tag

from gateway.openapi import ollama_operations, openai_operations, own_operations

TERMS = "https://spdx.org/licenses/MIT.html"
"""The licence is all the terms there are."""
OPENAPI = "3.1.1"
KEY = "apiKey"
KEY_HEADER = "apiKeyHeader"
ADMIN_KEY = "adminKey"

_MEANING = """\
Applications written for Ollama (`/api/*`) or for OpenAI (`/v1/*`) ask here; OpenAI-compatible backends answer.

* **Bodies** are JSON in UTF-8 whatever their Content-Type says, at most REQUEST_MAX_SIZE bytes (10 MiB unless set), and
  may be compressed (gzip, deflate, zstd). null means unset, wherever a field may be left out. In those of `/api/*`
  keys match in any case, and unknown ones are ignored; those of `/v1/*` are passed on whole.
* **Errors** of `/api/*` and of the gateway's own routes are `{"error": "..."}`, those of `/v1/*` and `/admin/*`
  `{"error": {"message": ...}}`. A client that leaves is logged as 499, which nobody gets.
* **In plain text** are the refusals of any path that is not here, 404 (`404 page not found`), and of any method a path
  does not take, 405 (`405 method not allowed`, with `Allow`). So are those of what was never a request: 400 where the
  bytes are no HTTP or the head is over 16 KiB, and 417 for an `Expect` other than `100-continue`.
* **Every answer** to a request carries `X-Request-ID`; a request may bring its own.
* **A slash** at the end of a path is redirected. Pages, versions, lists of models and health checks take HEAD as well.
"""

TAGS: Mapping[str, str] = {
    ollama_operations.ASKING: "Chats, texts and vectors, as Ollama has them.",
    ollama_operations.MODELS: "What there is, and what clients of Ollama do with models.",
    openai_operations.TAG: "OpenAI's API, passed on.",
    own_operations.HEALTH: "For probes, and for people who want to know what runs.",
    own_operations.NUMBERS: "For Prometheus, and for people.",
    own_operations.PAGES: "For browsers, and these documents.",
    own_operations.ADMINISTRATION: "Wants ADMIN_KEY, and is there only where that is set.",
    ollama_operations.CLOUD: "What Ollama asks of its hosted service: it is switched off.",
}


def info(version: str) -> Info:
    """Return who made the document, of which version of the gateway."""
    return Info(
        title="ollama-openai-proxy",
        summary="Serves Ollama's API and OpenAI's API in front of any OpenAI-compatible server.",
        description=_MEANING,
        termsOfService=TERMS,
        contact=Contact(name="The ollama-openai-proxy authors"),
        license=License(name="MIT", identifier="MIT"),
        version=version,
    )


def tags(used: Collection[str]) -> list[Tag]:
    """Return the groups of routes that there are, in the order they are shown in."""
    return [Tag(name=name, description=meaning) for name, meaning in TAGS.items() if name in used]


def security_schemes() -> dict[str, SecurityScheme]:
    """Return how keys are shown."""
    return {
        KEY: SecurityScheme(
            type="http",
            scheme="bearer",
            description="One of API_KEYS, or a key of KEYS_FILE. Where neither is set, it is passed on to the "
            "backend. The password of Basic is taken for a key as well.",
        ),
        KEY_HEADER: SecurityScheme(
            type="apiKey",
            name="x-api-key",
            security_scheme_in="header",
            description="The same key, in a header of its own.",
        ),
        ADMIN_KEY: SecurityScheme(
            type="http", scheme="bearer", description="ADMIN_KEY: for `/admin/*` and nothing else."
        ),
    }


def _header(meaning: str, example: str) -> Header:
    return Header(description=meaning, schema=Schema(type="string"), example=example)


HEADERS: Mapping[str, tuple[str, str]] = {
    "X-Request-ID": (
        "Id of the request: the client's own where it sent one, else a new one.",
        "req_7824f4eed71db4db353b7018",
    ),
    "X-Gateway-Backend": ("Name of the backend that answered, or was asked last.", "main"),
    "X-Gateway-Model": ("The model, as that backend calls it.", "demo"),
    "X-Gateway-Attempts": ("How often a backend was asked.", "1"),
    "Server-Timing": (
        "Where the time went until then, in ms.",
        "gateway;dur=0.412, backend;dur=27.488, total;dur=27.9",
    ),
    "X-Cache": ("Whether the answer was kept: HIT, MISS or BYPASS. Only with CACHE_URL.", "MISS"),
    "Retry-After": ("Seconds after which to come again, where that is known.", "12"),
    "RateLimit": (
        "What is left of a minute's share, and for how many seconds, where one is kept.",
        '"requests";r=0;t=12',
    ),
    "RateLimit-Policy": ("The shares of a minute that are kept.", '"requests";q=60;w=60'),
    "WWW-Authenticate": ("How to show a key.", "Bearer"),
    "ETag": ("Tag of what was sent, for If-None-Match.", '"5f2b…"'),
}
EVERY = ("X-Request-ID",)
EXPLAINED = ("X-Gateway-Backend", "X-Gateway-Model", "X-Gateway-Attempts", "Server-Timing", "X-Cache")
BY_STATUS: Mapping[str, tuple[str, ...]] = {
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After", "RateLimit", "RateLimit-Policy"),
    "503": ("Retry-After",),
}


def headers() -> dict[str, Header]:
    """Return the headers of answers, to be referred to."""
    return {name: _header(*said) for name, said in HEADERS.items()}
