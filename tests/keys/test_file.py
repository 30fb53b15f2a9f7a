import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.keys.entries import KeyBook
from gateway.keys.file import LARGEST_BYTES, locked, read_keys, write_keys
from gateway.settings_text import ConfigError
from tests.keys.made import DAY, NOW, book_of, key_of, written

SECRET = "sk-in-the-wrong-place"
CREATED = "2030-01-31T12:00:00Z"


def secret_of(letter: str) -> dict[str, str]:
    """Return what the file has of a secret."""
    return {"sha256": letter * 64, "created": CREATED}


ENTRY: dict[str, object] = {"name": "ci", "created": CREATED, "secrets": [secret_of("a")]}


def refusal(path: Path) -> str:
    """Return the one line that says what is wrong with a file."""
    with pytest.raises(ConfigError) as refused:
        read_keys(path)
    [line] = refused.value.lines
    return line


def holding(path: Path, content: object) -> Path:
    """Write a file by hand: bytes as they are, anything else as JSON."""
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    path.chmod(0o600)
    return path


def with_key(**fields: object) -> dict[str, Any]:
    """Return a document whose second key has these fields beside the usual ones."""
    first = {**ENTRY, "name": "first", "secrets": [secret_of("b")]}
    return {"version": 1, "keys": [first, {**ENTRY, **fields}]}


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    limits = {"models": ("gpt-*", "é"), "requests_per_minute": 1, "tokens_per_minute": 0, "concurrency": 3}
    keys = (key_of("one", "a", expires=NOW + DAY, **limits), key_of("two", "b"))
    book, warnings = read_keys(written(tmp_path / "keys.json", *keys))
    assert book == KeyBook(keys=keys)
    assert warnings == []


def test_the_file_is_for_its_owner_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = written(tmp_path / "keys.json", key_of("one"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["keys.json", "keys.json.lock"]
    assert stat.S_IMODE((tmp_path / "keys.json.lock").stat().st_mode) == 0o600


@pytest.mark.parametrize(("mode", "left"), [(0o666, 0o640), (0o644, 0o640), (0o640, 0o640), (0o400, 0o600)])
def test_a_group_that_may_read_the_file_may_go_on_and_nobody_else(tmp_path: Path, mode: int, left: int) -> None:
    path = holding(tmp_path / "keys.json", with_key())
    path.chmod(mode)
    assert stat.S_IMODE(written(path, key_of("one")).stat().st_mode) == left


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_root_changes_still_belongs_to_the_service(tmp_path: Path) -> None:
    path = holding(tmp_path / "keys.json", with_key())
    os.chown(path, 12345, 12346)
    found = written(path, key_of("one")).stat()
    assert (found.st_uid, found.st_gid) == (12345, 12346)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "keys.json"
    link.symlink_to(tmp_path / "there" / "real.json")
    written(link, key_of("one"))
    written(link, key_of("two"))
    assert link.is_symlink()
    assert read_keys(tmp_path / "there" / "real.json")[0].keys == (key_of("two"),)


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    path = written(tmp_path / "keys.json", key_of("one"))
    content = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, locked(path), pytest.raises(ConfigError, match="No space left on device"):
        patch.setattr(f"gateway.keys.file.os.{fails}", full)
        write_keys(path, KeyBook())
    assert path.read_bytes() == content
    assert sorted(file.name for file in tmp_path.iterdir()) == ["keys.json", "keys.json.lock"]


def test_the_new_file_is_on_the_disk_before_it_takes_the_place_of_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def noted[**Arguments](name: str, call: Callable[Arguments, None]) -> Callable[Arguments, None]:
        def noting(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
            done.append(name)
            call(*arguments, **named)

        return noting

    monkeypatch.setattr("gateway.keys.file.os.fsync", noted("fsync", os.fsync))
    monkeypatch.setattr("gateway.keys.file.os.replace", noted("replace", os.replace))
    written(tmp_path / "keys.json", key_of("one"))
    # The second one is that of the folder.
    assert done == ["fsync", "replace", "fsync"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"KEYS_FILE: .*keys.json cannot be written \(No such file"),
        locked(tmp_path / "nowhere" / "keys.json"),
    ):
        pass


def test_a_second_writer_waits_and_then_gives_up(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with locked(path), pytest.raises(ConfigError, match="is being changed by another command"), locked(path, 0.05):
        pass
    with locked(path, 0):
        pass


WRITER = """
import sys
from pathlib import Path
from gateway.cli import main
for number in range(5):
    assert main(["key", "create", f"{sys.argv[2]}-{number}", "--file", sys.argv[1]]) == 0
"""


def test_of_two_writers_at_once_neither_loses_a_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    command = [sys.executable, "-c", WRITER, str(path)]
    root = Path(__file__).resolve().parents[2]
    writers = [
        subprocess.Popen([*command, name], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for name in ("a", "b", "c")
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    names = {key.name for key in read_keys(path)[0].keys}
    assert names == {f"{name}-{number}" for name in "abc" for number in range(5)}


BROKEN: dict[str, tuple[object, str]] = {
    "nothing": (b"", r"keys\.json line 1: is not JSON \(Expecting value, column 1\)"),
    "half": (b'{"version": 1,\n"keys": [', r"keys\.json line 2: is not JSON"),
    "no text": (b'{\n\n"\xff": 1}', r"keys\.json line 3: is not UTF-8"),
    "deep": (b"[" * 100_000, r"keys\.json: is nested too deeply"),
    "a list": ([], r"keys\.json: the file is wrong"),
    "another version": ({"version": 2, "keys": []}, r"keys\.json: version is wrong; expected 1"),
    "an unknown field": ({"version": 1, SECRET: 1}, r"keys\.json: the file has a field that is unknown"),
    "keys by name": ({"version": 1, "keys": {"ci": ENTRY}}, r"keys\.json: keys is wrong; expected a list of keys"),
    "a key that is none": ({"keys": ["ci"]}, r"keys\.json: keys\[0\] is wrong"),
    "no name": ({"keys": [{"created": CREATED}]}, r"keys\[0\]\.name is missing; expected up to 64 letters"),
    "a secret as name": (with_key(name=SECRET), r"keys\[1\]\.name is wrong; expected up to 64 letters"),
    "the name of a setting's key": (with_key(name="api-key-1"), r"keys\[1\]\.name is wrong"),
    "a name twice": (with_key(name="FIRST"), r'keys\[1\]\.name \(key "FIRST"\) is that of another key'),
    "a secret twice": (
        with_key(secrets=[secret_of("b")]),
        r'keys\[1\]\.secrets \(key "ci"\) is that of another key',
    ),
    "no secret": (with_key(secrets=[]), r'keys\[1\]\.secrets \(key "ci"\) is wrong; expected one secret, or two'),
    "three secrets": (
        with_key(secrets=[secret_of(letter) for letter in "cde"]),
        r"keys\[1\]\.secrets .*is wrong",
    ),
    "a plain secret": (
        with_key(secrets=[{"sha256": SECRET, "created": CREATED}]),
        r'keys\[1\]\.secrets\[0\]\.sha256 \(key "ci"\) is wrong; expected the SHA-256 digest',
    ),
    "no zone": (with_key(expires="2030-01-31T12:00:00"), r'keys\[1\]\.expires \(key "ci"\) is wrong; expected a time'),
    "a day": (with_key(expires="2030-01-31"), r"keys\[1\]\.expires .*is wrong"),
    "a number as text": (
        with_key(requests_per_minute="60"),
        r"requests_per_minute .*expected a whole number, 0 or more",
    ),
    "a half number": (with_key(tokens_per_minute=1.5), r"tokens_per_minute .*is wrong"),
    "a negative number": (with_key(concurrency=-1), r"concurrency .*is wrong"),
    "a flag as number": (with_key(concurrency=True), r"concurrency .*is wrong"),
    "one model": (with_key(models="gpt-*"), r'keys\[1\]\.models \(key "ci"\) is wrong; expected names of models'),
    "no model": (with_key(models=[]), r"keys\[1\]\.models .*is wrong"),
    "a model of blanks": (with_key(models=["a", " "]), r"keys\[1\]\.models\[1\] .*is wrong; expected names of models"),
    "an unknown field of a key": (with_key(rpm=1), r'keys\[1\] \(key "ci"\) has a field that is unknown; expected'),
    "a field twice": (b'{"version": 1, "keys": [], "keys": []}', r'keys\.json: has "keys" twice in one place'),
    "another field twice": (
        b'{"sk-in-the-wrong-place": 1, "sk-in-the-wrong-place": 2}',
        r"keys\.json: has a field twice in one place",
    ),
    "a lone surrogate": (b'{"keys": [{"name": "\\ud800"}]}', r"keys\.json: keys\[0\]"),
    "too large": (b" " * (LARGEST_BYTES + 1), r"KEYS_FILE: .*keys\.json is larger than 8 MiB"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_refused_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    line = refusal(holding(Path("keys.json"), content))
    assert line.isprintable()
    assert SECRET not in line
    assert re.search(said, line), line


def test_the_file_of_the_documentation_is_one(tmp_path: Path) -> None:
    document = Path(__file__).resolve().parents[2] / "docs" / "authentication.md"
    block = re.search(r"```json\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    [key] = read_keys(holding(tmp_path / "keys.json", block[1].encode()))[0].keys
    assert None not in {getattr(key, name) for name in key.__struct_fields__}


def test_a_file_that_is_not_there_or_is_none_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.json").startswith(f"KEYS_FILE: there is no file {tmp_path}/none.json; expected")
    assert "cannot be read (Is a directory)" in refusal(tmp_path)
    assert refusal(Path("a\0b")).startswith("KEYS_FILE: is no path")


FIELDS = st.sampled_from(["version", "keys", "name", "secrets", "sha256", "created", "models", "x"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(FIELDS, inner),
)


@given(ANYTHING)
@settings(deadline=None)
def test_whatever_json_stands_there_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    path = holding(tmp_path_factory.getbasetemp() / "any-keys.json", content)
    said = ["a line"]
    try:
        read_keys(path)
    except ConfigError as error:
        said = error.lines
    assert [line.isprintable() for line in said] == [True]


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (0o600, ""),
        (0o400, ""),
        (0o640, ""),
        (0o644, "may be read by everybody on this machine"),
        (0o620, "may be changed by others"),
        (0o602, "may be changed by others"),
        (0o666, "may be changed by others"),
    ],
)
def test_a_file_that_is_open_to_others_is_warned_of(tmp_path: Path, mode: int, said: str) -> None:
    path = written(tmp_path / "keys.json", key_of("one"))
    path.chmod(mode)
    warnings = read_keys(path)[1]
    assert len(warnings) == bool(said)
    assert all(warning.startswith(str(path)) and said in warning for warning in warnings)


def test_a_file_without_a_key_is_warned_of(tmp_path: Path) -> None:
    assert read_keys(written(tmp_path / "keys.json"))[1] == [f"{tmp_path}/keys.json holds no key"]


def test_no_secret_stands_in_the_file(tmp_path: Path) -> None:
    book, secrets = book_of("a", "b")
    content = written(tmp_path / "keys.json", *book.keys).read_text()
    assert len(secrets) == 2
    assert not [secret for secret in secrets if secret in content or secret.removeprefix("sk-") in content]
