"""`check` finds of every real server what the rows know, and counts its requests."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.backends.real.conftest import ServerOf, backends_file
from tests.backends.real.served import UNKNOWN_CONTEXT, Served
from tests.backends.real.test_served import EACH
from tests.e2e.processes import clean_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KINDS = {"llama": "llamacpp", "litellm": "litellm", "transformers": "transformers"}
"""The profile of each server, by how its name here begins."""


def known(row: Served) -> dict[str, object]:
    """What a check has to find: a word for each question, or the number that is its value; None: not asked."""
    thinks, embeds, formats = bool(row.thoughts), isinstance(row.vectors, int), isinstance(row.person, str)
    return {
        **dict.fromkeys(("plain", "streaming", "stream_options", "tools", "parallel_tools", "parameters"), "yes"),
        "thinking": "yes" if thinks else "no",
        "thinking_off": "yes" if thinks else None,
        "json_schema": "yes" if formats else "no",
        "json_mode": "yes" if formats else "no",
        "vision": "no" if row.image else "partly",
        "logprobs": "yes" if row.logprobs else "no",
        "unknown_parameters": "no" if row.strict else "yes",
        "embeddings": row.vectors if embeds else "no",
        "embeddings_base64": "yes" if embeds else None,
        "embeddings_batch": "yes" if embeds else None,
        "context_length": "unknown" if row.context == UNKNOWN_CONTEXT else row.context,
    }


def check(file: Path, model: str) -> Any:
    """Run the command as its users do; return its report."""
    command = [sys.executable, "-m", "gateway", "check", "--json", "--model", model]
    done = subprocess.run(
        command, env=clean_environment(BACKENDS_FILE=str(file)), cwd=file.parent, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@EACH
def test_a_check_agrees_with_what_is_known_of_the_server(row: Served, server_of: ServerOf, tmp_path: Path) -> None:
    report = check(backends_file(tmp_path, server_of(row.server).settings("main")), row.model)
    [backend] = report["backends"]
    assert (backend["ok"], backend["profile"]) == (True, KINDS[row.server.partition("-")[0]])
    [model] = backend["models"]
    found = {name: _found(result) for name, result in model["checks"].items()}
    assert found == known(row)
    assert 0 < report["requests"] < 30


def _found(result: dict[str, Any]) -> object:
    if not result["asked"] and result["answer"] != "yes":
        return None
    return result["value"] if result["answer"] == "yes" and result["value"] and not result["unit"] else result["answer"]
