"""What docs/guides.md shows is run as it stands there: its curl, Python and JavaScript, against the demo backend."""

import base64
import shutil
from pathlib import Path

import pytest

from gateway.doctor.picture import picture_url
from tests.e2e import processes
from tests.e2e.environments import why_no_node
from tests.e2e.shown import WRITTEN_FOR, run_javascript, run_python, shown

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

PAGE = processes.ROOT / "docs" / "guides.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the picture that the page speaks of."""
    (tmp_path / "picture.png").write_bytes(base64.b64decode(picture_url().partition(",")[2]))
    return tmp_path


def known(url: str) -> dict[str, str]:
    """What the page says that stands in the environment."""
    return {"OLLAMA_HOST": url, "KEY": "any"}


def test_every_line_of_curl_is_answered_well(gateway_url: str, folder: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    script = "\n".join(block.text for block in shown(PAGE, "sh")).replace(WRITTEN_FOR, gateway_url)
    assert script.count("curl ") > 20
    said = processes.run(
        "bash",
        "-euc",
        script.replace("curl ", "curl --fail-with-body "),
        cwd=folder,
        **known(gateway_url),
    )
    assert said.count("6*7 = 42.") >= 4
    assert "[DONE]" in said


def test_every_block_of_python_runs(gateway_url: str, folder: Path) -> None:
    found = shown(PAGE, "python")
    assert len(found) > 8
    said = "".join(part.text for part in run_python(found, gateway_url, folder, **known(gateway_url)))
    assert "name='Ada' age=36\nname='Ada' age=36" in said
    assert said.count("get_weather says: sunny in Paris.") == 2


def test_every_block_of_javascript_runs(gateway_url: str, folder: Path) -> None:
    if missing := why_no_node():
        pytest.skip(missing)
    found = shown(PAGE, "js")
    assert len(found) > 8
    said = "".join(part.text for part in run_javascript(found, gateway_url, folder, **known(gateway_url)))
    assert said.count("{ name: 'Ada', age: 36 }") == 2
    assert "404 model 'nobody' not found" in said
