"""examples/README.md names each file there is."""

import re

from tests.documents.files import ROOT

EXAMPLES = ROOT / "examples"


def test_the_list_of_examples_names_each_file_and_no_other() -> None:
    listed = set(re.findall(r"\]\(([\w./-]+)\)", (EXAMPLES / "README.md").read_text("utf-8")))
    files = {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name and "node_modules" not in name}
    assert {name for name in listed if not name.startswith("../")} == files - {"README.md", "advanced/keys.json"}
