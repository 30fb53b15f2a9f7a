"""A backends file made of what was found: settings as they are, profiles and refused parameters as measured."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import mkstemp
from typing import Any, NamedTuple

from pydantic import SecretStr

from gateway.backend_settings import BackendSettings, Fleet, Limits, ModelRule, names_a_credential
from gateway.doctor.results import BackendReport, Report

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


class Written(NamedTuple):
    """The text of a backends file, and the variables that must be set where it is used."""

    text: str
    variables: tuple[str, ...]


class _Names:
    """Finds the variable that holds a secret, or makes up a name for it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._by_value = {value: name for name, value in sorted(environ.items(), reverse=True) if value}
        self.used: dict[str, None] = {}

    def reference(self, secret: SecretStr, *words: str) -> str:
        name = self._by_value.get(secret.get_secret_value())
        if name is None:
            name = re.sub(r"[^A-Z0-9]+", "_", "_".join(words).upper()).strip("_")
            name = name if name[:1].isalpha() else f"BACKEND_{name}"
        self.used[name] = None
        return f"${{{name}}}"


def backends_file(report: Report, fleet: Fleet, environ: Mapping[str, str]) -> Written:
    """Return the file: every backend of `fleet`, those that were checked with what was found. No secret is in it."""
    names = _Names(environ)
    found = {backend.settings.name: backend for backend in report.backends}
    backends = [_row(settings, found.get(settings.name), names) for settings in fleet.backends]
    document: dict[str, Any] = {"backends": backends}
    if fleet.rules:
        document["models"] = {name: _rule(rule) for name, rule in fleet.rules.items()}
    lines = ["# Written by `check`. Keys are names of variables: no secret stands here.", *_lines(document, 0)]
    return Written("\n".join(lines) + "\n", tuple(names.used))


def _row(settings: BackendSettings, report: BackendReport | None, names: _Names) -> dict[str, Any]:
    """Return one backend, without what is as it would be anyway."""
    row: dict[str, Any] = {"name": _escaped(settings.name), "base_url": _escaped(str(settings.base_url))}
    if settings.api_key is not None:
        row["api_key"] = names.reference(settings.api_key, settings.name, "key")
    elif settings.pass_client_key:
        row["api_key"] = "passthrough"
    if settings.models is not None:
        row["models"] = [_escaped(name) for name in settings.models]
    if settings.rename:
        row["rename"] = {name: _escaped(own) for name, own in settings.rename.items()}
    row |= {"priority": settings.priority, "weight": settings.weight}
    if profile := _profile(settings, report):
        row["profile"] = profile
    row["timeouts"] = settings.timeouts.model_dump(exclude_none=True)
    if limits := _limits(settings, report):
        row["limits"] = limits
    if tls := settings.tls.model_dump(exclude_defaults=True):
        # The file may lie elsewhere than the one that was read.
        row["tls"] = {
            name: _escaped(str(item.absolute())) if isinstance(item, Path) else item for name, item in tls.items()
        }
    if settings.headers:
        row["headers"] = {name: _header(settings.name, name, value, names) for name, value in settings.headers.items()}
    if learned := _learned(settings, report):
        row["learned"] = learned
    return row


def _profile(settings: BackendSettings, report: BackendReport | None) -> str | None:
    """Return the name of the profile; one that was only fallen back on is left to be detected another day."""
    if settings.profile is not None or report is None or report.profile is None or not report.reachable.is_fine:
        return settings.profile
    return report.profile.name if report.profile.name != "generic" else None


def _limits(settings: BackendSettings, report: BackendReport | None) -> dict[str, int]:
    limits = {name: value for name, value in settings.limits.model_dump().items() if value is not None}
    profile = report.profile if report is not None else None
    embeds = report is not None and any(model.checks["embeddings"].is_fine for model in report.models)
    if profile is not None and embeds:
        limits.setdefault("embedding_batch", profile.embedding_batch)
    return {name: limits[name] for name in Limits.model_fields if name in limits}


def _learned(settings: BackendSettings, report: BackendReport | None) -> dict[str, list[str]]:
    learned = {model: sorted(names) for model, names in settings.learned.items() if names}
    for model in report.models if report is not None else ():
        if model.learned:
            learned[model.name] = list(model.learned)
    return {model: [_escaped(name) for name in names] for model, names in learned.items()}


def _header(backend: str, name: str, value: SecretStr, names: _Names) -> str:
    if names_a_credential(name):
        return names.reference(value, backend, name)
    return _escaped(value.get_secret_value())


def _rule(rule: ModelRule) -> dict[str, Any]:
    """Return one rule, without what it does not say."""
    row: dict[str, Any] = {}
    if rule.fallbacks:
        row["fallbacks"] = [_escaped(name) for name in rule.fallbacks]
    if rule.delivery is not None:
        row["delivery"] = rule.delivery
    if clocks := rule.clocks.model_dump(exclude_none=True) if rule.clocks is not None else {}:
        row["timeouts"] = clocks
    # A rule is a mapping with something in it.
    return row | {"sticky": rule.sticky} if rule.sticky or not row else row


def _escaped(text: str) -> str:
    """Return a text in which no dollar begins a variable."""
    return text.replace("$", "$$")


def _lines(value: Any, depth: int) -> Iterator[str]:
    """Give the lines of a mapping; lists of texts stand on one line."""
    indent = "  " * depth
    for key, item in value.items():
        if isinstance(item, dict):
            yield f"{indent}{_scalar(key)}:"
            yield from _lines(item, depth + 1)
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            yield f"{indent}{_scalar(key)}:"
            for one in item:
                first, *rest = _lines(one, depth + 2)
                yield f"{indent}  - {first.strip()}"
                yield from rest
        elif isinstance(item, list):
            yield f"{indent}{_scalar(key)}: [{', '.join(map(_scalar, item))}]"
        else:
            yield f"{indent}{_scalar(key)}: {_scalar(item)}"


def _scalar(value: object) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    # YAML takes no pairs of surrogates for a letter, which is how JSON may write one.
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(letter: str) -> str:
    return letter if letter.isprintable() else f"\\U{ord(letter):08X}"


def write_file(path: Path, text: str) -> None:
    """Put `text` in the place of whatever is at `path`, in one step. Raises OSError."""
    handle, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
