"""Model management: lists, show, pull, push, delete, copy, create, blobs."""

import hashlib
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from tests.conformance.case import Case, NotOurs, get, post
from tests.conformance.client import Answer, Ask, Request

SECTION = "9 model management"
DATA = b"a blob"
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
COPILOT = "GitHubCopilotChat/0.42.0"


def _delete(**fields: Any) -> Request:
    return Request("DELETE", "/api/delete", fields)


def _models(answer: Answer) -> list[dict[str, Any]]:
    models = answer.json["models"]
    assert isinstance(models, list)
    return models


def _row(name: str, request: Request, holds: Callable[[Answer], object] | None = None, **row: Any) -> Case:
    return Case(SECTION, name, request, holds=holds, **row)


def _names(ask: Ask) -> None:
    """`name` is the older form of `model`, which wins."""
    for path in ("/api/show", "/api/pull", "/api/push"):
        assert ask(post(path, {"name": "demo", "stream": False})).status == 200, path
    assert ask(_delete(name="demo")).status == 200
    assert ask(post("/api/show", {"name": "no-such-model", "model": "demo"})).status == 200
    assert ask(post("/api/show", {"name": "demo", "model": "no-such-model"})).status == 404


def _statuses(answer: Answer) -> list[str]:
    return [line["status"] for line in answer.lines]


def _pulled(answer: Answer) -> object:
    statuses = _statuses(answer)
    return statuses[0] == "pulling manifest" and statuses[-1] == "success" and statuses.count("success") == 1


def _pull_order(answer: Answer) -> object:
    wanted = ["pulling manifest", "verifying sha256 digest", "writing manifest", "success"]
    return [status for status in _statuses(answer) if status in wanted] == wanted


def _pushed(answer: Answer) -> object:
    statuses = _statuses(answer)
    return statuses[0] == "retrieving manifest" and statuses[-1] == "success"


def _fails_in_stream(answer: Answer) -> object:
    first, last = answer.lines[0], answer.lines[-1]
    return first["status"] == "pulling manifest" and last["error"] == "pull model manifest: file does not exist"


def _changes_nothing(ask: Ask) -> None:
    before = _models(ask(get("/api/tags")))
    ask(post("/api/pull", {"model": "brand-new"}))
    ask(post("/api/push", {"model": "demo"}))
    ask(_delete(model="demo"))
    assert _models(ask(get("/api/tags"))) == before


def _blob_is_not_kept(ask: Ask) -> None:
    assert ask(post(f"/api/blobs/{DIGEST}", DATA)).status in (200, 201)
    assert ask(get(f"/api/blobs/{DIGEST}", "HEAD")).status == 404


def _stable_digests(ask: Ask) -> None:
    digests = [{item["name"]: item["digest"] for item in _models(ask(get("/api/tags")))} for _ in range(2)]
    assert digests[0] == digests[1]
    assert len(set(digests[0].values())) == len(digests[0])


def _newest_first(answer: Answer) -> object:
    times = [item["modified_at"] for item in _models(answer)]
    return all(earlier >= later for earlier, later in pairwise(times))


def _parameters(answer: Answer) -> object:
    lines = answer.json["parameters"].splitlines()
    return all(re.fullmatch(r"\S+ +\S.*", line) and (len(line) < 31 or line[30] == " ") for line in lines)


def _listed() -> Sequence[Case]:
    tags = get("/api/tags")
    return [
        _row("tags lists the models", tags, lambda a: {"demo:latest", "demo"} & {item["name"] for item in _models(a)}),
        _row("tags, name and model are the same", tags, lambda a: all(i["name"] == i["model"] for i in _models(a))),
        _row("tags, newest first", tags, _newest_first, server="recorder"),
        _row("tags, digests", tags, play=_stable_digests),
        _row("tags, capabilities", tags, lambda a: all(item["capabilities"] for item in _models(a))),
        _row("tags, no expires_at, no size_vram", tags, lambda a: not re.search(b"expires_at|size_vram", a.body)),
        _row(
            "tags, context_length",
            tags,
            lambda a: {item["details"].get("context_length") for item in _models(a)} == {8192},
        ),
        _row("tags, HEAD", get("/api/tags", "HEAD"), lambda a: a.header("Content-Type").startswith("application/json")),
        _row("tags list virtual models", tags, lambda a: "virtual" in str(_models(a)), server="virtual"),
        _row("ps", get("/api/ps"), lambda answer: isinstance(_models(answer), list)),
    ]


def _shown() -> Sequence[Case]:
    def show(**fields: Any) -> Request:
        return post("/api/show", fields)

    def info(answer: Answer) -> Any:
        return answer.json["model_info"]

    copilot = post("/api/show", {"model": "demo:LATEST"}, User_Agent=COPILOT)
    virtual: dict[str, Any] = {"server": "virtual"}
    return [
        _row("show by model", show(model="demo"), lambda a: a.json["details"]),
        _row("show by name", show(name="demo"), lambda a: a.json["details"]),
        _row("show, verbose", show(model="demo", verbose=True), lambda a: info(a)),
        _row(
            "show, system, template and options are ignored",
            show(model="demo", system="x", template="y", options={"a": 1}),
        ),
        _row("show, general.architecture", show(model="demo"), lambda a: info(a)["general.architecture"]),
        _row("show, general.basename", show(model="demo"), lambda a: info(a)["general.basename"]),
        _row("show, the context length", show(model="demo"), lambda a: 8192 in info(a).values()),
        _row("show, capabilities", show(model="demo"), has={"capabilities": ["completion", "tools", "insert"]}),
        _row("show, embedding model", show(model="demo-embed"), has={"capabilities": ["embedding"]}),
        _row("show, parameters", show(model="demo"), _parameters),
        _row(
            "show, nothing is null",
            show(model="demo"),
            lambda a: "null" not in re.sub(r'"families":null', "", a.body.decode()),
        ),
        _row("show for Copilot", copilot, lambda a: info(a)["general.basename"] == "demo:LATEST"),
        _row("show, system", show(model="virtual"), has={"system": "You are a ship's cook."}, **virtual),
        _row(
            "show, modelfile",
            show(model="virtual"),
            lambda a: "FROM " in a.json["modelfile"] and "SYSTEM" in a.json["modelfile"],
            **virtual,
        ),
        _row(
            "show, parameters of a Modelfile",
            show(model="virtual"),
            lambda a: re.search(r"^temperature {20}0\.25$", a.json["parameters"], re.M),
            **virtual,
        ),
        _row(
            "show, messages",
            show(model="virtual"),
            lambda a: a.json["messages"][1] == {"role": "assistant", "content": "The cook."},
            **virtual,
        ),
    ]


def _progress() -> Sequence[Case]:
    def pull(**fields: Any) -> Request:
        return post("/api/pull", fields)

    def push(**fields: Any) -> Request:
        return post("/api/push", fields)

    missing = "pull model manifest: file does not exist"
    ignored = {"insecure": True, "username": "u", "password": "p"}
    return [
        _row("pull", pull(model="demo"), _pulled),
        _row("pull, the order of steps", pull(model="demo"), _pull_order),
        _row("pull, an unknown model", pull(model="brand-new:8b"), _pulled),
        _row("pull, stream false", pull(model="demo", stream=False), has={"status": "success"}),
        _row("pull, ignored fields", pull(model="demo", **ignored), _pulled),
        _row("pull, strict, a known model", pull(model="demo"), _pulled, server="strict"),
        _row("pull, strict, an unknown model", pull(model="brand-new"), _fails_in_stream, server="strict"),
        _row(
            "pull, strict, unknown, stream false",
            pull(model="brand-new", stream=False),
            server="strict",
            status=500,
            error=missing,
        ),
        _row("push", push(model="demo"), _pushed),
        _row("push, stream false", push(model="demo", stream=False), has={"status": "success"}),
        _row("push, ignored fields", push(model="demo", **ignored), _pushed),
        _row(
            "push, strict, an unknown model",
            push(model="brand-new"),
            lambda a: "couldn't retrieve manifest" in a.body.decode() and "error" in a.last,
            server="strict",
        ),
        _row("delete", _delete(model="demo"), lambda answer: answer.body == b""),
        _row("delete, an unknown model", _delete(model="brand-new"), lambda answer: answer.body == b""),
        _row("name in place of model", get("/"), play=_names),
        _row("nothing that tags shows changes", get("/"), play=_changes_nothing),
    ]


def _copied_and_created() -> Sequence[Case]:
    def create(**fields: Any) -> Request:
        return post("/api/create", fields)

    how = re.compile(r".*MODEL_MAPPING_FILE.*", re.S)
    blob = f"/api/blobs/{DIGEST}"
    return [
        _row(
            "copy says what to do instead",
            post("/api/copy", {"source": "demo", "destination": "x"}),
            status=501,
            error=how,
        ),
        _row("create says what to do instead", create(model="x", **{"from": "demo"}), status=501, error=how),
        _row("create, from files", create(model="x", files={"a.gguf": DIGEST}), status=501, error=how),
        _row("create, by name", create(name="x", stream=False, **{"from": "demo"}), status=501, error=how),
        _row(
            "create, every field",
            create(
                model="x",
                license=["MIT"],
                parameters={"seed": 1},
                messages=[{"role": "user", "content": "x"}],
                quantization="q4_0",
                **{"from": "demo"},
            ),
            status=501,
            error=how,
        ),
        _row("blob, HEAD of a missing one", get(blob, "HEAD"), status=404),
        _row("blob, POST", post(blob, DATA), lambda answer: answer.body == b"", status=201),
        _row("blob, POST of another one", post(blob, b"other"), status=400, error=re.compile("digest mismatch, .*")),
        _row("blob, nothing is kept", get(blob, "HEAD"), play=_blob_is_not_kept),
    ]


CASES: Sequence[Case] = (*_listed(), *_shown(), *_progress(), *_copied_and_created())

_STATIC = "nothing is pulled, pushed or made here: the models are the backend's"
NOT_OURS: Sequence[NotOurs] = (
    NotOurs(SECTION, "pull, the steps of a layer", _STATIC),
    NotOurs(SECTION, "push, the steps of a layer", _STATIC),
    NotOurs(SECTION, "create, its steps", "a gateway answers 501 and names virtual models instead"),
    NotOurs(SECTION, "copy answers 200", "a gateway answers 501 and names virtual models instead"),
    NotOurs(SECTION, "ps, entries of running models", "what a backend holds in memory is mostly not told"),
    NotOurs(SECTION, "ps, keep_alive -1 expires in centuries", "the gateway keeps nothing loaded, so nothing expires"),
    NotOurs(SECTION, "tags carry the tag", "the backend's ids are shown as they are; every form with :latest resolves"),
    NotOurs(SECTION, "show, license", "backends do not tell licences, and none is invented"),
    NotOurs(
        SECTION,
        "show, tokenizer.ggml, tensors and projector_info",
        "they are read from a model's file, which the backend has",
    ),
    NotOurs(SECTION, "blob, 200 where it is there already", "nothing is kept, so nothing is there already"),
)
