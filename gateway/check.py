"""`check`: validate the settings, ask every backend and its models tiny questions, and print what was found."""

import asyncio
import json
import os
import shutil
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from gateway.config import Config
from gateway.doctor.document import report_document
from gateway.doctor.progress import ProgressLine
from gateway.doctor.results import Report
from gateway.doctor.rounds import select, visit_all
from gateway.doctor.table import report_lines
from gateway.doctor.text import aligned
from gateway.doctor.visit import Selection
from gateway.doctor.written import backends_file, write_file
from gateway.settings_text import ConfigError, Problem
from gateway.telemetry.masking import mask

NARROWEST = 60


@dataclass(frozen=True, slots=True)
class Output:
    """Where a report goes: as JSON instead of a table, and into a backends file, which `force` lets it overwrite."""

    as_json: bool = False
    write: Path | None = None
    force: bool = False


def run_check(
    config: Config, *, demo: bool = False, selection: Selection | None = None, output: Output | None = None
) -> int:
    """Ask and print; return 0 when every backend asked is fine, else 1. Wants a backend or `demo`.

    Raises ConfigError for what was asked wrongly: a backend that is not there, a file that may not be written.
    """
    return asyncio.run(_check(config, selection or Selection(), output or Output(), demo=demo))


async def _check(config: Config, selection: Selection, output: Output, *, demo: bool) -> int:
    config = _with_keys(config)
    _refuse_early(config, selection, output, demo=demo)
    progress = ProgressLine()
    async with AsyncExitStack() as stack:
        if demo:
            from gateway.demo import run_demo

            config = config.for_backend(await stack.enter_async_context(run_demo()))
        try:
            report = await visit_all(config.fleet.backends, config.backend, selection, progress)
        finally:
            progress.clear()
    print(_without_secrets(_shown(config, report, output), config))
    if output.write is not None:
        _write(config, report, output.write)
    return 0 if report.fine else 1


def _with_keys(config: Config) -> Config:
    """Return the configuration with what is to be said of KEYS_FILE. Raises ConfigError where the start would."""
    if config.access.keys_file is None:
        return config
    from gateway.keys.store import KeyStore

    warnings = KeyStore(config.access.keys_file).warnings
    return config.model_copy(update={"warnings": (*config.warnings, *warnings)})


def _refuse_early(config: Config, selection: Selection, output: Output, *, demo: bool) -> None:
    """Raise ConfigError before anything is asked, where the answer could not be used."""
    if not demo:
        select(config.fleet.backends, selection)
    if output.write is None:
        return
    if demo:
        _refuse("--write", "there is nothing to write of the demo backend", "a check of real backends")
    if output.write.exists() and not output.force:
        _refuse("--write", f"{output.write} exists already", "a new file, or --force to overwrite it")
    if not output.write.parent.is_dir():
        _refuse("--write", f"there is no folder {output.write.parent}", "a file in a folder that exists")


def _refuse(name: str, wrong: str, right: str) -> NoReturn:
    raise ConfigError([Problem(name, wrong, right)])


def _shown(config: Config, report: Report, output: Output) -> str:
    if output.as_json:
        return json.dumps(report_document(report, config.warnings), indent=2, ensure_ascii=False)
    width = max(shutil.get_terminal_size((100, 24)).columns, NARROWEST)
    return "\n".join([*aligned(setting_rows(config), width=width), *report_lines(report, width)])


def _without_secrets(text: str, config: Config) -> str:
    """Mask what got this far all the same; JSON may hold a key escaped."""
    secrets = config.secrets()
    return mask(text, [*secrets, *(json.dumps(secret)[1:-1] for secret in secrets)])


def setting_rows(config: Config) -> list[tuple[str, str]]:
    """Return what is configured, without any secret."""
    return [
        ("settings", "valid"),
        *(("warning", warning) for warning in config.warnings),
        ("listen", f"{config.listen.host} port {config.listen.port}"),
        ("client keys", _client_keys(config)),
        ("model mapping", f"{len(config.models.mapping)} names" if config.models.mapping_file else "none"),
        ("backends", ", ".join(settings.name for settings in config.fleet.backends)),
    ]


def _client_keys(config: Config) -> str:
    own, file = len(config.access.api_keys), config.access.keys_file
    parts = [*([str(own)] if own else []), *([f"those of {file}"] if file is not None else [])]
    return " and ".join(parts) or "none: everybody may ask"


def _write(config: Config, report: Report, path: Path) -> None:
    """Write the backends file, and say on stderr what is to be set before it is used."""
    written = backends_file(report, config.fleet, os.environ)
    try:
        write_file(path, written.text)
    except OSError as error:
        _refuse("--write", f"{path} cannot be written ({error.strerror})", "a file that may be written")
    unset = [name for name in written.variables if not os.environ.get(name)]
    print(f"wrote {path}; use it with BACKENDS_FILE={path}", file=sys.stderr)
    if unset:
        print(f"before that, set {', '.join(unset)}: the file names keys, it does not hold them", file=sys.stderr)
