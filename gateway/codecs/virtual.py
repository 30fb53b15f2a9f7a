"""Virtual models: what an entry of the mapping file makes of another model, as a Modelfile does."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from gateway.codecs.contract import Defaults, Profile
from gateway.codecs.options import TABLE, encode_options, read_options
from gateway.mapping_entries import Entry


class VirtualModel(msgspec.Struct, frozen=True):
    """A name of ours for a model of the backend; None and empty texts leave what the backend's model has."""

    name: str
    model: str
    description: str = ""
    template: str = ""
    capabilities: tuple[str, ...] | None = None
    context_length: int | None = None
    defaults: Defaults | None = None


def read_virtual_model(name: str, entry: Entry) -> VirtualModel:
    """Return the virtual model of one entry, which was checked when the file was read."""
    if isinstance(entry, str):
        return VirtualModel(name, entry)
    options = dict(entry.get("options") or {})
    if isinstance(options.get("stop"), str):
        options["stop"] = [options["stop"]]  # as one PARAMETER line of a Modelfile has it
    defaults = Defaults(
        system=entry.get("system") or "",
        messages=tuple({"role": said["role"], "content": said["content"]} for said in entry.get("messages") or ()),
        options=read_options(options),
    )
    capabilities = entry.get("capabilities")
    return VirtualModel(
        name=name,
        model=entry["model"],
        description=entry.get("description") or "",
        template=entry.get("template") or "",
        capabilities=None if capabilities is None else tuple(capabilities),
        context_length=entry.get("context_length"),
        defaults=defaults if defaults != Defaults() else None,
    )


def with_messages(messages: Sequence[Any], defaults: Defaults, *, first_role: str) -> list[Any]:
    """Return a conversation with the virtual model's own messages before it; `first_role` is that of `messages[0]`.

    Its system text leads, unless the conversation begins with one of its own; that one stays in front then, because
    many backends take a system message nowhere else.
    """
    if first_role in ("system", "developer"):
        return [messages[0], *defaults.messages, *messages[1:]]
    system = [{"role": "system", "content": defaults.system}] if defaults.system else []
    return [*system, *defaults.messages, *messages]


def absent_parameters(
    defaults: Defaults, profile: Profile, present: Collection[str], dropped: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return the virtual model's parameters for a request of OpenAI's API that already has those in `present`."""
    given = frozenset(present)
    said = {option.name for option in TABLE if not given.isdisjoint(option.parameters)}
    missing = {name: value for name, value in defaults.options.items() if name not in said}
    return encode_options(missing, profile, dropped)


def modelfile(virtual: VirtualModel) -> str:
    """Return the Modelfile that would make this model of the backend's."""
    lines = [f"# {line}" for line in virtual.description.splitlines()]
    lines.append(f"FROM {virtual.model}")
    if virtual.template:
        lines.append(f"TEMPLATE {_quoted(virtual.template)}")
    defaults = virtual.defaults or Defaults()
    if defaults.system:
        lines.append(f"SYSTEM {_quoted(defaults.system)}")
    lines += [f"PARAMETER {name} {value}" for name, value in _parameters(defaults.options)]
    lines += [f"MESSAGE {said['role']} {_quoted(said['content'])}" for said in defaults.messages]
    return "\n".join(lines) + "\n"


def parameters_text(options: Mapping[str, Any]) -> str:
    """Return options as `/api/show` does: one a line, the value in column 31, texts in quotes."""
    return "\n".join(f"{name:<30} {value}" for name, value in _parameters(options))


def _parameters(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        rows += [(name, json.dumps(item, ensure_ascii=False).removesuffix(".0")) for item in values]
    return rows


def _quoted(text: str) -> str:
    """Quote as Modelfiles do: three quotes where a text has lines or quotes of its own."""
    if text and not ({'"', "\n"} & set(text)) and text == text.strip():
        return text
    return f'"""{text}"""'
