"""What may stand in the file that maps model names: every entry is checked when the gateway starts.

No message quotes more than names: what else stands there may be a secret.
"""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

type Entry = str | Mapping[str, Any]
"""The backend's name for a model, or an object of ENTRY_KEYS."""

CAPABILITIES = ("completion", "tools", "insert", "vision", "embedding", "thinking", "image", "audio")
ROLES = ("system", "user", "assistant")

OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("temperature", "top_p", "min_p", "typical_p", "repeat_penalty"), "number"),
        **dict.fromkeys(("presence_penalty", "frequency_penalty", "mirostat_tau", "mirostat_eta"), "number"),
        **dict.fromkeys(("num_predict", "seed", "top_k", "repeat_last_n", "mirostat", "num_keep"), "whole number"),
        **dict.fromkeys(("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread"), "whole number"),
        "draft_num_predict": "whole number",
        "use_mmap": "boolean",
        "stop": "string or a list of strings",
    }
)
"""The options an entry may set, and what each must be. The codecs have the table of what becomes of them."""


def name_form(name: str) -> str:
    """Return what all spellings of a name share: Ollama's clients write one in any case, with and without this tag."""
    return name.strip().casefold().removesuffix(":latest")


def check_mapping(content: Mapping[str, Any]) -> None:
    """Raise ValueError for an entry that is wrong, with its name and what is wrong."""
    known: dict[str, str] = {}
    for name, entry in content.items():
        if not name.strip():
            raise ValueError("an entry without a name")
        form = name_form(name)
        if form in known:
            raise ValueError(f"the entries {_quoted(known[form])} and {_quoted(name)} are one name")
        known[form] = name
        try:
            _check_entry(entry)
        except ValueError as error:
            raise ValueError(f"the entry {_quoted(name)} {error}") from None


def _check_entry(entry: Any) -> None:
    if isinstance(entry, str):
        _check_model("", entry)
        return
    if not isinstance(entry, dict):
        raise ValueError(f"is {_type(entry)}, neither a string nor an object")
    if "model" not in entry:
        raise ValueError('has no "model"')
    for key, value in entry.items():
        check = ENTRY_KEYS.get(key)
        if check is None:
            raise ValueError(f"has the unknown key {_quoted(key)} (known: {', '.join(ENTRY_KEYS)})")
        check(f"{_quoted(key)} ", value)


def _check_model(place: str, value: Any) -> None:
    _check_text(place, value)
    if not value.strip():
        raise ValueError(f"has an empty {place}".rstrip() if place else "is empty")
    if "*" in value:
        raise ValueError(f'has a "*" in {place or "its model"}'.rstrip() + ": only names of entries are patterns")


def _check_text(place: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{_says(place)} {_type(value)}, not a string")


def _check_options(place: str, value: Any) -> None:
    for name, setting in _object(place, value).items():
        wanted = OPTIONS.get(name)
        if wanted is None:
            raise ValueError(f"has the unknown option {_quoted(name)}")
        if not _IS[wanted](setting):
            raise ValueError(f"has the option {_quoted(name)} with {_type(setting)}, not a {wanted}")


def _check_messages(place: str, value: Any) -> None:
    for number, message in enumerate(_list(place, value), 1):
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            raise ValueError(f'has message {number} without exactly "role" and "content"')
        if message["role"] not in ROLES:
            raise ValueError(f"has message {number} with a role that is none of {', '.join(ROLES)}")
        if not isinstance(message["content"], str):
            raise ValueError(f'has message {number} with a "content" that is {_type(message["content"])}, not a string')


def _check_capabilities(place: str, value: Any) -> None:
    for word in _list(place, value):
        if word not in CAPABILITIES:
            raise ValueError(f"has {place}with something that is none of {', '.join(CAPABILITIES)}")


def _check_length(place: str, value: Any) -> None:
    if not _is_whole(value) or value < 1:
        raise ValueError(f"has {place}that is not a whole number of tokens, 1 or more")


ENTRY_KEYS: Mapping[str, Callable[[str, Any], None]] = MappingProxyType(
    {
        "model": _check_model,
        "system": _check_text,
        "options": _check_options,
        "messages": _check_messages,
        "template": _check_text,
        "capabilities": _check_capabilities,
        "context_length": _check_length,
        "description": _check_text,
    }
)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63


def _is_whole(value: Any) -> bool:
    return _is_number(value) and value == int(value)


def _is_stop(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))


_IS: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        "number": _is_number,
        "whole number": _is_whole,
        "boolean": lambda value: isinstance(value, bool),
        "string or a list of strings": _is_stop,
    }
)


def _object(place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{_says(place)} {_type(value)}, not an object")
    return value


def _list(place: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{_says(place)} {_type(value)}, not a list")
    return value


def _says(place: str) -> str:
    return f"has {place}as" if place else "is"


def _quoted(text: str) -> str:
    """Quote as JSON does: control characters and line breaks are escaped, the line stays one line."""
    return json.dumps(text)


def _type(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")
