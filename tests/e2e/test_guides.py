"""What docs/guides.md shows is run as it stands there: its curl, Python and JavaScript, against the demo backend."""

import base64
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from gateway.doctor.picture import picture_url
from tests.e2e import processes
from tests.e2e.environments import OLLAMA_JS, node_with, why_no_node

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

PAGE = processes.ROOT / "docs" / "guides.md"
WRITTEN_FOR = "http://127.0.0.1:11434"
NODE_PACKAGES = {"openai": "6.49.0", "ollama": OLLAMA_JS}
PYTHON_RUNNER = """
import json, sys
for line, code in json.load(open(sys.argv[1])):
    print(f"line {line}", flush=True)
    exec(compile("\\n" * line + code, "guides.md", "exec"), {"__name__": "__main__"})
"""


def blocks(language: str, url: str) -> list[tuple[int, str]]:
    """Return the blocks of a language with their lines, for a gateway at `url`; without those that install."""
    page = PAGE.read_text("utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shown = [(page.count("\n", 0, match.start()) + 1, match[1].replace(WRITTEN_FOR, url)) for match in found]
    return [(line, code) for line, code in shown if " install " not in code]


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
    script = "\n".join(code for _, code in blocks("sh", gateway_url))
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
    shown = blocks("python", gateway_url)
    (folder / "blocks.json").write_text(json.dumps(shown))
    said = processes.run(sys.executable, "-c", PYTHON_RUNNER, "blocks.json", cwd=folder, **known(gateway_url))
    assert said.count("line ") == len(shown) > 8
    assert "name='Ada' age=36\nname='Ada' age=36" in said
    assert said.count("get_weather says: sunny in Paris.") == 2


def test_every_block_of_javascript_runs(gateway_url: str, folder: Path) -> None:
    if missing := why_no_node():
        pytest.skip(missing)
    (folder / "node_modules").symlink_to(node_with(NODE_PACKAGES))
    shown = blocks("js", gateway_url)
    # The SDK's ready-made client knows one address only.
    client = f'import {{ Ollama }} from "ollama";\nconst ollama = new Ollama({{ host: "{gateway_url}" }});'
    for line, code in shown:
        (folder / f"line{line}.mjs").write_text(code.replace('import ollama from "ollama";', client))
    (folder / "all.mjs").write_text("\n".join(f'await import("./line{line}.mjs");' for line, _ in shown))
    said = processes.run("node", "all.mjs", cwd=folder, **known(gateway_url))
    assert len(shown) > 8
    assert said.count("{ name: 'Ada', age: 36 }") == 2
    assert "404 model 'nobody' not found" in said
