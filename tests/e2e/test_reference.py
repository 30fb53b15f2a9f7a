"""What docs/reference shows of each route is run as it stands there, and is answered as the page says."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.documents.reference import LANGUAGES, Section, sections
from tests.e2e import processes
from tests.e2e.environments import why_no_node
from tests.e2e.shown import WRITTEN_FOR, Said, run_javascript, run_python

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SECTIONS = sections()
KNOWN = {"ADMIN_KEY": "admin-secret-1"}


@pytest.fixture(scope="module")
def url(backend_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a gateway that has all routes there can be."""
    folder = tmp_path_factory.mktemp("gateway")
    with processes.gateway(folder, OPENAI_API_BASE_URL=backend_url, **KNOWN) as program:
        yield program.url


def judge(said: Sequence[Said]) -> None:
    """Every block prints something; where the answer is a refusal, its status."""
    for section, part in zip(SECTIONS, said, strict=True):
        assert part.text.strip(), part.block.place
        assert section.status < 300 or str(section.status) in part.text, f"{part.block.place}: {part.text}"


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_curl_is_answered_with_the_status_that_the_page_says(url: str, tmp_path: Path, section: Section) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    script = section.blocks[LANGUAGES.index("sh")].text.replace(WRITTEN_FOR, url)
    # A stream without an end is left after its time, which curl calls an error.
    wanted = script.replace("curl ", "curl -w '\\n%{http_code}\\n' ") + "\ntrue"
    said = processes.run("bash", "-uc", wanted, cwd=tmp_path, **KNOWN)
    assert said.splitlines()[-1] == str(section.status), said


def test_every_block_of_python_is_answered(url: str, tmp_path: Path) -> None:
    found = [section.blocks[LANGUAGES.index("python")] for section in SECTIONS]
    judge(run_python(found, url, tmp_path, OLLAMA_HOST=url, **KNOWN))


@pytest.mark.slow
def test_every_block_of_javascript_is_answered(url: str, tmp_path: Path) -> None:
    if missing := why_no_node():
        pytest.skip(missing)
    found = [section.blocks[LANGUAGES.index("js")] for section in SECTIONS]
    judge(run_javascript(found, url, tmp_path, **KNOWN))
