"""Blocks of code that documents show, run as they stand there, each of a language in one process."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.documents.files import Block, blocks
from tests.e2e import processes
from tests.e2e.environments import OLLAMA_JS, node_with

WRITTEN_FOR = "http://127.0.0.1:11434"
NODE_PACKAGES = {"openai": "6.49.0", "ollama": OLLAMA_JS}
_MARK = "-- block "
_PYTHON_RUNNER = f"""
import json, sys
for place, line, code in json.load(open(sys.argv[1])):
    print("{_MARK}" + place, flush=True)
    exec(compile("\\n" * line + code, place, "exec"), {{"__name__": "__main__"}})
"""


class Said(NamedTuple):
    """What a block prints."""

    block: Block
    text: str


def shown(page: Path, language: str) -> list[Block]:
    """Return the blocks of a language that are to be run: without those that install something."""
    return [block for block in blocks(page) if block.language == language and " install " not in block.text]


def run_python(found: Sequence[Block], url: str, cwd: Path, **environment: str) -> list[Said]:
    """Run all of them for the gateway at `url`, and return what each prints."""
    told = [(block.place, block.line - 1, block.text.replace(WRITTEN_FOR, url)) for block in found]
    (cwd / "blocks.json").write_text(json.dumps(told))
    return _split(found, processes.run(sys.executable, "-c", _PYTHON_RUNNER, "blocks.json", cwd=cwd, **environment))


def run_javascript(found: Sequence[Block], url: str, cwd: Path, **environment: str) -> list[Said]:
    """The same with node, which must be there; skips the test where its packages cannot be had."""
    if not (cwd / "node_modules").exists():
        try:
            os.symlink(node_with(NODE_PACKAGES), cwd / "node_modules")
        except RuntimeError as error:
            pytest.skip(f"{', '.join(NODE_PACKAGES)} cannot be installed here: {error}")
    # The SDK's ready-made client knows one address only.
    client = f'import {{ Ollama }} from "ollama";\nconst ollama = new Ollama({{ host: "{url}" }});'
    lines: list[str] = []
    for number, block in enumerate(found):
        code = block.text.replace(WRITTEN_FOR, url).replace('import ollama from "ollama";', client)
        (cwd / f"block{number}.mjs").write_text(code)
        lines += [f'console.log("{_MARK}{block.place}");', f'await import("./block{number}.mjs");']
    (cwd / "all.mjs").write_text("\n".join(lines))
    return _split(found, processes.run("node", "all.mjs", cwd=cwd, **environment))


def _split(found: Sequence[Block], printed: str) -> list[Said]:
    """Give each block what was printed behind its mark."""
    parts = printed.split(_MARK)[1:]
    assert [part.partition("\n")[0] for part in parts] == [block.place for block in found], printed
    return [Said(block, part.partition("\n")[2]) for block, part in zip(found, parts, strict=True)]
