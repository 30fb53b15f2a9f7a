"""What is said of models, and the questions by which clients decide whether this is an Ollama."""

import base64
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import processes
from tests.golden.backend import Answer, GoldenBackend
from tests.golden.models import CODER, CONTEXT_LENGTH, LATEST, MODELS, NAMES
from tests.golden.situations import DONE, event, whole
from tests.golden.streams import send

pytestmark = pytest.mark.e2e

KEY = "golden-key-5f3a"
DETAILS = ("format", "family", "parameter_size", "quantization_level")
FILLED = Answer((event({}, "stop", choices=[{"index": 0, "text": "in", "finish_reason": "stop"}]), DONE), whole({}))


@pytest.fixture(scope="module")
def tags(golden_url: str) -> list[dict[str, Any]]:
    """The list of models."""
    models: list[dict[str, Any]] = send(golden_url, "GET", "/api/tags").json["models"]
    return models


@pytest.fixture(scope="module")
def other_backend() -> Iterator[GoldenBackend]:
    """A backend that nobody else asks."""
    with GoldenBackend({CODER: FILLED, LATEST: FILLED}, MODELS).serving() as backend:
        yield backend


@pytest.fixture(scope="module")
def locked_url(other_backend: GoldenBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway in front of it that wants a key and manages models strictly."""
    settings = {"OPENAI_API_BASE_URL": other_backend.url, "API_KEYS": KEY, "MODEL_MANAGEMENT": "strict"}
    with processes.gateway(tmp_path_factory.mktemp("locked"), **settings) as program:
        yield program.url


def shown(url: str, **body: Any) -> dict[str, Any]:
    """The answer of /api/show."""
    reply = send(url, "POST", "/api/show", body)
    assert reply.status == 200
    found: dict[str, Any] = reply.json
    return found


def digests(url: str, headers: dict[str, str] | None = None) -> dict[str, str]:
    """The digest of each model."""
    models = send(url, "GET", "/api/tags", headers=headers).json["models"]
    return {model["name"]: model["digest"] for model in models}


def test_each_model_has_a_long_digest_of_its_own_that_stays(golden_url: str, locked_url: str) -> None:
    found = digests(golden_url)
    assert len(found) == len(NAMES)
    assert len(set(found.values())) == len(found)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in found.values())
    assert digests(locked_url, {"Authorization": f"Bearer {KEY}"}) == found


def test_every_entry_of_tags_has_what_strict_clients_read(tags: list[dict[str, Any]]) -> None:
    for entry in tags:
        assert entry["name"] == entry["model"]
        assert datetime.fromisoformat(entry["modified_at"]).tzinfo
        assert type(entry["size"]) is int
        assert all(isinstance(entry["details"][key], str) for key in DETAILS)
        assert entry["details"]["families"] is None or all(isinstance(x, str) for x in entry["details"]["families"])
        assert not {"expires_at", "size_vram"} & entry.keys()


@pytest.mark.parametrize("field", ["model", "name"])
@pytest.mark.parametrize("model", ["no-usage", CODER, LATEST])
def test_show_has_info_capabilities_and_details_by_either_field(field: str, model: str, golden_url: str) -> None:
    answer = shown(golden_url, **{field: model})
    assert answer["model_info"]
    assert isinstance(answer["model_info"], dict)
    assert {"completion", "tools"} <= set(answer["capabilities"])
    assert all(isinstance(answer["details"][key], str) for key in DETAILS)


@pytest.mark.parametrize(("model", "length"), [("no-usage", 32768), (CODER, CONTEXT_LENGTH), (LATEST, CONTEXT_LENGTH)])
def test_one_key_of_model_info_tells_the_context_length(model: str, length: int, golden_url: str) -> None:
    info = shown(golden_url, model=model)["model_info"]
    key = f"{info['general.architecture']}.context_length"
    assert [name for name in info if "context_length" in name] == [key]
    assert info[key] == length
    assert type(info[key]) is int


def test_a_burst_of_questions_at_the_start_reads_the_list_once(tmp_path: Path) -> None:
    with (
        GoldenBackend({}, MODELS).serving() as backend,
        processes.gateway(tmp_path, OPENAI_API_BASE_URL=backend.url) as program,
        ThreadPoolExecutor(8) as pool,
    ):
        asked = [
            *(pool.submit(send, program.url, "GET", path) for path in ("/api/tags", "/api/version", "/api/ps")),
            *(pool.submit(send, program.url, "POST", "/api/show", {"model": name}) for name in NAMES),
            *(pool.submit(send, program.url, "GET", "/api/tags") for _ in NAMES),
        ]
        assert {reply.result().status for reply in asked} == {200}
        # One reading for the clients, one for the gateway's own look at the backend's health.
        assert backend.lists <= 2


@pytest.mark.parametrize("name", ["no-usage", "no-usage:latest", "No-Usage", "NO-USAGE:LATEST", LATEST, LATEST.lower()])
def test_a_name_is_found_with_latest_and_in_any_case_and_echoed_as_sent(name: str, golden_url: str) -> None:
    shown(golden_url, model=name)
    loaded = send(golden_url, "POST", "/api/generate", {"model": name})
    assert (loaded.status, loaded.json["model"]) == (200, name)


@pytest.mark.parametrize("field", ["model", "name"])
def test_pulling_a_model_that_is_there_succeeds(field: str, golden_url: str, locked_url: str) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    for url in (golden_url, locked_url):
        streamed = send(url, "POST", "/api/pull", {field: CODER}, key)
        assert [line["status"] for line in streamed.lines][-1:] == ["success"]
        assert send(url, "POST", "/api/pull", {field: CODER, "stream": False}, key).json["status"] == "success"


def test_pulling_a_model_that_is_not_there_fails_where_management_is_strict(locked_url: str) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    streamed = send(locked_url, "POST", "/api/pull", {"model": "nobody"}, key)
    assert (streamed.status, "error" in streamed.lines[-1]) == (200, True)
    reply = send(locked_url, "POST", "/api/pull", {"model": "nobody", "stream": False}, key)
    assert (reply.status, isinstance(reply.json["error"], str)) == (500, True)


def test_the_root_says_that_ollama_is_running(golden_url: str) -> None:
    reply = send(golden_url, "GET", "/")
    assert (reply.status, reply.body) == (200, b"Ollama is running")


@pytest.mark.parametrize("path", ["/", "/api/version", "/api/tags"])
def test_probes_may_ask_with_head(path: str, golden_url: str) -> None:
    reply = send(golden_url, "HEAD", path)
    assert (reply.status, reply.body) == (200, b"")


def test_the_version_is_three_numbers_that_no_client_finds_too_old(golden_url: str) -> None:
    version = send(golden_url, "GET", "/api/version").json["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert tuple(map(int, version.split("."))) >= (0, 13, 4)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {KEY}", 200),
        (f"Basic {base64.b64encode(f'user:{KEY}'.encode()).decode()}", 200),
        ("Bearer another", 401),
        (f"Basic {base64.b64encode(b'user:another').decode()}", 401),
        ("Bearer ", 401),
    ],
)
def test_a_key_is_taken_as_bearer_and_as_basic_and_a_wrong_one_is_refused(
    authorization: str, status: int, locked_url: str
) -> None:
    reply = send(locked_url, "GET", "/api/tags", headers={"Authorization": authorization})
    assert reply.status == status
    assert status == 200 or isinstance(reply.json["error"], str)


@pytest.mark.parametrize("authorization", ["Bearer ", "Bearer", "Basic ", "Bearer any"])
def test_a_client_may_send_any_or_no_key_where_none_is_wanted(authorization: str, golden_url: str) -> None:
    headers = {"Authorization": authorization}
    assert send(golden_url, "GET", "/api/tags", headers=headers).status == 200
    body = {"model": "no-usage", "messages": [{"role": "user", "content": "Say it."}], "stream": False}
    assert send(golden_url, "POST", "/api/chat", body, headers).status == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "//api/tags"), ("GET", "/api//version"), ("POST", "//api//chat")])
def test_doubled_slashes_are_read_as_one(method: str, path: str, golden_url: str) -> None:
    body = {"model": "no-usage"} if method == "POST" else None
    assert send(golden_url, method, path, body).status == 200


def test_a_path_put_together_wrongly_is_not_found(golden_url: str) -> None:
    reply = send(golden_url, "POST", "/api/chat/api/show", {"name": "no-usage"})
    assert (reply.status, reply.body) == (404, b"404 page not found")


def test_a_template_has_a_suffix_where_the_model_can_insert(golden_url: str) -> None:
    coder, other = shown(golden_url, model=CODER), shown(golden_url, model="no-usage")
    assert ".Suffix" in coder["template"]
    assert "insert" in coder["capabilities"]
    assert ".Suffix" not in other["template"]
    assert "insert" not in other["capabilities"]


def test_a_suffix_reaches_the_model_that_can_insert(other_backend: GoldenBackend, locked_url: str) -> None:
    body = {"model": CODER, "prompt": "def f(", "suffix": "): pass"}
    reply = send(locked_url, "POST", "/api/generate", body, {"Authorization": f"Bearer {KEY}"})
    assert "".join(chunk["response"] for chunk in reply.lines) == "in"
    path, asked = other_backend.asked[-1]
    assert (path, asked["prompt"], asked["suffix"]) == ("/v1/completions", "def f(", "): pass")
