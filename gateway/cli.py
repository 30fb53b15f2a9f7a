"""The command line: arguments, then settings, then the server or the check.

Only the standard library is imported here, and what imports no more: `--help` and a bad setting must not wait for the
server's modules.
"""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.keys.arguments import add_key_arguments

if TYPE_CHECKING:
    from gateway.config import Config, ConfigError

type Serve = Callable[[Config, bool], int]
"""Serves with a configuration, in front of the demo backend or not; returns the exit code."""

PROGRAM = "ollama-openai-proxy"
EXIT_REFUSED = 1
EXIT_BAD_SETTINGS = 2
EXIT_INTERRUPTED = 130
EXIT_UNREAD = 141
"""What is printed went to somebody who left, as `head` does: what a shell says of a program that ends of it."""

NO_BACKEND = (
    "there is no backend: set OPENAI_API_BASE_URL (in the environment or in .env) to an OpenAI-compatible one, or "
    "BACKENDS_FILE to a file that names several, or start with --demo to try the embedded demo backend"
)
ARGUMENT_SETTINGS = {"host": "PROXY_HOST", "port": "PROXY_PORT", "log_level": "LOG_LEVEL"}
"""Which setting an argument stands for; it beats the environment and `.env`."""
DEMO_HIDES = ("OPENAI_API_BASE_URL", "OPENAI_API_KEY", "BACKENDS_FILE")
"""What counts for nothing with --demo: a real key has no business there."""


def main(argv: Sequence[str] | None = None, *, serve: Serve | None = None) -> int:
    """Run the program; return its exit code: 0, 1 (check failed), 2 (bad arguments or settings),
    130 (interrupted), 141 (nobody reads what it prints).

    `serve`: how the gateway is run where that is what is asked for; a worker, which is given its socket, has its own.
    """
    argv = sys.argv[1:] if argv is None else argv
    # pydantic would read the metadata of every installed package, to find plugins that are not there.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        return _run(arguments, serve or partial(_serve, argv=argv))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # What is still to be written goes nowhere; else Python complains at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNREAD


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    main_parser = argparse.ArgumentParser(
        prog=_program_name(),
        usage="%(prog)s [-h] [--version] [--demo] [--host HOST] [--port PORT] [--log-level LEVEL] [COMMAND]",
        description="Serves the Ollama API and the OpenAI API in front of an OpenAI-compatible backend.",
        epilog="Settings come from the environment, then from .env; .env.example lists them all. Arguments beat both.",
        allow_abbrev=False,
    )
    main_parser.add_argument("--version", action="store_true", help="print version, commit and date, and exit")
    main_parser.add_argument("--demo", action="store_true", help="serve an embedded demo backend: needs no model")
    main_parser.add_argument("--host", help="address to listen on (PROXY_HOST)")
    main_parser.add_argument("--port", help="port to listen on (PROXY_PORT)")
    main_parser.add_argument("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING, ERROR or CRITICAL (LOG_LEVEL)")
    commands = main_parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", prog=_program_name())
    check = commands.add_parser(
        "check",
        help="check the settings, find out what the backends and their models can do, and exit",
        description="Checks the settings, then asks every backend and some of its models tiny questions. "
        "Exit code: 0 all backends answer, 1 one does not, 2 bad arguments or settings.",
        epilog="docs/check.md explains each finding.",
        allow_abbrev=False,
    )
    _add_check_arguments(check)
    key = commands.add_parser(
        "key",
        help="make, list, rotate and revoke the keys of clients",
        description="Makes, lists, rotates and revokes the keys of clients in the file that KEYS_FILE or --file names. "
        "Exit code: 0 done, 1 not possible with the keys there are, 2 bad arguments, settings or file.",
        epilog="docs/authentication.md tells what a key is, and what it may be limited to.",
        allow_abbrev=False,
    )
    add_key_arguments(key, _program_name())
    openapi = commands.add_parser(
        "openapi",
        help="print the OpenAPI document of all routes, and exit",
        description="Prints the OpenAPI document of all routes that there can be, in JSON.",
        epilog="A gateway serves the one of its own routes at /openapi.json.",
        allow_abbrev=False,
    )
    openapi.add_argument("--yaml", action="store_true", help="print YAML instead")
    return main_parser


def _add_check_arguments(check: argparse.ArgumentParser) -> None:
    # Without SUPPRESS the default of this parser would undo a --demo that stands before the command.
    check.add_argument("--demo", action="store_true", default=argparse.SUPPRESS, help="check the demo backend")
    check.add_argument("--backend", metavar="NAME", action="append", default=[], help="only this one (repeatable)")
    models = check.add_mutually_exclusive_group()
    models.add_argument("--model", metavar="NAME", action="append", default=[], help="only this one (repeatable)")
    models.add_argument("--all-models", action="store_true", help="not only five of each backend")
    check.add_argument("--json", action="store_true", help="print JSON instead of a table")
    check.add_argument("--write", metavar="FILE", type=Path, help="write a backends file with what was found")
    check.add_argument("--force", action="store_true", help="let --write overwrite FILE")


def _program_name() -> str:
    """Return how the program was called, for the usage line."""
    return "python -m gateway" if Path(sys.argv[0]).name == "__main__.py" else PROGRAM


def _run(arguments: argparse.Namespace, serve: Serve) -> int:
    if arguments.version:
        from gateway.version import version_facts

        print(version_facts())
        return 0
    if arguments.command == "openapi":
        from gateway.description import describe

        print(describe(in_yaml=arguments.yaml), end="")
        return 0
    from gateway.settings_text import ConfigError

    given = _given(arguments)
    try:
        if arguments.command == "key":
            return _key(arguments)
        config = _configure(given, demo=arguments.demo)
        if not config.fleet.backends and not arguments.demo:
            return _fail([NO_BACKEND])
        return _check(config, arguments) if arguments.command else serve(config, arguments.demo)
    except ConfigError as error:
        return _fail(_lines(error, given))


def _given(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the settings that were given as arguments."""
    values = {setting: getattr(arguments, name) for name, setting in ARGUMENT_SETTINGS.items()}
    return {setting: value for setting, value in values.items() if value is not None}


def _configure(given: Mapping[str, str], *, demo: bool) -> "Config":
    from gateway.config import Config
    from gateway.setting_sources import read_settings

    # DEBUG raises the level of the environment; a level that was asked for just now stands.
    hidden = {*(DEMO_HIDES if demo else ()), *(("DEBUG",) if "LOG_LEVEL" in given else ())}

    def read() -> dict[str, str]:
        settings = {**read_settings(os.environ), **given}
        return {name: value for name, value in settings.items() if name not in hidden}

    return Config.from_mapping(read(), reread=read)


def _lines(error: "ConfigError", given: Mapping[str, str]) -> list[str]:
    """Return a line per problem, under the name by which the user gave the value."""
    options = {
        setting: "--" + name.replace("_", "-") for name, setting in ARGUMENT_SETTINGS.items() if setting in given
    }
    return [str(problem._replace(name=options.get(problem.name, problem.name))) for problem in error.problems]


def _fail(lines: Sequence[str], code: int = EXIT_BAD_SETTINGS) -> int:
    for line in lines:
        print(f"{PROGRAM}: {line}", file=sys.stderr)
    return code


def _key(arguments: argparse.Namespace) -> int:
    """Change or show the keys; a secret stands alone on standard output, so that a script can take it from there."""
    from gateway.keys.changes import KeyRefusedError
    from gateway.keys.command import run_key_command
    from gateway.setting_sources import read_settings

    try:
        said = run_key_command(arguments, {} if arguments.file is not None else read_settings(os.environ))
    except KeyRefusedError as error:
        return _fail([str(error)], EXIT_REFUSED)
    for line in said.output:
        print(line, flush=True)
    return _fail(said.notes, 0)


def _check(config: "Config", arguments: argparse.Namespace) -> int:
    from gateway.check import Output, run_check
    from gateway.doctor.visit import Selection

    selection = Selection(tuple(arguments.backend), tuple(arguments.model), arguments.all_models)
    output = Output(arguments.json, arguments.write, arguments.force)
    return run_check(config, demo=arguments.demo, selection=selection, output=output)


def _serve(config: "Config", demo: bool, *, argv: Sequence[str]) -> int:
    # Imports make objects that stay: looking for garbage among them costs a third of the start. `server` turns it on.
    gc.disable()
    from gateway.server import run

    def on_ready(address: str) -> None:
        print(demo_banner(address, config) if demo else banner(address, config), flush=True)

    return run(config, demo=demo, arguments=argv, on_ready=on_ready)


def banner(address: str, config: "Config") -> str:
    """Return the line that says where the gateway listens and who answers."""
    hosts = dict.fromkeys(str(backend.base_url.host) for backend in config.fleet.backends)
    return f"Ollama API at {address}, answered by {', '.join(hosts)}"


def demo_banner(address: str, config: "Config") -> str:
    """Return what a newcomer needs: the address, the models, and two lines to try."""
    from gateway.demo.models import MODELS

    chat = f"""curl -s {address}/api/chat -d '{{"model":"demo","messages":[{{"role":"user","content":"hi"}}]}}'"""
    client = f"ollama.Client('{address}')"
    question = "chat('demo', [{'role': 'user', 'content': 'hi'}])['message']['content']"
    lines = [
        f"Ollama API at {address}, answered by the embedded demo backend",
        f"Models: {', '.join(model.id for model in MODELS)}",
        "Try it (the second line wants: pip install ollama):",
        f"  {chat}",
        f"""  python -c "import ollama; print({client}.{question})\"""",
    ]
    if config.access.wants_key:
        setting = "API_KEYS" if config.access.api_keys else "KEYS_FILE"
        lines.append(f"{setting} is set: both need one of its keys, as Authorization: Bearer")
    return "\n".join(lines)
