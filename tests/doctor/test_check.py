"""The command: what it prints, where, and how it ends."""

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp.test_utils import unused_port

from gateway.backends_file import read_backends_file
from gateway.check import Output, run_check
from gateway.config import Config
from gateway.demo.models import MODELS
from gateway.doctor.visit import Selection
from gateway.settings_text import ConfigError
from tests.doctor.checking import serving
from tests.doctor.strict import BASIC, StrictBackend

KEY = "key-that-nobody-may-see"


class Outcome(NamedTuple):
    """How a check ended, and what it said."""

    code: int
    out: str
    errors: str


@pytest.fixture
def capture(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    return capsys


async def run(
    capture: pytest.CaptureFixture[str],
    settings: dict[str, str],
    *,
    demo: bool = False,
    selection: Selection | None = None,
    output: Output | None = None,
) -> Outcome:
    """Run the command beside the servers of a test."""
    config = Config.from_mapping(settings)
    code = await asyncio.to_thread(lambda: run_check(config, demo=demo, selection=selection, output=output))
    said = capture.readouterr()
    return Outcome(code, said.out, said.err)


def rows(outcome: Outcome) -> dict[str, str]:
    """Return the rows of the first two columns."""
    pairs = [line.strip().split(maxsplit=1) for line in outcome.out.splitlines()]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


async def test_the_demo_is_fine(capture: pytest.CaptureFixture[str]) -> None:
    outcome = await run(capture, {}, demo=True)
    assert outcome.code == 0
    assert outcome.errors.splitlines() == ["checking main", *(f"checking main: {model.id}" for model in MODELS)]
    assert rows(outcome)["settings"] == "valid"
    assert rows(outcome)["models"] == "4 listed, 4 asked"


async def test_json_stands_alone_on_stdout(capture: pytest.CaptureFixture[str]) -> None:
    async with serving(StrictBackend()) as url:
        outcome = await run(capture, {"OPENAI_API_BASE_URL": url}, output=Output(as_json=True))
    found = json.loads(outcome.out)
    assert found["ok"] is True
    assert [backend["name"] for backend in found["backends"]] == ["main"]


@pytest.mark.parametrize("as_json", [False, True])
async def test_no_secret_and_nothing_that_a_terminal_obeys_is_printed(
    as_json: bool, capture: pytest.CaptureFixture[str]
) -> None:
    backend = StrictBackend(
        key="another", echo_key=True, models=({"id": f"m-{KEY}"}, {"id": "\x1b[2Jm"}, {"id": 'x"y'}), text=KEY
    )
    async with serving(backend) as url:
        settings = {"OPENAI_API_BASE_URL": url, "OPENAI_API_KEY": KEY, "API_KEYS": "client-key-one"}
        outcome = await run(capture, settings, output=Output(as_json=as_json))
    assert outcome.code == 1
    for text in (outcome.out, outcome.errors):
        assert KEY not in text
        assert "client-key-one" not in text
        assert "\x1b" not in text
    assert "***" in outcome.out


async def test_a_backend_that_is_away_ends_with_one(capture: pytest.CaptureFixture[str]) -> None:
    outcome = await run(capture, {"OPENAI_API_BASE_URL": f"http://127.0.0.1:{unused_port()}/v1"})
    assert outcome.code == 1
    assert rows(outcome)["reachable"].startswith("no, after ")


async def test_warnings_of_the_settings_are_shown(capture: pytest.CaptureFixture[str]) -> None:
    outcome = await run(capture, {"DISABLE_SSL_VERIFICATION": "true"}, demo=True)
    assert "DISABLE_SSL_VERIFICATION" in rows(outcome)["warning"]


async def refused(capture: pytest.CaptureFixture[str], settings: dict[str, str], **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        await run(capture, settings, **options)
    (problem,) = caught.value.problems
    return str(problem)


async def test_a_backend_nobody_configured_is_refused(capture: pytest.CaptureFixture[str]) -> None:
    settings = {"OPENAI_API_BASE_URL": "http://127.0.0.1:1/v1"}
    said = await refused(capture, settings, selection=Selection(backends=("nope",)))
    assert said == "--backend: there is no backend 'nope'; expected one of main"


async def test_a_file_is_written_and_never_overwritten_by_accident(
    capture: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "backends.yaml"
    backend = StrictBackend(takes=BASIC | {"temperature"}, key=KEY)
    async with serving(backend) as url:
        settings = {"OPENAI_API_BASE_URL": url, "OPENAI_API_KEY": KEY}
        outcome = await run(capture, settings, output=Output(write=path))
        assert outcome.code == 0
        assert "set MAIN_KEY" in outcome.errors
        assert KEY not in path.read_text()
        (written,) = read_backends_file(path, {"MAIN_KEY": KEY})[0].backends
        assert written.learned["m"] == ("frequency_penalty", "presence_penalty", "seed", "top_p")
        asked = backend.requests
        assert "exists already" in await refused(capture, settings, output=Output(write=path))
        assert backend.requests == asked, "nothing is asked for an answer that cannot be written"
        assert (await run(capture, settings, output=Output(write=path, force=True))).code == 0


async def test_the_demo_and_missing_folders_are_nothing_to_write(
    capture: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "demo" in await refused(capture, {}, demo=True, output=Output(write=tmp_path / "x"))
    settings = {"OPENAI_API_BASE_URL": "http://127.0.0.1:1/v1"}
    assert "no folder" in await refused(capture, settings, output=Output(write=tmp_path / "a" / "b"))


async def test_certificates_that_cannot_be_loaded_name_the_backend(
    capture: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    path = tmp_path / "backends.yaml"
    path.write_text("backends: [{name: bad, base_url: 'https://127.0.0.1:1/v1', tls: {ca: ca.pem}}]")
    with pytest.raises(ConfigError) as caught:
        await run(capture, {"BACKENDS_FILE": str(path)})
    assert "bad" in "".join(map(str, caught.value.problems)) or "tls" in "".join(map(str, caught.value.problems))


async def test_several_backends_of_a_file_are_all_checked(capture: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "backends.yaml"
    async with serving(StrictBackend()) as one, serving(StrictBackend()) as two:
        path.write_text(f"backends:\n  - {{name: one, base_url: '{one}'}}\n  - {{name: two, base_url: '{two}'}}\n")
        outcome = await run(capture, {"BACKENDS_FILE": str(path)})
    assert outcome.code == 0
    assert [line for line in outcome.out.splitlines() if "·" in line] == [f"one · {one}", f"two · {two}"]
