"""A real n8n runs the workflow of examples/ through the gateway, and finds its credentials good."""

import json
from typing import Any

import pytest

from tests.e2e.n8n import N8n, installed, why_no_n8n
from tests.e2e.processes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.backends, pytest.mark.timeout(3600)]

EXAMPLE = ROOT / "examples" / "n8n"
ANSWER = "6*7 = 42. I received 1 message with 3 words."
DOCUMENT = "The gateway listens on port 11434 unless PROXY_PORT says otherwise."


@pytest.fixture(scope="module")
def n8n(gateway_url: str, tmp_path_factory: pytest.TempPathFactory) -> N8n:
    """An n8n that has the example, with the address of this gateway."""
    if reason := why_no_n8n():
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("n8n")
    try:
        program = installed(home)
    except RuntimeError as error:
        pytest.skip(f"n8n cannot be installed here: {error}")
    credentials = json.loads((EXAMPLE / "credentials.json").read_text("utf-8"))
    credentials[0]["data"]["baseUrl"] = gateway_url
    (home / "credentials.json").write_text(json.dumps(credentials))
    program.run("import:credentials", f"--input={home / 'credentials.json'}")
    program.run("import:workflow", f"--input={EXAMPLE / 'workflow.json'}")
    return program


def results(written: str) -> dict[str, Any]:
    """What each node gave, of the object that an execution writes last."""
    execution = json.loads(written[written.index("\n{\n") : written.rindex("}") + 1])
    assert execution["status"] == "success"
    found: dict[str, Any] = {}
    for name, runs in execution["data"]["resultData"]["runData"].items():
        assert runs[0]["executionStatus"] == "success", name
        [[kept]] = runs[0]["data"].values()
        found[name] = kept[0]["json"]
    return found


def test_chat_completion_and_embeddings_run_through_the_gateway(n8n: N8n) -> None:
    workflow = json.loads((EXAMPLE / "workflow.json").read_text("utf-8"))
    given = results(n8n.run("execute", f"--id={workflow['id']}"))
    assert given.keys() == {node["name"] for node in workflow["nodes"]}
    assert given["Ask a chat model"]["text"] == ANSWER
    assert given["Ask a completion model"]["text"] == ANSWER
    assert len(given["Embeddings Ollama"]["response"][0]) == 64
    assert given["Find a document"]["document"]["pageContent"] == DOCUMENT


def test_the_test_of_credentials_tells_a_gateway_from_nothing(n8n: N8n, gateway_url: str) -> None:
    with n8n.serving() as desk:
        said = {}
        for url in (gateway_url, "http://127.0.0.1:1"):
            credentials = {"id": "gateway", "name": "Gateway", "type": "ollamaApi", "data": {"baseUrl": url}}
            said[url] = desk.ask("credentials/test", {"credentials": credentials})["status"]
    assert said == {gateway_url: "OK", "http://127.0.0.1:1": "Error"}
