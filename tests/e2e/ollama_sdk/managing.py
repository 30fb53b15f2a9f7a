"""Embeddings, models, and what is refused."""

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import ollama

from tests.e2e.both_kinds import answered, streamed
from tests.e2e.ollama_sdk.asking import SUM
from tests.e2e.ollama_sdk.case import Recorder, case, refused

MODELS = ["demo", "demo-embed", "demo-thinking", "demo-vision"]
NOT_IMPLEMENTED = 501
NOT_FOUND = 404


def check_unit_vector(vector: Any) -> None:
    """A vector of length 1."""
    assert math.isclose(math.hypot(*vector), 1, rel_tol=1e-5)


@contextmanager
def weights() -> Iterator[Path]:
    """A file to upload."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.gguf")
        path.write_bytes(b"GGUF" + bytes(1000))
        yield path


@case()
async def embed_takes_one_text_or_many(sdk: Recorder) -> None:
    one = await answered(sdk.embed(model="demo-embed", input="why is the sky blue"))
    assert len(one["embeddings"]) == 1
    many = await answered(sdk.embed(model="demo-embed", input=["why is the sky blue", "grass"], truncate=True))
    assert list(many["embeddings"][0]) == list(one["embeddings"][0])
    assert list(many["embeddings"][1]) != list(one["embeddings"][0])
    for vector in many["embeddings"]:
        check_unit_vector(vector)
    assert many["model"] == "demo-embed"
    assert many["prompt_eval_count"] > 0
    assert many["total_duration"] > 0


@case("dimensions")
async def embed_takes_dimensions(sdk: Recorder) -> None:
    reply = await answered(sdk.embed(model="demo-embed", input=["a", "b"], dimensions=16))
    assert [len(vector) for vector in reply["embeddings"]] == [16, 16]


@case()
async def embeddings_is_the_old_embed(sdk: Recorder) -> None:
    old = await answered(sdk.embeddings(model="demo-embed", prompt="why is the sky blue"))
    new = await answered(sdk.embed(model="demo-embed", input="why is the sky blue"))
    check_unit_vector(old["embedding"])
    assert [round(x, 6) for x in old["embedding"]] == [round(x, 6) for x in new["embeddings"][0]]


@case()
async def models_are_listed(sdk: Recorder) -> None:
    models = (await answered(sdk.list()))["models"]
    assert sorted(model["model"] for model in models) == MODELS
    assert len({model["digest"] for model in models}) == len(MODELS)
    assert all(model["modified_at"] and isinstance(model["details"]["family"], str) for model in models)
    assert all(model["size"] is not None for model in models)


@case()
async def running_models_are_listed(sdk: Recorder) -> None:
    assert list((await answered(sdk.ps()))["models"]) == []


@case()
async def a_model_is_shown(sdk: Recorder) -> None:
    shown = await answered(sdk.show("demo"))
    assert isinstance(shown["details"]["family"], str)
    info = shown["model_info" if isinstance(shown, dict) else "modelinfo"]
    assert info[f"{info['general.architecture']}.context_length"] == 8192


@case("capabilities")
async def capabilities_are_shown(sdk: Recorder) -> None:
    assert {"completion", "tools"} <= set((await answered(sdk.show("demo")))["capabilities"])
    assert (await answered(sdk.show("demo-embed")))["capabilities"] == ["embedding"]


@case()
async def pull_and_push_succeed(sdk: Recorder) -> None:
    for method in (sdk.pull, sdk.push):
        assert (await answered(method("demo")))["status"] == "success"
        statuses = [part["status"] for part in await streamed(method("demo", stream=True))]
        assert len(statuses) > 1
        assert statuses[-1] == "success"


@case()
async def delete_succeeds(sdk: Recorder) -> None:
    assert (await answered(sdk.delete("demo")))["status"] == "success"


@case()
async def copy_is_refused(sdk: Recorder) -> None:
    error = await refused(lambda: sdk.copy("demo", "mine"))
    assert error.status_code == NOT_IMPLEMENTED
    assert "cannot be copied" in error.error


async def check_create_is_refused(sdk: Recorder, **source: Any) -> None:
    """Refused whole and streamed, with the status and a text that helps."""
    for stream in (False, True):
        error = await refused(partial(sdk.create, model="mine", stream=stream, **source))
        assert error.status_code == NOT_IMPLEMENTED
        assert "cannot be created" in error.error


@case("modelfile")
async def create_from_a_modelfile_is_refused_as_by_any_newer_server(sdk: Recorder) -> None:
    for stream in (False, True):
        error = await refused(partial(sdk.create, model="mine", modelfile="FROM demo", stream=stream))
        assert (error.status_code, error.error) == (400, "neither 'from' or 'files' was specified")


@case("modelfile")
async def the_file_of_a_modelfile_is_refused(sdk: Recorder) -> None:
    with weights() as path:
        error = await refused(lambda: sdk.create(model="mine", modelfile=f"FROM {path}"))
    assert error.status_code == 400


@case("create_blob")
async def create_is_refused(sdk: Recorder) -> None:
    await check_create_is_refused(sdk, from_="demo", system="Be brief.", parameters={"temperature": 0})


@case("create_blob")
async def a_blob_is_taken(sdk: Recorder) -> None:
    with weights() as path:
        digest = await answered(sdk.create_blob(path))
    assert str(digest).startswith("sha256:")


@case()
async def an_unknown_model_is_not_found(sdk: Recorder) -> None:
    for call in (
        lambda: sdk.chat(model="nobody", messages=SUM),
        lambda: sdk.chat(model="nobody", messages=SUM, stream=True),
        lambda: sdk.generate(model="nobody", prompt="hi"),
        lambda: sdk.generate(model="nobody", prompt="hi", stream=True),
        lambda: sdk.embed(model="nobody", input="hi"),
        lambda: sdk.embeddings(model="nobody", prompt="hi"),
        lambda: sdk.show("nobody"),
    ):
        error = await refused(call)
        assert error.status_code == NOT_FOUND
        assert "nobody" in error.error
        assert "not found" in error.error


@case()
async def what_a_model_cannot_do_is_refused(sdk: Recorder) -> None:
    error = await refused(lambda: sdk.chat(model="demo-embed", messages=SUM))
    assert error.status_code == 400
    assert isinstance(error.error, str)
    assert error.error


@case()
async def the_module_finds_the_server_in_the_environment(sdk: Recorder) -> None:
    assert os.environ["OLLAMA_HOST"]
    assert ollama.chat(model="demo", messages=SUM)["message"]["content"].startswith("2+2 = 4.")


@case("close")
async def a_client_can_be_closed(sdk: Recorder) -> None:
    recorder, client = sdk.another(host=os.environ["OLLAMA_HOST"])
    assert (await answered(recorder.ps()))["models"] == []
    await answered(recorder.close())
    assert client._client.is_closed
