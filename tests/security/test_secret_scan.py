"""The search for secrets in the project's files finds keys of this project's kind, and only what is new."""

import json
from pathlib import Path

import pytest

pytest.importorskip("detect_secrets", reason="detect-secrets is not installed")

from gateway.keys.entries import new_secret
from tests.security import secret_scan
from tests.security.secret_scan import BASELINE, accept, accepted, project_files, scan


def kinds(root: Path, text: str, name: str = "some.py") -> list[str]:
    """Return what is found in a file with this text."""
    root.joinpath(name).write_text(text, encoding="utf-8")
    return [secret.type for _, secret in scan(root, [name])]


@pytest.mark.parametrize("name", ["some.py", "some.yaml", "some.md", ".env.example"])
def test_a_key_of_the_gateway_is_found_in_any_file(tmp_path: Path, name: str) -> None:
    for _ in range(20):
        assert "API key (sk-)" in kinds(tmp_path, f"- {new_secret()}\n", name)


@pytest.mark.parametrize(
    "key", ["sk-proj-" + "a1B2" * 5, "sk-ant-api03-" + "x9_-" * 10, "sk-" + "0123456789abcdef" * 2]
)
def test_keys_of_others_are_found(tmp_path: Path, key: str) -> None:
    assert "API key (sk-)" in kinds(tmp_path, f'header = "Bearer {key}"\n')


@pytest.mark.parametrize(
    "word", ["sk-your-key", "sk-...", "task-0123456789abcdef0123456789", "sk-a-very-long-example-of-a-key"]
)
def test_words_are_no_keys(tmp_path: Path, word: str) -> None:
    assert kinds(tmp_path, f"- {word}\n") == []


def test_what_was_accepted_is_found_no_more_wherever_it_moves_in_its_file(tmp_path: Path) -> None:
    old, new, baseline = new_secret(), new_secret(), tmp_path / "baseline"
    kinds(tmp_path, f"{old}\n")
    accept(scan(tmp_path, ["some.py"]), baseline)
    assert old not in baseline.read_text(encoding="utf-8")
    assert str(tmp_path) not in baseline.read_text(encoding="utf-8")
    kinds(tmp_path, f"\n\n{old}\n")
    assert list(scan(tmp_path, ["some.py"]) - accepted(baseline)) == []
    kinds(tmp_path, f"{old}\n{new}\n")
    assert [found.line_number for _, found in scan(tmp_path, ["some.py"]) - accepted(baseline)] == [2]


def test_what_is_new_is_named_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, baseline = new_secret(), tmp_path / "baseline"
    baseline.write_text('{"results": {}}', encoding="utf-8")
    kinds(tmp_path, f"{secret}\n")
    monkeypatch.setattr(secret_scan, "ROOT", tmp_path)
    monkeypatch.setattr(secret_scan, "BASELINE", baseline)
    monkeypatch.setattr(secret_scan, "project_files", lambda: ["some.py"])
    assert secret_scan.main([]) == 1
    said = capsys.readouterr().out
    assert "some.py:1: API key (sk-)" in said
    assert secret not in said
    assert secret_scan.main(["--accept"]) == 0
    assert secret_scan.main([]) == 0


def test_the_baseline_is_about_files_that_exist_and_of_no_machine() -> None:
    files = project_files()
    if not files:
        pytest.skip("not a checkout")
    results = json.loads(BASELINE.read_text(encoding="utf-8"))["results"]
    assert set(results) <= set(files)
    assert {entry["filename"] for entries in results.values() for entry in entries} == set(results)
