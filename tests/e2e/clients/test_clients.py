"""Clients that others wrote hold a conversation with a tool: question, call, result, and an answer that uses it."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.environments import NPM_CLIENTS, PYTHON_CLIENTS, node_with, python_with, why_no_node
from tests.e2e.processes import clean_environment

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

DRIVERS = Path(__file__).parent / "drivers"
GIVE_UP_S = 120
ALICE = {"name": "Alice", "age": 22}
CALLS = [["get_weather", {"city": "Paris"}]]
ANSWER = "get_weather says: sky: clear."
MODULES = {"langchain-ollama": "langchain", "llm-ollama": "llm_plugin", "litellm": "litellm_chat"}
SCRIPTS = {"@langchain/ollama": "langchain.mjs", "ollama-ai-provider-v2": "ai_provider.mjs"}


def report_of(command: Sequence[str | Path], url: str, cwd: Path) -> dict[str, Any]:
    """Run a driver in an empty home; return the line it prints last."""
    # Without the last one LiteLLM reads its list of prices from the network.
    quiet = {"HOME": str(cwd), "LLM_USER_PATH": str(cwd), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    done = subprocess.run(
        [*command, url],
        cwd=cwd,
        env=clean_environment(OLLAMA_HOST=url, **quiet),
        capture_output=True,
        text=True,
        check=False,
        timeout=GIVE_UP_S,
    )
    assert done.returncode == 0, done.stderr
    # Some clients write words of their own before it.
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def check_conversations(report: dict[str, Any]) -> None:
    """Streamed and whole, the tool was called once and the answer tells its result."""
    for way in ("streamed", "whole"):
        assert report[way]["calls"] == CALLS, way
        assert report[way]["answer"].startswith(ANSWER), way


def check_structures(report: dict[str, Any]) -> None:
    """Every structured answer fits; one without a schema is an object at least."""
    for method, value in report.get("structured", {}).items():
        found = json.loads(value) if isinstance(value, str) else value
        assert found == ALICE or (method == "json_mode" and isinstance(found, dict)), (method, value)


@pytest.mark.parametrize("package", MODULES)
def test_a_python_client_holds_a_conversation_with_a_tool(package: str, gateway_url: str, tmp_path: Path) -> None:
    python = python_with(PYTHON_CLIENTS[package])
    report = report_of([python, "-m", f"tests.e2e.clients.drivers.{MODULES[package]}"], gateway_url, tmp_path)
    check_conversations(report)
    check_structures(report)


@pytest.mark.parametrize("package", NPM_CLIENTS)
def test_a_client_for_node_holds_a_conversation_with_a_tool(package: str, gateway_url: str, tmp_path: Path) -> None:
    if reason := why_no_node():
        pytest.skip(reason)
    modules = node_with(NPM_CLIENTS[package])
    report = report_of(["node", DRIVERS / SCRIPTS[package], modules], gateway_url, tmp_path)
    check_conversations(report)
    check_structures(report)
