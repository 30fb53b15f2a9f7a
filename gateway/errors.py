"""The error tree: every class has its HTTP status; `codecs.error_body` turns one into a dialect's words.

ProxyException                500   anything that has a clear answer for the client
├── RequestError              400   the request is wrong
│   ├── OptionError           500   a wrong option or format: Ollama answers 500 there, and so do we
│   └── PayloadTooLargeError  413   the body is over the bound
├── UnauthorizedError         401   no key, or a wrong one
├── ForbiddenError            403   a foreign origin or host
├── ModelNotFoundError        404   nobody serves that model
├── UnsupportedMediaError     415   a body that cannot be JSON
├── RateLimitedError          429   too many requests
├── ClientGoneError           499   the client left
├── NotImplementedHereError   501   Ollama has it, a gateway cannot
├── OverloadedError           503   full, or stopping
├── TranslationError          502   the backend answered, but not in OpenAI's words
└── UpstreamError             502   the backend failed
    ├── UpstreamStatusError   as the backend said
    ├── UpstreamConnectionError  502   unreachable, reset, cut
    └── UpstreamTimeoutError  504   silent
"""

from collections.abc import Mapping


class ProxyException(Exception):  # noqa: N818 - never raised itself: the classes that are end in Error, and this names their family where it is caught
    """An error with an answer: `status` (HTTP), `kind` (a bounded label), safe `message`, `headers` to add."""

    status: int = 500
    kind: str = "internal"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.headers: Mapping[str, str] = headers or {}


class RequestError(ProxyException):
    """The request is wrong; the message names what."""

    status = 400
    kind = "bad_request"


class OptionError(RequestError):
    """A wrong option type or `format`: Ollama answers 500 (its API, section "errors")."""

    status = 500
    kind = "bad_option"


class PayloadTooLargeError(RequestError):
    """The body is larger than REQUEST_MAX_SIZE."""

    status = 413
    kind = "too_large"


class UnauthorizedError(ProxyException):
    """No key, or a wrong one."""

    status = 401
    kind = "unauthorized"


class ForbiddenError(ProxyException):
    """A foreign origin or host."""

    status = 403
    kind = "forbidden"


class ModelNotFoundError(ProxyException):
    """Nobody serves that model; the message is worded for the route."""

    status = 404
    kind = "model_not_found"


class UnsupportedMediaError(ProxyException):
    """A body that cannot be read as JSON by its declared type or encoding."""

    status = 415
    kind = "unsupported_media"


class RateLimitedError(ProxyException):
    """Too many requests."""

    status = 429
    kind = "rate_limited"


class ClientGoneError(ProxyException):
    """The client left before its answer."""

    status = 499
    kind = "client_gone"


class NotImplementedHereError(ProxyException):
    """Ollama has it, a gateway cannot; the message says what to do instead."""

    status = 501
    kind = "not_implemented"


BUSY = "server busy, please try again.  maximum pending requests exceeded"
"""Ollama's own words for a full queue (its API, section "errors")."""


class OverloadedError(ProxyException):
    """Full, or stopping."""

    status = 503
    kind = "overloaded"


class TranslationError(ProxyException):
    """The backend answered, but not in OpenAI's words."""

    status = 502
    kind = "bad_answer"


class UpstreamError(ProxyException):
    """The backend failed."""

    status = 502
    kind = "backend"


class UpstreamStatusError(UpstreamError):
    """The backend answered with an error status; it passes with the backend's own text, type, param and code.

    `retry_after_s` is what the backend asked to wait, None where it did not say.
    """

    kind = "backend_status"

    def __init__(
        self,
        status: int,
        message: str,
        *,
        error_type: str | None = None,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, param=param, code=code, headers=headers)
        self.status = status
        self.error_type = error_type
        self.retry_after_s = retry_after_s


class UpstreamConnectionError(UpstreamError):
    """The backend cannot be reached, reset the connection or cut its answer; `phase` is connect, tls, protocol, reset,
    cut, or stalled: cut after a long silence.
    """

    kind = "backend_connection"

    def __init__(self, message: str, *, phase: str) -> None:
        super().__init__(message)
        self.phase = phase


class UpstreamTimeoutError(UpstreamError):
    """The backend was silent for too long; `clock` is which (connect, headers, first_token, idle, total)."""

    status = 504
    kind = "backend_timeout"

    def __init__(self, message: str, *, clock: str) -> None:
        super().__init__(message)
        self.clock = clock
