"""The documentation of settings: complete, and true."""

import re
from pathlib import Path

from gateway.config import Config, settings

ROOT = Path(__file__).resolve().parent.parent


def test_every_setting_is_described_once() -> None:
    rows = settings()
    names = [row.name for row in rows]
    assert len(names) == len(set(names)) == 59
    for row in rows:
        assert re.fullmatch("[A-Z][A-Z_]+", row.name)
        assert row.description.endswith(".")
        assert row.type
        assert row.example
        assert row.example != row.default


def test_every_default_that_is_shown_means_the_default() -> None:
    assert Config.from_mapping({row.name: row.default for row in settings()}) == Config.from_mapping({})


def test_the_example_file_holds_every_setting_once_and_nothing_else() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assigned = re.findall(r"^#?([A-Za-z_][A-Za-z0-9_]*)=(.*)$", text, re.MULTILINE)
    assert assigned == [(row.name, row.default) for row in settings()]
    assert not [line for line in text.splitlines() if line and not line.startswith("#")]
    words = " ".join(line.removeprefix("# ") for line in text.splitlines())
    assert not [row.name for row in settings() if row.description not in words or row.right not in words]


def test_the_example_file_works_as_it_is_and_with_every_line_switched_on(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    dotenv = tmp_path / ".env"
    for content in (text, re.sub(r"^#([A-Z_]+=)", r"\1", text, flags=re.MULTILINE)):
        dotenv.write_text(content, encoding="utf-8")
        assert Config.load({}, dotenv) == Config.from_mapping({})
