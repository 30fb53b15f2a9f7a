"""The programs of examples/: each runs against the demo backend and says what it should."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gateway.backends_file import read_backends_file
from gateway.setting_sources import read_model_mapping
from tests.e2e import processes
from tests.e2e.environments import OLLAMA_JS, PYTHON_CLIENTS, node_module, python_with, why_no_node
from tests.e2e.processes import ROOT, clean_environment
from tests.e2e.token_backend import TokenBackend

pytestmark = pytest.mark.e2e

EXAMPLES = ROOT / "examples"
BACKENDS_FILES = [*sorted((EXAMPLES / "backends").glob("*.yaml")), EXAMPLES / "advanced" / "backends.yaml"]
MAPPING_FILES = [*sorted((EXAMPLES / "mapping").glob("*.json")), EXAMPLES / "advanced" / "mapping.json"]
GIVE_UP_S = 100
FOUND = "Found: The gateway listens on port 11434"
WEATHER = "get_weather says: clear."
RUN_ALL = """
import io, json, runpy, sys, traceback
from contextlib import redirect_stdout

for path in list(sys.argv[1:]):
    with redirect_stdout(io.StringIO()) as said:
        sys.argv = [path]
        try:
            runpy.run_path(path, run_name="__main__")
        except Exception:
            traceback.print_exc(file=said)
    print(json.dumps([path, said.getvalue()]))
"""
"""Runs programs one after the other in one process, since importing the packages takes longer than the programs do."""

SAID = {
    "python/ollama_chat.py": ["6*7 = 42.", "6*8 = 48.", "I received 4 messages", "tokens read, 17 written"],
    "python/ollama_stream.py": ['The user says "hello".', "\n---\nHello! I am demo-thinking"],
    "python/ollama_tools.py": ["get_weather({'city': 'Paris'})", WEATHER],
    "python/ollama_structured.py": ["Alice, 22\n"],
    "python/ollama_vision.py": ["PNG, 8 x 8 pixels"],
    "python/ollama_rag.py": [FOUND, "Answer from this alone. The gateway listens"],
    "python/ollama_async.py": ["2*2 = 4.", "3*3 = 9.", "4*4 = 16.", "5*5 = 25."],
    "python/openai_chat.py": ["demo, demo-thinking, demo-vision, demo-embed\n", "6*7 = 42.", "2 vectors of 64 numbers"],
    "python/openai_stream.py": ["6*7 = 42.", "3 tokens read, 10 written"],
    "advanced/cancel_stream.py": ['Enough after 3 parts: You said "Tell'],
    "advanced/retry_on_429.py": ["6*7 = 42."],
}
"""What each program that needs only the development environment prints, in this order."""
SAID_BY_CLIENTS = {
    "python/langchain_chat.py": ("langchain-ollama", ["6*7 = 42.", "clear in Paris", "name='Alice' age=22"]),
    "python/langchain_rag.py": ("langchain-ollama", [FOUND, "Answer from this alone. The gateway listens"]),
    "python/llamaindex_chat.py": ("llama-index-llms-ollama", ["6*7 = 42.", "Hello! I am demo"]),
}
"""The same for those that need packages of their own."""
SAID_BY_SCRIPTS = {
    "chat.mjs": ["6*7 = 42. I received 1 message"],
    "fetch_stream.mjs": ["6*7 = 42."],
    "rag.mjs": [FOUND, "Answer from this alone. The gateway listens"],
    "tools.mjs": ['get_weather({"city":"Paris"})', WEATHER],
}


def environment(url: str, **more: str) -> dict[str, str]:
    """Where each client looks for the gateway."""
    return clean_environment(OLLAMA_HOST=url, OPENAI_BASE_URL=f"{url}/v1", GATEWAY=url, **more)


def run(command: Sequence[str | Path], url: str, cwd: Path, **more: str) -> str:
    """What a program prints, which must succeed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(url, HOME=str(cwd), **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=GIVE_UP_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(said: str, expected: Sequence[str]) -> None:
    """All of it, in this order."""
    assert re.search(".*".join(map(re.escape, expected)), said, re.DOTALL), said


@pytest.fixture(scope="module")
def all_said(gateway_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the programs print that need only the development environment."""
    paths = [str(EXAMPLES / name) for name in SAID]
    told = run([sys.executable, "-c", RUN_ALL, *paths], gateway_url, tmp_path_factory.mktemp("examples"))
    said = dict(map(json.loads, told.splitlines()))
    return {name: said[path] for name, path in zip(SAID, paths, strict=True)}


@pytest.mark.parametrize("name", SAID)
def test_a_python_example_says_what_it_should(name: str, all_said: dict[str, str]) -> None:
    check(all_said[name], SAID[name])


def test_every_program_among_the_examples_is_run() -> None:
    programs = {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*") if path.suffix in (".py", ".mjs")}
    assert programs == {*SAID, *SAID_BY_CLIENTS, *(f"javascript/{name}" for name in SAID_BY_SCRIPTS)}


def test_the_examples_of_curl_are_answered(gateway_url: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    said = run(["sh", EXAMPLES / "curl" / "ask.sh"], gateway_url, tmp_path)
    assert said.count("== /") == 9
    check(said, ['{"version":', '"name":"demo"', '"done":true', '"response":"6*7 = 42.', '"city":"Paris"', "Alice"])
    check(said, ['"embeddings":[[', '"object":"list"', "data: [DONE]"])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SAID_BY_CLIENTS)
def test_an_example_of_another_client_says_what_it_should(name: str, gateway_url: str, tmp_path: Path) -> None:
    client, expected = SAID_BY_CLIENTS[name]
    try:
        python = python_with(PYTHON_CLIENTS[client])
    except RuntimeError as error:
        pytest.skip(f"{client} cannot be installed here: {error}")
    check(run([python, EXAMPLES / name], gateway_url, tmp_path), expected)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SAID_BY_SCRIPTS)
def test_an_example_in_javascript_says_what_it_should(name: str, gateway_url: str, tmp_path: Path) -> None:
    if reason := why_no_node():
        pytest.skip(reason)
    # Packages are looked for beside the script, in node_modules.
    modules = node_module(OLLAMA_JS).parents[2]
    (tmp_path / "node_modules").symlink_to(modules)
    script = Path(shutil.copy(EXAMPLES / "javascript" / name, tmp_path))
    check(run(["node", script], gateway_url, tmp_path), SAID_BY_SCRIPTS[name])


# advanced


@contextmanager
def refusing_once() -> Iterator[str]:
    """The URL of a server that has a client wait once, no longer than it takes to say so, and then answers."""
    asked: list[str] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            body: dict[str, Any] = {"error": "too many requests"}
            if len(asked) > 1:
                body = {"model": "demo", "message": {"role": "assistant", "content": "at last"}, "done": True}
            self.send_response(429 if len(asked) == 1 else 200)
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


@pytest.mark.slow
def test_the_patient_client_asks_again_when_it_is_told_to(tmp_path: Path) -> None:
    with refusing_once() as url:
        said = run([sys.executable, EXAMPLES / "advanced" / "retry_on_429.py"], url, tmp_path)
    assert said == "429, again in 0 s\nat last\n"


@pytest.mark.slow
def test_leaving_a_stream_stops_the_backend(tmp_path: Path) -> None:
    settings = {"MODEL_MAPPING_FILE": str(tmp_path / "mapping.json")}
    (tmp_path / "mapping.json").write_text(json.dumps({"demo": "held"}))
    with (
        TokenBackend(free=3).serving() as backend,
        processes.gateway(tmp_path, OPENAI_API_BASE_URL=backend.url, **settings) as program,
    ):
        said = run([sys.executable, EXAMPLES / "advanced" / "cancel_stream.py"], program.url, tmp_path)
        assert said.startswith("Enough after 3 parts: ")
        assert backend.left.wait(30)


@pytest.mark.slow
def test_the_script_of_many_parts_makes_a_key_and_starts_a_gateway(tmp_path: Path) -> None:
    more = {"PYTHON": sys.executable, "KEYS_FILE": str(tmp_path / "keys.json"), "OPENAI_API_KEY": "any"}
    said = run([EXAMPLES / "advanced" / "start.sh", "--version"], "http://127.0.0.1:9", tmp_path, **more)
    secret, version = said.splitlines()
    assert len(secret) > 20
    assert re.search(r"\d+\.\d+\.\d+", version)
    [key] = json.loads((tmp_path / "keys.json").read_text("utf-8"))["keys"]
    assert (key["name"], key["models"]) == ("ci", ["llama3", "reviewer"])


# Files


@pytest.mark.parametrize("path", BACKENDS_FILES, ids=lambda path: path.name)
def test_a_backends_file_is_read(path: Path) -> None:
    fleet, warnings = read_backends_file(path, {"OPENAI_API_KEY": "any"})
    assert fleet.backends
    assert warnings == []


@pytest.mark.parametrize("path", MAPPING_FILES, ids=lambda path: path.name)
def test_a_mapping_file_is_read(path: Path) -> None:
    assert read_model_mapping(path)


def test_the_workflow_for_n8n_connects_nodes_that_it_has() -> None:
    workflow = json.loads((EXAMPLES / "n8n" / "workflow.json").read_text("utf-8"))
    nodes = {node["name"]: node for node in workflow["nodes"]}
    assert len(nodes) == len(workflow["nodes"])
    for source, kinds in workflow["connections"].items():
        assert source in nodes
        for outputs in kinds.values():
            assert {target["node"] for output in outputs for target in output} <= nodes.keys()
    ollama = {node["type"].rpartition(".")[2] for node in nodes.values() if "ollamaApi" in node.get("credentials", {})}
    assert ollama == {"lmChatOllama", "lmOllama", "embeddingsOllama"}
