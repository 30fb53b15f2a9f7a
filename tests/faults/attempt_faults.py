"""The faults that decide how a request is attempted: rows 01 to 16, the row in the first two digits of a name."""

import json

from tests.faults.play import TOKEN_S, Ask, begin, fine, named, rest
from tests.faults.wire import DONE
from tests.support.backend import close, end, reset

SILENCE_S = 120.0
SLOW_FIRST_TOKEN_S = 20.0
STALL_S = 30.0
OUTAGE_S = 60.0


@named("00-fine-unless-prefilled")
async def fine_unless_prefilled(ask: Ask) -> None:
    """Well, but takes no conversation that ends with the beginning of an answer."""
    if ask.prefilled:
        await ask.refuse(400, "this model does not support assistant message prefill", "invalid_request_error")
    else:
        await fine(ask)


@named("00-no-usage")
async def no_usage(ask: Ask) -> None:
    """Well, but counts nothing."""
    if not ask.streamed:
        whole = json.loads(ask.speech.plain())
        del whole["usage"]
        body = json.dumps(whole).encode()
        await ask.head(length=len(body))
        await ask.send(body)
        return
    await ask.head()
    await ask.send(ask.speech.opening())
    await ask.drip(ask.speech.tokens())
    await ask.send(ask.speech.chunk({}, "stop"), DONE)
    await end(ask.call)


@named("01-limited-once")
async def limited_once(ask: Ask) -> None:
    """429 with Retry-After, then well."""
    if ask.number == 1:
        await ask.refuse(429, "slow down", "rate_limit_exceeded", headers=[("Retry-After", "2")])
    else:
        await fine(ask)


@named("02-limited")
async def limited(ask: Ask) -> None:
    """429 for ever, without a header."""
    await ask.refuse(429, "slow down", "rate_limit_exceeded")


@named("03-error-once")
async def error_once(ask: Ask) -> None:
    """500, then well."""
    if ask.number == 1:
        await ask.refuse(500, "it broke")
    else:
        await fine(ask)


@named("04-overloaded")
@named("16-overloaded")
@named("24-storm")
async def overloaded(ask: Ask) -> None:
    """503 for ever."""
    await ask.refuse(503, "the model is overloaded at the moment")


@named("05-reset-once")
async def reset_once(ask: Ask) -> None:
    """The connection is reset before any byte, then well."""
    if ask.number == 1:
        await reset(ask.call)
    else:
        await fine(ask)


@named("05-reset")
async def always_reset(ask: Ask) -> None:
    """Every connection is reset before any byte."""
    await reset(ask.call)


@named("06-silent")
@named("17-silent")
async def silent(ask: Ask) -> None:
    """Accepts, and never says anything."""
    await ask.pause(SILENCE_S)
    await close(ask.call)


@named("07-slow-first-token")
async def slow_first_token(ask: Ask) -> None:
    """Headers at once, then nothing for long, then well."""
    body = ask.speech.plain()
    await ask.head(length=None if ask.streamed else len(body))
    await ask.pause(SLOW_FIRST_TOKEN_S)
    if ask.streamed:
        await rest(ask, ask.speech.opening())
    else:
        await ask.send(body)
        ask.usage_sent = True


@named("08-cut")
@named("14-cut")
async def cut(ask: Ask) -> None:
    """Dies after forty tokens: the connection is closed."""
    await begin(ask, 40)
    await close(ask.call)


@named("08-cut-by-reset")
async def cut_by_reset(ask: Ask) -> None:
    """Dies after forty tokens: the connection is reset."""
    await begin(ask, 40)
    await ask.pause(TOKEN_S)
    await reset(ask.call)


@named("08-cut-unframed")
async def cut_unframed(ask: Ask) -> None:
    """Dies after forty tokens in a body that ends with the connection: nothing in HTTP tells that it was cut."""
    await begin(ask, 40, unframed=True)
    await close(ask.call)


@named("09-stall")
async def stall(ask: Ask) -> None:
    """Twenty tokens, silence, and then the end of the connection."""
    await begin(ask, 20)
    await ask.pause(STALL_S)
    await close(ask.call)


@named("09-hang")
async def hang(ask: Ask) -> None:
    """Twenty tokens, then silence for longer than anybody waits."""
    await begin(ask, 20)
    await ask.pause(SILENCE_S)
    await close(ask.call)


@named("10-broken-event")
async def broken_event(ask: Ask) -> None:
    """Between the ninth word and the tenth there is an event that is no JSON; nothing is missing."""
    await _with_broken_event(ask, lost=False)


@named("10-lost-event")
async def lost_event(ask: Ask) -> None:
    """The event with the tenth word is no JSON: that word is lost."""
    await _with_broken_event(ask, lost=True)


async def _with_broken_event(ask: Ask, *, lost: bool) -> None:
    if not ask.streamed:
        body = ask.speech.plain()
        broken = body[:60] + b'"' + body[60:]
        await ask.head(length=len(broken))
        await ask.send(broken)
        return
    events = list(ask.speech.tokens())
    events[9 : 10 if lost else 9] = [events[9][:-14].rstrip() + b"\n\n"]
    await ask.head()
    await ask.send(ask.speech.opening())
    await ask.drip(events)
    await ask.send(ask.speech.closing(), DONE)
    ask.usage_sent = True
    await end(ask.call)


@named("11-no-done")
async def no_done(ask: Ask) -> None:
    """All of a stream but `[DONE]`; the body ends as it should."""
    if ask.streamed:
        await ask.head()
        await rest(ask, ask.speech.opening(), done=False)
    else:
        await fine(ask)


@named("11-no-done-open")
async def no_done_open(ask: Ask) -> None:
    """All of a stream but `[DONE]`, and the body does not end."""
    if not ask.streamed:
        await fine(ask)
        return
    await ask.head()
    await ask.send(ask.speech.opening())
    await ask.drip(ask.speech.tokens())
    await ask.send(ask.speech.closing())
    ask.usage_sent = True
    await ask.pause(SILENCE_S)


@named("12-too-long")
async def too_long(ask: Ask) -> None:
    """The context is too short for the question."""
    message = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
    await ask.refuse(400, message, "context_length_exceeded")


@named("13-content-policy")
async def content_policy(ask: Ask) -> None:
    """The question is refused for what it says."""
    await ask.refuse(400, "Your request was rejected by our safety system.", "content_policy_violation")


@named("15-flap")
async def flap(ask: Ask) -> None:
    """Down for a time after the first request, then well."""
    if ask.since_s < OUTAGE_S * ask.scale:
        await overloaded(ask)
    else:
        await fine(ask)
