"""What tools of others make of the document: a validator, a fuzzer, and generators of clients that call the demo."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from gateway.demo.models import MODELS
from tests.e2e import processes
from tests.e2e.environments import node_with, python_with, why_no_node
from tests.e2e.processes import run
from tests.fuzz.__main__ import schemathesis
from tests.openapi.documented import document, text

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VALIDATOR = {"openapi-spec-validator": "0.9.0"}
PYTHON_GENERATOR = {"openapi-python-client": "0.29.1"}
NODE_GENERATOR = {"openapi-typescript": "7.13.0", "openapi-fetch": "0.17.0", "typescript": "5.9.3"}
DRIVERS = Path(__file__).parent / "drivers"
ANSWER = "6*7 = 42. I received 1 message with 3 words."
BUDGET_S = 40
CHECKS = (
    "status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance,"
    "unsupported_method"
)
COMPILER_OPTIONS = {
    "strict": True,
    "noUncheckedIndexedAccess": True,
    "target": "es2022",
    "lib": ["es2022", "dom"],
    "module": "nodenext",
    "types": [],
    "outDir": "out",
}


def python(packages: Mapping[str, str]) -> Path:
    """The interpreter of an environment with these packages; skips where they cannot be had."""
    try:
        return python_with(packages)
    except RuntimeError as error:
        pytest.skip(f"{', '.join(packages)} cannot be installed: {str(error).splitlines()[-1]}")


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """The URL of a gateway before the demo backend, both as processes."""
    with (
        TemporaryDirectory() as name,
        processes.demo_backend(Path(name)) as backend,
        processes.gateway(
            Path(name), OPENAI_API_BASE_URL=backend.url, ADMIN_KEY="admin-secret-1", LOG_LEVEL="WARNING"
        ) as program,
    ):
        yield program.url


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_the_validator_finds_nothing(tmp_path: Path, form: str) -> None:
    interpreter = python(VALIDATOR)
    arguments = ["--yaml"] if form == "yaml" else []
    printed = run(sys.executable, "-m", "gateway", "openapi", *arguments, cwd=tmp_path)
    (tmp_path / f"openapi.{form}").write_text(printed, encoding="utf-8")
    said = run(interpreter, "-m", "openapi_spec_validator", "--schema", "3.1", f"openapi.{form}", cwd=tmp_path)
    assert said.strip().endswith("OK")


def strict(whole: dict[str, Any]) -> dict[str, Any]:
    """Return the document without what would let any status pass, and without what never ends.

    Events have no schema here: the fuzzer takes it for that of one event, which OpenAPI 3.1 has no words for.
    """
    copied: dict[str, Any] = json.loads(json.dumps(whole))
    del copied["paths"]["/ui/events"]
    for item in copied["paths"].values():
        for operation in item.values():
            operation["responses"].pop("default", None)
            for response in operation["responses"].values():
                response.get("content", {}).get("text/event-stream", {}).pop("schema", None)
    return copied


def test_the_fuzzer_finds_no_undocumented_status_and_no_undocumented_body(tmp_path: Path, gateway: str) -> None:
    try:
        program = schemathesis()
    except RuntimeError as error:
        pytest.skip(f"schemathesis cannot be installed: {str(error).splitlines()[-1]}")
    (tmp_path / "openapi.json").write_text(json.dumps(strict(document())), encoding="utf-8")
    said = run(
        *(program, "run", "openapi.json", "--url", gateway, "--checks", CHECKS),
        *("--header", "Authorization: Bearer admin-secret-1"),
        *("--phases", "examples,coverage,fuzzing", "--max-time", str(BUDGET_S), "--request-timeout", "20"),
        *("--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off", "--seed", "1"),
        cwd=tmp_path,
        NO_PROXY="127.0.0.1",
    )
    assert "No issues found" in said, said[-4000:]


def test_a_client_for_python_is_generated_compiles_and_calls_the_demo(tmp_path: Path, gateway: str) -> None:
    interpreter = python(PYTHON_GENERATOR)
    (tmp_path / "openapi.json").write_text(text(), encoding="utf-8")
    # YAML is read as the text it is.
    config = {"post_hooks": [], "content_type_overrides": {"application/yaml": "text/plain"}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    generate: Sequence[str | Path] = (
        interpreter.parent / "openapi-python-client",
        "generate",
        "--path",
        "openapi.json",
    )
    run(
        *generate,
        *("--meta", "none", "--output-path", "generated", "--config", "config.json", "--fail-on-warning"),
        cwd=tmp_path,
    )
    run(interpreter, "-W", "error", "-m", "compileall", "-q", "generated", cwd=tmp_path)
    said = json.loads(run(interpreter, DRIVERS / "call.py", tmp_path, gateway, cwd=tmp_path))
    assert said == {
        "answer": ANSWER,
        "reason": "stop",
        "missing": [404, "model 'nobody' not found"],
        "completion": ANSWER,
        "vectors": 2,
        "models": [model.id for model in MODELS],
        "reloaded": "reloaded",
    }


def test_a_client_for_typescript_is_generated_compiles_and_calls_the_demo(tmp_path: Path, gateway: str) -> None:
    if (reason := why_no_node()) is not None:
        pytest.skip(reason)
    try:
        modules = node_with(NODE_GENERATOR)
    except RuntimeError as error:
        pytest.skip(f"{', '.join(NODE_GENERATOR)} cannot be installed: {str(error).splitlines()[-1]}")
    (tmp_path / "openapi.json").write_text(text(), encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    configuration = {"compilerOptions": COMPILER_OPTIONS, "files": ["call.ts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(configuration), encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "call.ts").write_bytes((DRIVERS / "call.ts").read_bytes())
    # Without the option it takes a field that has a default for one that must be sent.
    generate = ("node", modules / "openapi-typescript" / "bin" / "cli.js", "openapi.json", "--output", "schema.ts")
    run(*generate, "--default-non-nullable=false", cwd=tmp_path)
    run("node", modules / "typescript" / "bin" / "tsc", "--project", ".", cwd=tmp_path)
    said = json.loads(run("node", "out/call.js", gateway, cwd=tmp_path))
    assert said.pop("lines") > 3
    assert said == {
        "answer": ANSWER,
        "reason": "stop",
        "said": ANSWER,
        "done": True,
        "missing": [404, "model 'nobody' not found"],
        "completion": ANSWER,
        "vectors": 2,
        "models": [model.id for model in MODELS],
        "model": "demo",
    }
