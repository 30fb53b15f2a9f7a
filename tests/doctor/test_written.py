"""The backends file that a check writes."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr
from yarl import URL

from gateway.backend_settings import BackendSettings, Clocks, Fleet, Limits, ModelRule, Timeouts, TlsSettings
from gateway.backends.profiles import PROFILES
from gateway.backends_file import read_backends_file
from gateway.codecs.models import unlisted_model
from gateway.doctor.results import CHECKS, BackendReport, ModelReport, Report, Result, Tally, no, yes
from gateway.doctor.written import backends_file, write_file
from tests.support.certificates import FIRST

KEY, HEADER_KEY = "the-key-of-main-backend", "another-secret-of-main"
MAIN = BackendSettings(
    name="main",
    base_url=URL("https://api.example.com/v1"),
    api_key=SecretStr(KEY),
    models=("gpt-*", "yes", "a b"),
    rename={"gpt-4o": "gpt-4o:2024 'x'"},
    priority=2,
    weight=3,
    timeouts=Timeouts(connect_s=0.5, first_token_s=90, idle_s=30, total_s=1200),
    limits=Limits(concurrency=7),
    tls=TlsSettings(verify=False),
    headers={"X-Team": SecretStr("a $team"), "X-Api-Key": SecretStr(HEADER_KEY)},
    learned={"*": ("min_p",)},
)
SPARE = BackendSettings(name="spare", base_url=URL("http://127.0.0.1:8080/v1"), pass_client_key=True)
RULES = {
    "*": ModelRule(fallbacks=("spare/*",), delivery="guarded", sticky=True),
    "deep-thought": ModelRule(clocks=Clocks(first_token_s=600, total_s=1234567.25)),
}
FLEET = Fleet(backends=(MAIN, SPARE), rules=RULES)


def found(settings: BackendSettings, profile: str, embeddings: Result, learned: tuple[str, ...] = ()) -> BackendReport:
    checks = dict.fromkeys(CHECKS, yes()) | {"embeddings": embeddings}
    models = [ModelReport(unlisted_model("some: model"), "some: model", checks, learned)]
    return BackendReport(settings, yes(), yes(), yes(value=1), PROFILES[profile], "detected", models)


def read_back(text: str, path: Path, **variables: str) -> Fleet:
    path.write_text(text)
    path.chmod(0o644)
    fleet, warnings = read_backends_file(path, variables)
    assert warnings == [], "no secret is in it"
    return fleet


def test_what_is_written_is_read_as_the_same_configuration(tmp_path: Path) -> None:
    written = backends_file(Report((), Tally()), FLEET, {})
    assert KEY not in written.text
    assert HEADER_KEY not in written.text
    assert written.variables == ("MAIN_KEY", "MAIN_X_API_KEY")
    assert read_back(written.text, tmp_path / "b.yaml", MAIN_KEY=KEY, MAIN_X_API_KEY=HEADER_KEY) == FLEET


@pytest.mark.parametrize("name", ["ros\u00e9", "\U0001f600", "a\ufeffb", "a\x7f", "\\ud83d", "null", "1.5", "a: b # c"])
def test_names_of_any_letters_are_read_as_the_same(tmp_path: Path, name: str) -> None:
    renamed = SPARE.model_copy(update={"rename": {name: "m"}, "learned": {name: ("seed",)}})
    text = backends_file(Report((), Tally()), Fleet(backends=(renamed,)), {}).text
    (spare,) = read_back(text, tmp_path / "b.yaml").backends
    assert (spare.rename, spare.learned) == ({name: "m"}, {name: ("seed",)})


def test_what_was_found_is_written(tmp_path: Path) -> None:
    report = Report((found(SPARE, "mistral", yes(value=64), ("seed", "top_p")),), Tally())
    text = backends_file(report, Fleet(backends=(SPARE,)), {}).text
    (spare,) = read_back(text, tmp_path / "b.yaml").backends
    assert spare.profile == "mistral"
    assert spare.learned == {"some: model": ("seed", "top_p")}
    assert spare.limits.embedding_batch == PROFILES["mistral"].embedding_batch


def test_what_is_only_a_guess_or_nothing_new_is_not_written(tmp_path: Path) -> None:
    text = backends_file(Report((found(SPARE, "generic", no()),), Tally()), Fleet(backends=(SPARE,)), {}).text
    assert read_back(text, tmp_path / "b.yaml").backends == (SPARE,)


def test_a_variable_that_holds_the_key_is_named() -> None:
    written = backends_file(Report((), Tally()), FLEET, {"OPENAI_API_KEY": KEY, "OTHER": "x"})
    assert 'api_key: "${OPENAI_API_KEY}"' in written.text
    assert written.variables == ("OPENAI_API_KEY", "MAIN_X_API_KEY")


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b.yaml"
    write_file(path, "one\n")
    write_file(path, "two\n")
    assert path.read_text() == "two\n"

    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError):  # noqa: PT011 - the one that was just made
        write_file(path, "three\n")
    assert path.read_text() == "two\n"
    assert list(tmp_path.iterdir()) == [path]


def test_certificates_are_found_wherever_the_file_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("config", "elsewhere"):
        Path(folder).mkdir()
    FIRST.write(Path("config"))
    Path("config/b.yaml").write_text(
        "backends: [{name: main, base_url: 'http://a/v1', tls: {ca: tls.crt, cert: tls.crt, key: tls.key}}]"
    )
    fleet, _ = read_backends_file(Path("config/b.yaml"), {})
    text = backends_file(Report((), Tally()), fleet, {}).text
    (main,) = read_back(text, Path("elsewhere/b.yaml")).backends
    certificate, key = tmp_path / "config" / "tls.crt", tmp_path / "config" / "tls.key"
    assert (main.tls.ca, main.tls.cert, main.tls.key) == (certificate, certificate, key)
