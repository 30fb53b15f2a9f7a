"""The errors that routes answer with, each as the gateway writes it; `default` beside them is a backend's status."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gateway.codecs.bodies import ENCODINGS
from gateway.codecs.error_body import error_body
from gateway.errors import (
    BUSY,
    ForbiddenError,
    ModelNotFoundError,
    NotImplementedHereError,
    OptionError,
    OverloadedError,
    PayloadTooLargeError,
    ProxyException,
    RateLimitedError,
    RequestError,
    TranslationError,
    UnauthorizedError,
    UnsupportedMediaError,
    UpstreamConnectionError,
    UpstreamStatusError,
    UpstreamTimeoutError,
)
from gateway.exchange import Dialect

OWN_STATUS = "default"
REQUEST_ID = "req_7824f4eed71db4db353b7018"
_INSTEAD = "To give one another name, or defaults of its own, describe it in the file MODEL_MAPPING_FILE points to"


class Refusal(NamedTuple):
    """Why a route refuses. `error` is what is raised; None where the answer has no body."""

    meaning: str
    error: ProxyException | None
    status: str
    only: Dialect | None = None
    """The dialect whose routes answer so; None: either."""


def _refusal(meaning: str, error: ProxyException, only: Dialect | None = None) -> Refusal:
    return Refusal(meaning, error, str(error.status), only)


REFUSALS: Mapping[str, Refusal] = {
    "broken": _refusal("The body is no JSON, or a field has a wrong type.", RequestError("unexpected EOF")),
    "missing": _refusal(
        "A field that is needed is missing.",
        RequestError("messages: a list is required", param="messages"),
        Dialect.OPENAI,
    ),
    "no_model": _refusal("No model is named.", RequestError("model is required"), Dialect.OLLAMA),
    "cannot": _refusal(
        "The model cannot do what was asked.",
        RequestError('"demo-embed" does not support chat'),
        Dialect.OLLAMA,
    ),
    "no_name": _refusal("The name is none.", RequestError("invalid model name"), Dialect.OLLAMA),
    "no_digest": _refusal("The digest is none, or not that of the bytes.", RequestError("invalid digest format")),
    "no_body": _refusal("There is no body.", RequestError("missing request body")),
    "no_level": _refusal(
        "The word is no level.",
        RequestError(
            'level must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, as in {"level": "DEBUG"}', param="level"
        ),
    ),
    "configuration": _refusal(
        "The configuration is wrong; the backends stay as they were.",
        RequestError("BACKENDS_FILE: line 2: base_url is missing", code="bad_configuration"),
    ),
    "ambiguous": _refusal(
        "The request could be read in two ways.",
        RequestError("no Transfer-Encoding but chunked is understood"),
    ),
    "key": _refusal(
        "No key was shown, or none that is valid.",
        UnauthorizedError("unauthorized: this gateway wants an API key (Authorization: Bearer KEY)"),
    ),
    "admin_key": _refusal(
        "The key shown is not ADMIN_KEY.",
        UnauthorizedError("unauthorized: this wants the gateway's ADMIN_KEY (Authorization: Bearer KEY)"),
    ),
    "signed_out": _refusal("Nobody is signed in.", UnauthorizedError("you are not currently signed in")),
    "foreign": Refusal("A web page of a foreign origin, or a foreign host name. There is no body.", None, "403"),
    "model_not_allowed": _refusal(
        "The key may not use this model.",
        ForbiddenError("this key may not use the model 'demo'", param="model", code="model_not_allowed"),
    ),
    "no_cloud": _refusal(
        "The hosted service is switched off.",
        ForbiddenError("ollama cloud is disabled: web search is unavailable"),
    ),
    "unknown_model": _refusal(
        "Nobody serves this model.",
        ModelNotFoundError("model 'llama3' not found", param="model", code="model_not_found"),
    ),
    "no_blob": _refusal("There never is such a blob. A HEAD has no body.", ModelNotFoundError("blob not found")),
    "no_part": _refusal("There is no such part.", ModelNotFoundError("the pages have no such part")),
    "unknown_request": _refusal(
        "No recent request has this id.",
        ModelNotFoundError("no recent request has this id", param="request_id", code="request_not_found"),
    ),
    "too_large": _refusal(
        "The body is larger than REQUEST_MAX_SIZE.",
        PayloadTooLargeError("the request body is larger than 10485760 bytes"),
    ),
    "media": _refusal(
        "The body is something that cannot be JSON.",
        UnsupportedMediaError("the request body is image/png: send JSON"),
    ),
    "coding": _refusal(
        "The body is compressed in a way that cannot be read.",
        UnsupportedMediaError(
            f"the Content-Encoding of the request body cannot be read: send one of {ENCODINGS}, or none"
        ),
    ),
    "rate": _refusal(
        "The client, or everybody, had their share of this minute; `Retry-After` says when to come again.",
        RateLimitedError("rate limit reached: 60 requests a minute; try again in 12 s", code="rate_limit_exceeded"),
    ),
    "option": _refusal(
        "An option or `format` has a wrong type: Ollama answers 500 there.",
        OptionError('option "temperature" must be of type float32'),
        Dialect.OLLAMA,
    ),
    "progress": Refusal(
        "In one piece (`stream` is false), the model is not there.",
        OptionError("pull model manifest: file does not exist"),
        "500",
        Dialect.OLLAMA,
    ),
    "internal": _refusal("A fault of the gateway, which is logged.", ProxyException("internal error")),
    "not_copied": _refusal(
        "Models are not copied here.",
        NotImplementedHereError(f"models cannot be copied here: they belong to the backend. {_INSTEAD}"),
    ),
    "not_created": _refusal(
        "Models are not made here.",
        NotImplementedHereError(f"models cannot be created here: add them to the backend. {_INSTEAD}"),
    ),
    "not_pushed": _refusal(
        "With MODEL_MANAGEMENT strict: models are not moved.",
        NotImplementedHereError("models cannot be pushed from here: they belong to the backend"),
    ),
    "not_deleted": _refusal(
        "With MODEL_MANAGEMENT strict: models are not removed.",
        NotImplementedHereError(
            "models cannot be deleted here: they belong to the backend, or to the file MODEL_MAPPING_FILE points to"
        ),
    ),
    "unreachable": _refusal(
        "The backend cannot be reached.",
        UpstreamConnectionError("the backend 'main' cannot be reached", phase="connect"),
    ),
    "bad_answer": _refusal(
        "The backend answered in other words than OpenAI's.",
        TranslationError("the backend answered with HTML instead of JSON: is the base URL right?"),
    ),
    "busy": _refusal("Too many requests wait already.", OverloadedError(BUSY)),
    "stopping": _refusal("The gateway is stopping.", OverloadedError("the gateway is stopping, please try again")),
    "viewers": _refusal("Too many watch already.", OverloadedError("too many status pages are open already")),
    "processes": _refusal(
        "The other processes did not answer.",
        OverloadedError("the other processes cannot be asked: the supervisor did not answer"),
    ),
    "silent": _refusal(
        "The backend was silent for too long.",
        UpstreamTimeoutError("the backend did not begin to answer within 60 s", clock="first_token"),
    ),
    "backend_forbids": _refusal(
        "The backend forbids it: its words, keys masked.",
        UpstreamStatusError(403, "this key has no access to models"),
    ),
    "backend_limits": _refusal(
        "The backend had enough for now: its words, and its `Retry-After`.",
        UpstreamStatusError(429, "rate limit of the backend reached"),
    ),
    "backend_refusal": Refusal(
        "A backend's own error: its status and its words, keys masked.",
        UpstreamStatusError(422, "temperature must be at most 2", param="temperature"),
        OWN_STATUS,
    ),
}

BODY = ("broken", "too_large", "media", "coding")
"""Of routes that read a body."""
LISTING = ("unreachable", "bad_answer", "silent", "backend_forbids", "backend_limits", "backend_refusal")
"""Of routes for which a backend may have to be asked."""
INFERENCE = (*BODY, "unknown_model", "model_not_allowed", "rate", "busy", *LISTING)
"""Of routes that ask a model."""
ANY = ("ambiguous", "foreign", "too_large", "internal", "stopping")
"""Of every route: they are raised before its own work, or instead of it."""


def by_status(names: Iterable[str], dialect: Dialect) -> dict[str, list[str]]:
    """Return the names by status, each once, without those that the dialect's routes do not say."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        if REFUSALS[name].only in (None, dialect):
            found.setdefault(REFUSALS[name].status, []).append(name)
    return dict(sorted(found.items()))


def body_of(name: str, dialect: Dialect) -> Any:
    """Return the body of an error as it is sent, None where there is none."""
    error = REFUSALS[name].error
    if error is None:
        return None
    in_openai = dialect is Dialect.OPENAI
    written = error_body("openai" if in_openai else "ollama", error, REQUEST_ID if in_openai else None)
    return json.loads(written)
