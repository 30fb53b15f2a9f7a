"""What docs/quickstart.md and README show first is run as it stands there, up to the answer through LangChain."""

import re
import shutil
from pathlib import Path

import pytest

from tests.e2e import processes
from tests.e2e.environments import PYTHON_CLIENTS, python_with
from tests.e2e.shown import WRITTEN_FOR, shown

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PAGE = processes.ROOT / "docs" / "quickstart.md"
README = processes.ROOT / "README.md"


def test_its_questions_are_answered(gateway_url: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    [script] = [block.text for block in shown(PAGE, "sh") if "curl " in block.text]
    script = script.replace(WRITTEN_FOR, gateway_url).replace("curl ", "curl --fail-with-body ")
    said = processes.run("bash", "-euc", script, cwd=tmp_path)
    assert '"name":"demo"' in said
    assert said.count("6*7 = 42.") == 2


def in_readme() -> str:
    """Return the program that README has LangChain run."""
    [line] = re.findall(r'^try/bin/python -c "(.+)"$', README.read_text(encoding="utf-8"), re.MULTILINE)
    return str(line)


@pytest.mark.slow
@pytest.mark.parametrize("page", [PAGE, README], ids=lambda page: page.name)
def test_langchain_prints_what_the_page_says(page: Path, gateway_url: str, tmp_path: Path) -> None:
    try:
        python = python_with(PYTHON_CLIENTS["langchain-ollama"])
    except RuntimeError as error:
        pytest.skip(f"langchain-ollama cannot be installed here: {error}")
    program = in_readme() if page == README else shown(page, "python")[0].text
    (tmp_path / "ask.py").write_text(program.replace(WRITTEN_FOR, gateway_url))
    printed = re.search(r"^It prints `(.+?)`", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert printed is not None
    assert processes.run(python, "ask.py", cwd=tmp_path) == f"{printed[1]}\n"
