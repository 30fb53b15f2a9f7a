"""The golden streams as cases for clients: what each is asked, what it must tell, and the clients themselves."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.environments import OLDER_OLLAMA, OLLAMA_JS, PYTHON_CLIENTS, node_module, python_with, python_with_ollama
from tests.e2e.processes import clean_environment
from tests.golden.models import CODER, CONTEXT_LENGTH, LATEST
from tests.golden.situations import QUESTION, SITUATIONS, Said, Situation

DRIVERS = Path(__file__).parent / "drivers"
GIVE_UP_S = 200

type Command = Callable[[str], Sequence[str | Path]]
"""Gives the command that reads the cases, for a gateway's URL; installs the client where it is not."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client: its kinds of cases, each with the facts that it does not pass on to its callers."""

    name: str
    command: Command
    kinds: Mapping[str, frozenset[str]]
    needs_node: bool = False
    always_streams: bool = False
    """Asks for a stream where its callers want one answer."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a client does, and what it must tell of it."""

    id: str
    kind: str
    asks: dict[str, Any]
    tells: dict[str, Any] = field(repr=False)
    streamed: dict[str, Any] = field(default_factory=dict, repr=False)
    """What it tells where the client asks for a stream to get it; the words before an error are lost then."""


def _expected(said: Said) -> dict[str, Any]:
    return {
        "text": said.text,
        "thinking": said.thinking,
        "calls": [list(call) for call in said.calls],
        "tokens": None if said.tokens is None else list(said.tokens),
        "reason": None if said.error else said.reason,
        "error": said.error,
        "status": said.status,
    }


def _asking(situation: Situation, kind: str, *, stream: bool) -> Case:
    prompt = {"messages": QUESTION} if kind == "chat" else {"prompt": "Say it."}
    asks = {"model": situation.name, **prompt, **situation.asks, "stream": stream}
    said = situation.said if stream else situation.said_whole
    name = f"{kind} {situation.name}{'' if stream else ', whole'}"
    streamed = _expected(situation.said) | ({"text": ""} if situation.said.error else {})
    return Case(name, kind, asks, _expected(said), streamed)


def cases(digests: Mapping[str, str]) -> list[Case]:
    """All cases; `digests` are those of /api/tags."""
    found = [_asking(situation, "chat", stream=stream) for situation in SITUATIONS for stream in (True, False)]
    for_generate = [situation for situation in SITUATIONS if situation.is_for_generate]
    found += [_asking(situation, "generate", stream=stream) for situation in for_generate for stream in (True, False)]
    for kind, prompt in (("chat", {"messages": []}), ("generate", {"prompt": ""})):
        for reason, keep_alive in (("load", "5m"), ("unload", 0)):
            asks: dict[str, Any] = {"model": "no-usage", **prompt, "keep_alive": keep_alive, "stream": False}
            found.append(
                Case(f"{reason} by {kind}", f"load by {kind}", asks, _expected(Said(tokens=None, reason=reason)))
            )
    for model, length, more in (("no-usage", 32768, []), (CODER, CONTEXT_LENGTH, ["insert"])):
        capabilities = ["completion", *more, "tools"]
        tells = {"context": [length], "capabilities": capabilities}
        found.append(Case(f"show {model}", "show", {"model": model}, tells))
    found.append(Case("tags", "tags", {}, {"digests": dict(digests)}))
    found += [
        Case(f"pull {stream}", "pull", {"model": LATEST, "stream": stream}, {"status": "success"})
        for stream in (True, False)
    ]
    return found


def replay(client: Client, url: str, wanted: Sequence[Case], cwd: Path) -> dict[str, dict[str, Any]]:
    """Run all cases that a client has in one process; return what it told of each, by its id."""
    asked = [{"id": case.id, "kind": case.kind, **case.asks} for case in wanted if case.kind in client.kinds]
    done = subprocess.run(
        client.command(url),
        cwd=cwd,
        # Some clients keep files where the user's home is.
        env=clean_environment(HOME=str(cwd)),
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=GIVE_UP_S,
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return results


def complaints(client: Client, wanted: Sequence[Case], results: Mapping[str, dict[str, Any]]) -> list[str]:
    """What a client told otherwise than it should have."""
    found = []
    for case in wanted:
        if case.kind not in client.kinds:
            continue
        told = results.get(case.id, {"crash": "no result"})
        if "crash" in told:
            found.append(f"{case.id}: {told['crash']}")
            continue
        gathered = client.always_streams and case.streamed and not case.asks["stream"]
        should_tell = case.streamed if gathered else case.tells
        facts = should_tell.keys() - client.kinds[case.kind]
        wrong = {fact: (told.get(fact), should_tell[fact]) for fact in facts if told.get(fact) != should_tell[fact]}
        found += [f"{case.id}: {fact} is {was!r}, not {should!r}" for fact, (was, should) in sorted(wrong.items())]
    return found


def _driver(name: str) -> list[str | Path]:
    return ["-m", f"tests.golden.drivers.{name}"]


_ALL = frozenset({"chat", "generate", "load by chat", "load by generate", "show", "tags", "pull"})
_NOTHING: frozenset[str] = frozenset()
_OLD_MODELS = frozenset({"thinking"})
"""What the models of ollama-python had no field for before 0.5."""


def _python(version: str) -> Client:
    lost = _OLD_MODELS if version == "0.4.9" else _NOTHING
    kinds = {kind: lost if kind in ("chat", "generate") else _NOTHING for kind in _ALL}
    return Client(f"ollama {version}", lambda url: [python_with_ollama(version), *_driver("ollama_python"), url], kinds)


def _in_python(
    package: str, driver: str, kinds: Mapping[str, frozenset[str]], *, always_streams: bool = False
) -> Client:
    packages = PYTHON_CLIENTS[package]
    return Client(
        f"{package} {packages[package]}",
        lambda url: [python_with(packages), *_driver(driver), url],
        kinds,
        always_streams=always_streams,
    )


NEWEST = Client(
    "ollama, newest", lambda url: [sys.executable, *_driver("ollama_python"), url], dict.fromkeys(_ALL, _NOTHING)
)
OTHERS = (
    *(_python(version) for version in OLDER_OLLAMA),
    Client(
        f"npm ollama {OLLAMA_JS}",
        lambda url: ["node", DRIVERS / "ollama_js.mjs", node_module(OLLAMA_JS), url],
        dict.fromkeys(_ALL, _NOTHING),
        needs_node=True,
    ),
    _in_python(
        "langchain-ollama",
        "langchain_chat",
        {
            "chat": _NOTHING,
            "generate": frozenset({"thinking", "calls", "tokens", "reason"}),
            "tags": frozenset({"digests"}),
        },
        always_streams=True,
    ),
    _in_python("llama-index-llms-ollama", "llama_index_chat", {"chat": _NOTHING, "show": frozenset({"capabilities"})}),
)
