"""Turns exceptions into answers, in the dialect of the route; after prepare there is no answering, only closing."""

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.codecs.error_body import error_body
from gateway.errors import ClientGoneError, PayloadTooLargeError, ProxyException, RequestError
from gateway.exchange import Dialect, Exchange
from gateway.middlewares.headers import ANSWER
from gateway.telemetry.logging import get_logger

_JSON = "application/json; charset=utf-8"
_PLAIN_TEXTS = {404: "404 page not found", 405: "405 method not allowed"}
_PLAIN_KINDS = {404: "not_found", 405: "method_not_allowed"}

_log = get_logger("errors")


def answer_to(request: web.Request, exchange: Exchange, error: Exception) -> web.StreamResponse:
    """Return the answer of a request whose handler raised."""
    answer = request.get(ANSWER)
    if answer is not None:
        return _close(request, exchange, answer, error)
    if error is request.match_info.http_exception:
        return _unmatched(exchange, error)
    return _answer(request, exchange, error)


def error_response(exchange: Exchange, error: ProxyException) -> web.Response:
    """Return the whole answer for `error`. Its own `Connection: close` ends the connection after it."""
    in_openai = exchange.dialect is Dialect.OPENAI
    body = error_body("openai" if in_openai else "ollama", error, exchange.request_id if in_openai else None)
    response = web.Response(body=body, status=error.status, headers={**error.headers, hdrs.CONTENT_TYPE: _JSON})
    if error.headers.get(hdrs.CONNECTION) == "close":
        response.force_close()
    return response


def _answer(request: web.Request, exchange: Exchange, error: Exception) -> web.Response:
    known = _known(request, error)
    if known is None:
        _report(exchange, error)
        known = ProxyException("internal error")
    exchange.error_kind = known.kind
    return error_response(exchange, known)


def _unmatched(exchange: Exchange, answer: web.HTTPException) -> web.Response:
    """Answer as Ollama answers a path or a method it does not have: in plain text."""
    exchange.error_kind = _PLAIN_KINDS.get(answer.status, "http")
    headers = {hdrs.ALLOW: answer.headers[hdrs.ALLOW]} if hdrs.ALLOW in answer.headers else None
    text = _PLAIN_TEXTS.get(answer.status, answer.reason)
    return web.Response(text=text, status=answer.status, headers=headers, content_type="text/plain")


def _close(
    request: web.Request, exchange: Exchange, answer: web.StreamResponse, error: Exception
) -> web.StreamResponse:
    """End a connection whose answer had begun: another one inside it would corrupt it.

    The closed transport keeps aiohttp from writing the terminating chunk, so that the client sees a cut answer, not a
    complete one; what was written before still goes out.
    """
    known = _known(request, error)
    if known is None:
        _report(exchange, error)
    exchange.error_kind = known.kind if known is not None else ProxyException.kind
    request.protocol.force_close()
    return answer


def _known(request: web.Request, error: Exception) -> ProxyException | None:
    """Return `error` as one of our own, None where nothing foresaw it."""
    match error:
        case ProxyException():
            return error
        case web.HTTPRequestEntityTooLarge():
            return PayloadTooLargeError("the request body is too large", headers={"Connection": "close"})
        case web.HTTPException():
            return _from_http_exception(error)
        case web.RequestPayloadError() | HttpProcessingError():
            return RequestError("the request body is broken: its encoding or framing cannot be read")
        case ConnectionError() if _client_left(request):
            return ClientGoneError("the client left")
    return None


def _from_http_exception(answer: web.HTTPException) -> ProxyException:
    error = ProxyException(answer.reason)
    error.status = answer.status
    error.kind = "http"
    return error


def _client_left(request: web.Request) -> bool:
    transport = request.transport
    return transport is None or transport.is_closing()


def _report(exchange: Exchange, error: Exception) -> None:
    _log.error("unhandled error", request_id=exchange.request_id, route=exchange.route, exc_info=error)
