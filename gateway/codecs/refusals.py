"""Which parameter of a request a backend's refusal names, so that it can be asked again without it.

Backends word it in many ways, and most leave `param` empty. What is recognised says in so many words that a parameter
is unknown or unsupported, and names one that was sent; anything else stays the error that it is.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from gateway.errors import ProxyException, UpstreamStatusError

ESSENTIAL = frozenset(
    {
        # What is asked, and of whom.
        *("model", "messages", "prompt", "input", "suffix", "modalities", "audio", "documents", "prediction"),
        # An answer in another form than the one the client is about to parse is worse than an error.
        *("response_format", "stream", "logprobs", "top_logprobs", "n", "echo", "dimensions", "json_schema"),
        *("grammar", "structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar"),
        # Without them a model answers in words where a call was wanted, or runs on where it was to stop.
        *("tools", "tool_choice", "functions", "function_call", "stop", "web_search_options"),
        # Forbids or forces tokens: an answer without it may hold what was forbidden.
        "logit_bias",
    }
)
"""Parameters whose absence changes what was asked. Sampling, bounds, hints and bookkeeping may be left out."""


class Refusal(NamedTuple):
    """The parameters that a refusal names, in its order; at least one.

    `unsupported_value`: the parameter is known, but only its default is taken: leaving it out says the same.
    """

    parameters: tuple[str, ...]
    unsupported_value: bool = False

    @property
    def parameter(self) -> str:
        """The first of them."""
        return self.parameters[0]


_STATUSES = (400, 422)
_CODES = frozenset({"unknown_parameter", "unsupported_parameter", "parameter_unknown"})
_MAX_TEXT = 4000

_NOUN = (
    r"(?:(?:request|keyword|body|input|top-level) )?"
    r"(?:parameter|param|argument|field|option|propert(?:y|ies)|name|key|setting)(?:s|\(s\))?"
)
_NAME = r"[`'\"]?[A-Za-z_][\w.\[\]]{0,80}+[`'\"]?+"  # possessive: what follows a name must not be met by its beginning
_QUOTED = r"[`'\"][A-Za-z_][\w.\[\]]{0,80}+[`'\"]"
_NOT = r"not (?:(?:currently|yet|being) )?"
_VERDICT = (
    rf"(?:{_NOT}(?:supported|available|enabled|permitted|allowed|recogni[sz]ed|implemented)|un(?:supported|known))"
)
_ALWAYS = r"(?! (?:when|if|unless|while|together|alongside|in combination|with (?:stream|tool)))"
"""What is refused only beside something else must not be remembered as refused."""


def _several(name: str) -> str:
    return rf"(?P<names>{name}(?:(?:, (?:and |or )?| and | or ){name}){{0,20}})"


_EXTRA = "Extra inputs are not permitted"
_FORBIDDEN = (
    re.compile(rf"(?P<names>[\w#/.\[\]]{{1,200}}):\s+{_EXTRA}", re.I),
    re.compile(rf"^(?P<names>[\w.\[\]]+)\n\s*{_EXTRA}", re.I | re.M),
    re.compile(rf"{_EXTRA}, field: ?(?P<names>{_NAME})", re.I),
    re.compile(r"extra_forbidden['\"], ['\"]loc['\"]: ?[\[(](?P<names>[^\])]{1,300})[\])]", re.I),
)
"""Pydantic's words, as vLLM, Mistral, Azure and Fireworks pass them on; the place may be a path."""
_LISTED = re.compile(
    rf"(?:does(?: not|n't) support|unsupported|unknown|unrecogni[sz]ed|unexpected) (?:the )?(?:following )?{_NOUN}"
    r"(?: in the request)?:?\s*(?=[\[({])",
    re.I,
)
"""LiteLLM's words before a Python list or dictionary, those of transformers before a set."""
_NAMED = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"\b(?:un(?:supported|known|recogni[sz]ed|expected)|extra) {_NOUN}"
        rf"(?: (?:supplied|provided|passed|found))?(?: (?:for|on|by|with) this model)?:?\s+{_several(_NAME)}{_ALWAYS}",
        rf"\b{_NOUN} (?:is |are )?{_VERDICT}(?: (?:for|on|by|with) this model)?: ?{_several(_NAME)}",
        rf"does(?: not|n't) support (?:the )?(?:following )?{_NOUN}:?\s+{_several(_NAME)}{_ALWAYS}",
        rf"does(?: not|n't) support (?:the )?{_several(_NAME)} {_NOUN}\b{_ALWAYS}",
        rf"\b{_NOUN}:? {_several(_NAME)} (?:is|are) {_VERDICT}\b{_ALWAYS}",
        rf"{_several(_QUOTED)} (?:is|are) (?:{_NOT}(?:supported|available|enabled)|unsupported)\b{_ALWAYS}",
        rf"{_several(_NAME)} {_NOUN} (?:is|are) {_VERDICT}\b{_ALWAYS}",
        rf"(?:^|[.:;-]\s+)(?P<names>{_NAME}) (?:is|are) (?:{_NOT}(?:supported|enabled)|unsupported)\b{_ALWAYS}",
        rf"\({_several(_QUOTED)} (?:was|were) unexpected\)",
    )
)
_NESTED = re.compile(
    r"\b(?:messages|tools|functions|input|prompt|response_format|stream_options)(?:\[\d+\]|[./]\d|\.[a-z_])"
    r"|validation errors? for \w*(?:Message|Tool|Function|Content)\b|\bschema for\b",
    re.I,
)
"""A place within a parameter: what is refused there is no parameter of the request."""
_ONLY_DEFAULT = re.compile(r"\bonly (?:the )?default\b", re.I)
_ONLY_NUMBER = re.compile(r"\bonly (?:\w+ ?= ?)?\d+(?:\.\d+)? is (?:supported|allowed|accepted)\b", re.I)
_VALUE_OF = re.compile(
    rf"unsupported value: ?(?P<value>{_NAME})|\binvalid (?P<of>{_NAME})[: ]|support (?P<set>{_NAME}) ?=", re.I
)
_SAMPLING = frozenset({"temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty"})
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.\[\]]*")
_SET = re.compile(r"\{(?:['\"]\w{1,80}['\"](?:, ?)?){1,40}\}")
_TOKEN = re.compile(r"[\[({]|[\])}]|(['\"])(?P<name>[A-Za-z_]\w*)\1(?P<key>\s*:)?")


def refused_parameter(error: ProxyException, sent: Collection[str]) -> Refusal | None:
    """Return what a refusal says of the parameters in `sent`, the keys of the body that was refused; None for others.

    Essential ones are returned as well: whether a parameter may be left out is the question's to say.
    """
    if not isinstance(error, UpstreamStatusError) or error.status not in _STATUSES:
        return None
    known = {_plain(name): name for name in sent}
    text = error.message[:_MAX_TEXT]
    if _NESTED.search(text) or _NESTED.search(error.param or ""):
        return None
    if error.code in _CODES and error.param:
        return _refusal([error.param], known)
    if (refused := _forbidden(text)) is not None:
        return _refusal(refused, known)
    if _ONLY_DEFAULT.search(text) or _ONLY_NUMBER.search(text):
        return _refused_value(error.param, text, known)
    for read in (_listed, _named):
        if (refusal := _refusal(read(text), known)) is not None:
            return refusal
    return None


def _plain(name: str) -> str:
    """Return a name as servers of other habits write it too: `presencePenalty` is `presence_penalty`."""
    return name.replace("_", "").lower()


def _refusal(names: Iterable[str], known: Mapping[str, str], *, value: bool = False) -> Refusal | None:
    refused = dict.fromkeys(known[_plain(name)] for name in names if _plain(name) in known)
    return Refusal(tuple(refused), value) if refused else None


def _forbidden(text: str) -> list[str] | None:
    """Return the names that pydantic forbids, none of them if one is not the request's own; None: no such text."""
    places = [match["names"] for pattern in _FORBIDDEN for match in pattern.finditer(text)]
    paths = [[part for part in re.split(r"[^\w]+", place) if part and part != "body"] for place in places]
    if any(len(path) != 1 for path in paths):
        return []
    return [path[0] for path in paths] or None


def _refused_value(param: str | None, text: str, known: Mapping[str, str]) -> Refusal | None:
    """Return the parameter of which only one value is taken, where that one is sure to be its default."""
    match = _VALUE_OF.search(text)
    name = param or next((found for found in match.groups() if found), "") if match else param or ""
    refusal = _refusal([name.strip("`'\"")], known, value=True)
    if refusal is not None and not _ONLY_DEFAULT.search(text) and refusal.parameter not in _SAMPLING:
        return None
    return refusal


def _listed(text: str) -> Iterator[str]:
    """Give the items of the first list or set that follows, or the keys of a dictionary, but nothing nested in it."""
    match = _LISTED.search(text)
    has_keys = match is not None and text.startswith("{", match.end()) and not _SET.match(text, match.end())
    opened: list[str] = []
    for token in _TOKEN.finditer(text, match.end()) if match else ():
        if token["name"]:
            if len(opened) == 1 and (token["key"] or not has_keys):
                yield token["name"]
        elif token[0] in "[({":
            opened.append(token[0])
        elif len(opened) <= 1:
            return
        else:
            opened.pop()


def _named(text: str) -> Iterator[str]:
    """Give the names that a sentence refuses."""
    for pattern in _NAMED:
        for match in pattern.finditer(text):
            for name in _IDENTIFIER.findall(match["names"]):
                yield name.rstrip(".")
