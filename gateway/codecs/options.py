"""Ollama's options, one row each: its type there, and the request parameter it becomes for a backend."""

import json
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, NamedTuple

from gateway.codecs.contract import Profile
from gateway.codecs.go_texts import go_quote
from gateway.errors import OptionError, RequestError

Kind = Literal["integer", "float32", "boolean", "array"]


class Option(NamedTuple):
    """One option. `parameters`: what it becomes, the first one taken that the backend knows; none: a server's setting.

    `openai`: OpenAI's own parameter, sent to every backend. `minimum`: values below say "unset" there.
    `checked`: a wrong type is an error; Ollama ignores the options it dropped, whatever they hold.
    """

    name: str
    kind: Kind
    parameters: tuple[str, ...] = ()
    openai: bool = False
    minimum: int | None = None
    checked: bool = True


TABLE = (
    Option("temperature", "float32", ("temperature",), openai=True),
    Option("top_p", "float32", ("top_p",), openai=True),
    Option("num_predict", "integer", ("max_tokens", "max_completion_tokens"), openai=True, minimum=1),
    Option("stop", "array", ("stop",), openai=True),
    Option("seed", "integer", ("seed",), openai=True, minimum=0),
    Option("presence_penalty", "float32", ("presence_penalty",), openai=True),
    Option("frequency_penalty", "float32", ("frequency_penalty",), openai=True),
    Option("top_k", "integer", ("top_k",)),
    Option("min_p", "float32", ("min_p",)),
    Option("repeat_penalty", "float32", ("repeat_penalty", "repetition_penalty")),
    Option("repeat_last_n", "integer", ("repeat_last_n",), minimum=0),
    Option("typical_p", "float32", ("typical_p",)),
    Option("mirostat", "integer", ("mirostat",), checked=False),
    Option("mirostat_tau", "float32", ("mirostat_tau",), checked=False),
    Option("mirostat_eta", "float32", ("mirostat_eta",), checked=False),
    Option("num_keep", "integer", ("n_keep",)),
    Option("num_ctx", "integer"),
    Option("num_batch", "integer"),
    Option("num_gpu", "integer"),
    Option("main_gpu", "integer"),
    Option("num_thread", "integer"),
    Option("use_mmap", "boolean"),
    Option("draft_num_predict", "integer"),
)
"""The contract's table of options; a name that is not here is ignored, as Ollama does."""

SIBLINGS: Mapping[str, str] = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
    "repeat_penalty": "repetition_penalty",
    "repetition_penalty": "repeat_penalty",
}
"""Parameters that mean the same under another name: a value that is refused under the one may pass under the other."""

_BOUNDS = frozenset({"max_tokens", "max_completion_tokens"})  # OpenAI's own: any backend may know either

_ROWS: Mapping[str, Option] = {option.name: option for option in TABLE}


def read_options(raw: Any) -> dict[str, Any]:
    """Return the known options, typed; nulls are unset. Raises OptionError (500, as Ollama) for a wrong type."""
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise RequestError("options must be an object")
    options: dict[str, Any] = {}
    for name, value in raw.items():
        option = _ROWS.get(name)
        if option is None or value is None:
            continue
        try:
            options[name] = _READERS[option.kind](name, value)
        except OptionError:
            if option.checked:
                raise
    return options


def encode_options(
    options: Mapping[str, Any], profile: Profile, dropped: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return the request parameters for what `read_options` returned; nothing that was not asked for.

    `dropped`: parameters the backend was learnt to refuse.
    """
    parameters: dict[str, Any] = {}
    if not options:
        return parameters
    for option in TABLE:
        value = options.get(option.name)
        if value is None or value == [] or (option.minimum is not None and value < option.minimum):
            continue
        parameter = _parameter(option, profile, dropped)
        if parameter is not None:
            parameters[parameter] = value
    return parameters


def without[Value](fields: Mapping[str, Value], dropped: Collection[str], profile: Profile) -> dict[str, Value]:
    """Return the members of a request without those in `dropped`, in their order.

    The value of one that is dropped goes on under its sibling's name, where the backend may know that and it is free.
    """
    kept: dict[str, Value] = {}
    for name, value in fields.items():
        if name not in dropped:
            kept[name] = value
            continue
        sibling = SIBLINGS.get(name)
        if sibling is None or sibling in dropped or sibling in fields:
            continue
        if sibling in _BOUNDS or sibling in profile.parameters:
            kept[sibling] = value
    return kept


def check_format(raw: Any) -> dict[str, Any] | None:
    """Return OpenAI's `response_format` for `format`; None where unset (null, `""`, `{}`). Raises OptionError."""
    if raw is None or raw in ("", {}):
        return None
    if raw == "json":
        return {"type": "json_object"}
    if isinstance(raw, dict):
        return {"type": "json_schema", "json_schema": {"name": "schema", "schema": raw}}
    shown = go_quote(json.dumps(raw, ensure_ascii=False, separators=(",", ":")))
    raise OptionError(f'invalid format: {shown}; expected "json" or a valid JSON Schema object', param="format")


def check_think(raw: Any) -> bool | str | None:
    """Return whether to think, or the level to think at; None where unset. Raises RequestError."""
    if raw is None or isinstance(raw, bool):
        return raw
    levels = '"high", "medium", "low", "max", true, or false'
    if not isinstance(raw, str):
        raise RequestError(f"think must be a boolean or string ({levels})", param="think")
    if raw not in ("high", "medium", "low", "max"):
        raise RequestError(f"invalid think value: {go_quote(raw)} (must be {levels})", param="think")
    return raw


def check_logprobs(top_logprobs: int) -> None:
    """Raise RequestError for a number of alternatives that no backend gives."""
    if not 0 <= top_logprobs <= 20:
        raise RequestError("top_logprobs must be between 0 and 20", param="top_logprobs")


def _parameter(option: Option, profile: Profile, dropped: frozenset[str]) -> str | None:
    names = option.parameters if option.name != "seed" else (profile.seed,)
    if profile.max_tokens in names:
        names = (profile.max_tokens, *names)
    for name in names:
        if name not in dropped and (option.openai or name in profile.parameters):
            return name
    return None


def _wrong(name: str, wanted: str) -> OptionError:
    return OptionError(f"option {go_quote(name)} must be of {wanted}", param=f"options.{name}")


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _integer(name: str, value: Any) -> int:
    """Read a whole number; a fraction is cut off, and what no int64 holds becomes its nearest end."""
    if not _is_number(value):
        raise _wrong(name, "type integer")
    return max(-(2**63), min(2**63 - 1, int(value)))


def _float(name: str, value: Any) -> float:
    try:
        if _is_number(value):
            return float(value)
    except OverflowError:
        pass
    raise _wrong(name, "type float32")


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, "type boolean")
    return value


def _strings(name: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise _wrong(name, "type array")
    if not all(isinstance(item, str) for item in value):
        raise _wrong(name, "an array of strings")
    return value


_READERS: Mapping[Kind, Callable[[str, Any], Any]] = {
    "integer": _integer,
    "float32": _float,
    "boolean": _boolean,
    "array": _strings,
}
