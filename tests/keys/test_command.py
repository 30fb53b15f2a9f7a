"""The command `key`, as a program that people start, and in this process where only its words count."""

import hashlib
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.cli import main, parser
from gateway.keys.changes import KeyRefusedError
from gateway.keys.command import run_key_command
from gateway.keys.entries import digest_of
from gateway.keys.file import locked, read_keys
from gateway.keys.store import KeyStore
from gateway.settings_text import ConfigError
from tests.keys.made import DAY, NOW, key_of, written

ROOT = Path(__file__).resolve().parents[2]
SECRET = re.compile(r"sk-[A-Za-z0-9_-]{43}")
PATIENCE_S = 60.0


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m gateway key` to its end, with a clean environment."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    environ = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", **measured, **settings}
    return subprocess.run(
        [sys.executable, "-m", "gateway", "key", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def said(path: Path, *arguments: str, days: int = 0) -> list[str]:
    """Run the command in this process, some days after NOW; return its output."""
    parsed = parser().parse_args(["key", *arguments, "--file", str(path)])
    return list(run_key_command(parsed, {}, now=NOW + days * DAY).output)


def test_a_key_lives_from_create_to_revoke(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made = run(tmp_path, "create", "ci", "--expires", "90d", "--models", "gpt-*", "--rpm", "60", KEYS_FILE=str(path))
    assert made.returncode == 0
    first = made.stdout.removesuffix("\n")
    assert SECRET.fullmatch(first)
    store = KeyStore(path)
    assert store.find(digest_of(first)) is not None

    turned = run(tmp_path, "rotate", "ci", "--grace", "24h", "--file", str(path))
    second = turned.stdout.removesuffix("\n")
    assert SECRET.fullmatch(second)
    assert second != first
    assert list(store.reload()) == ["ci"]
    assert store.find(digest_of(first)) == store.find(digest_of(second)) is not None

    listed = run(tmp_path, "list", KEYS_FILE=str(path))
    assert re.search(r"^ci +\S+ +\S+ +gpt-\* +60 +- +- +works, its old secret until \S+$", listed.stdout, re.MULTILINE)

    gone = run(tmp_path, "revoke", "ci", KEYS_FILE=str(path))
    assert (gone.returncode, gone.stdout) == (0, "")
    assert list(store.reload()) == []
    assert store.find(digest_of(first)) is store.find(digest_of(second)) is None

    # Each secret was said once, by the command that made it, and stands nowhere else.
    for secret, maker in ((first, made), (second, turned)):
        everything = [text for result in (made, turned, listed, gone) for text in (result.stdout, result.stderr)]
        assert [text.count(secret) for text in everything if secret in text] == [1]
        assert secret in maker.stdout
        assert not [file for file in tmp_path.iterdir() if secret in file.read_text()]


def test_the_file_may_be_named_in_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEYS_FILE=some/keys.json\n")
    (tmp_path / "some").mkdir()
    assert run(tmp_path, "create", "ci").returncode == 0
    assert [key.name for key in read_keys(tmp_path / "some" / "keys.json")[0].keys] == ["ci"]


def test_the_digest_in_the_file_is_what_other_tools_make_of_the_secret(tmp_path: Path) -> None:
    [secret] = said(tmp_path / "keys.json", "create", "ci")
    document = json.loads((tmp_path / "keys.json").read_text())
    assert document["keys"][0]["secrets"][0]["sha256"] == hashlib.sha256(secret.encode()).hexdigest()


def test_a_new_key_gets_all_that_was_asked_for(tmp_path: Path) -> None:
    limits = ["--rpm", "60", "--tpm", "0", "--concurrency", "4", "--expires", "12h"]
    said(tmp_path / "keys.json", "create", "ci", *limits, "--models", "gpt-*, llama3:8b", "--models", "o1,gpt-*")
    [key] = read_keys(tmp_path / "keys.json")[0].keys
    assert key.models == ("gpt-*", "llama3:8b", "o1")
    assert (key.requests_per_minute, key.tokens_per_minute, key.concurrency) == (60, 0, 4)
    assert (key.created, key.expires) == (NOW, NOW + timedelta(hours=12))


def test_a_key_without_limits_has_none_of_its_own(tmp_path: Path) -> None:
    said(tmp_path / "keys.json", "create", "ci")
    [key] = read_keys(tmp_path / "keys.json")[0].keys
    limits = (key.models, key.requests_per_minute, key.tokens_per_minute, key.concurrency, key.expires)
    assert limits == (None,) * 5


def test_the_old_secret_works_for_a_day_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    said(path, "create", "ci")
    said(path, "rotate", "ci")
    old, new = read_keys(path)[0].keys[0].secrets
    assert (old.expires, new.expires) == (NOW + DAY, None)
    said(path, "rotate", "ci", "--grace", "0")
    [only] = read_keys(path)[0].keys[0].secrets
    assert only.sha256 not in {old.sha256, new.sha256}


def test_the_list_says_what_each_key_may_and_whether_it_works(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    said(path, "create", "short", "--expires", "1d", "--rpm", "5")
    said(path, "create", "long", "--models", "a,b", "--tpm", "7", "--concurrency", "2")
    said(path, "rotate", "long", "--grace", "2d")
    assert said(path, "list", days=1) == [
        "NAME   CREATED               EXPIRES               MODELS  RPM  TPM  CONCURRENCY  STATE",
        "short  2030-01-31T12:00:00Z  2030-02-01T12:00:00Z  all     5    -    -            expired",
        "long   2030-01-31T12:00:00Z  never                 a,b     -    7    2            "
        "works, its old secret until 2030-02-02T12:00:00Z",
    ]
    assert said(path, "list", days=2)[2].endswith("works")


def test_a_list_that_was_written_by_others_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = written(tmp_path / "keys.json", key_of("one", models=("a\u202eb",)))
    assert "a?b" in said(path, "list")[1]


def test_revoking_the_old_secret_leaves_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    said(path, "create", "ci")
    [new] = said(path, "rotate", "ci")
    assert said(path, "revoke", "ci", "--old") == []
    [key] = read_keys(path)[0].keys
    assert [secret.sha256 for secret in key.secrets] == [digest_of(new).hex()]


@pytest.mark.parametrize(
    "arguments",
    [("create", "known"), ("rotate", "unknown"), ("revoke", "unknown"), ("revoke", "known", "--old")],
)
def test_what_the_keys_do_not_allow_ends_with_1_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    path = written(tmp_path / "keys.json", key_of("one"))
    before = path.read_bytes()
    assert main(["key", *arguments, "--file", str(path)]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert re.fullmatch(r"ollama-openai-proxy: the(re is \w+| key) .*\n", errors)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "ci"), "KEYS_FILE: is not set; expected the path of the file of keys there, or in --file"),
        (("list", "--file", "none.json"), "--file: there is no file none.json; expected a file made by"),
        (("rotate", "ci", "--file", "none.json"), "--file: there is no file none.json"),
        (("revoke", "ci", "--file", "none.json"), "--file: there is no file none.json"),
        (("create", "ci", "--file", "no/keys.json"), "--file: no/keys.json cannot be written"),
        (("create", "sk-pasted-by-mistake", "--file", "k"), "NAME: is no name of a key; expected up to 64 letters"),
        (("create", "ci", "--models", "a,,b", "--file", "k"), "--models: holds an entry that is no name; expected"),
        (("list", "--file", "broken.json"), "broken.json line 1: is not JSON"),
    ],
)
def test_wrong_settings_names_and_files_end_with_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KEYS_FILE", raising=False)
    Path("broken.json").write_text("{")
    assert main(["key", *arguments]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(f"ollama-openai-proxy: {said}")
    assert "sk-pasted" not in errors
    assert not Path("k").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("create",),
        ("make", "ci"),
        ("create", "ci", "--expires", "90"),
        ("create", "ci", "--expires", "0d"),
        ("create", "ci", "--expires", "-1d"),
        ("create", "ci", "--expires", "36501d"),
        ("create", "ci", "--rpm", "-1"),
        ("create", "ci", "--tpm", "1.5"),
        ("create", "ci", "--concurrency", "many"),
        ("create", "ci", "--concurrency", "9999999999999999"),
        ("rotate", "ci", "--grace", "soon"),
        ("revoke", "ci", "--rpm", "1"),
    ],
)
def test_wrong_arguments_end_with_2(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    assert main(["key", *arguments]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert "usage: " in errors
    assert "Traceback" not in errors


def test_a_broken_setting_of_the_gateway_does_not_matter_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "keys.json", key_of("one"))
    monkeypatch.setenv("PROXY_PORT", "none")
    monkeypatch.setenv("KEYS_FILE", str(path))
    assert main(["key", "list"]) == 0
    assert "known" in capsys.readouterr().out


def test_a_file_that_is_being_changed_is_waited_for_and_then_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "keys.json", key_of("one"))
    monkeypatch.setattr("gateway.keys.command.locked", lambda path: locked(path, 0.0))
    with locked(path), pytest.raises(ConfigError, match=r"--file: .* is being changed by another command"):
        said(path, "create", "ci")


def test_a_setting_that_is_no_path_is_refused() -> None:
    parsed = parser().parse_args(["key", "list"])
    for text, wrong in ((" ", "is not set"), ("a\0b", "is no path")):
        with pytest.raises(ConfigError, match=f"KEYS_FILE: {wrong}"):
            run_key_command(parsed, {"KEYS_FILE": text})


def test_no_error_of_the_command_holds_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secrets = [*said(path, "create", "ci"), *said(path, "rotate", "ci")]
    with pytest.raises(KeyRefusedError) as refused:
        said(path, "rotate", "ci")
    assert not [secret for secret in secrets if secret in repr(refused.value)]


def test_help_waits_for_nothing_but_the_standard_library(tmp_path: Path) -> None:
    code = (
        "import sys, gateway.cli; gateway.cli.parser().format_help();"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} & {'msgspec', 'aiohttp', 'pydantic', 'yaml'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert result.stdout.strip() == ""
