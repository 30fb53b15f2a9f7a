"""The backends file: what is read, what is refused with which line, and what never shows."""

import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from yarl import URL

from gateway.backend_settings import DELIVERIES, PROFILE_NAMES, ModelRule, Timeouts
from gateway.backends_file import Defaults, read_backends_file
from gateway.config import Config, ConfigError
from tests.backends_files import HEAD, config_of, problems_of, write
from tests.refusals import SECRET

ROOT = Path(__file__).resolve().parent.parent

WHOLE = """\
backends:
  - name: main
    base_url: https://api.example.com/v1
    api_key: ${MAIN_KEY}                     # or {file: ...}, or passthrough (the client's own)
    models: ["gpt-*", "text-embedding-*"]    # default: whatever it lists
    rename: {gpt-4o: gpt-4o-2024-11-20}      # client's name: backend's name
    priority: 1                              # lower is asked first
    weight: 3
    profile: openai                          # default: detected
    timeouts: {connect_s: 5, first_token_s: 60, idle_s: 30, total_s: 600}
    limits: {concurrency: 64, requests_per_minute: 600, embedding_batch: 256}
    tls: {verify: true}
    headers: {X-Team: search}
models:
  llama3: {fallbacks: [llama3-small, spare/llama3], delivery: live}
  "*": {fallbacks: [spare/any]}
"""
# A certificate that nobody trusts, and its key.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUN4aEjO132s5jF69zShrqclrIzc8wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTEwMzQzN1oYDzIxMjYxMDI4
MTAzNDM3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAR+UnhgE2KZ7T5si9E6G0fC8m/ThhCg9jTrMg1eXjQZ2HM/SRD+jZer
fUlJmkPVKjO6CDAETSp7KDHPu8dleyk5o1MwUTAdBgNVHQ4EFgQUVMMP2vqLcRPU
cTr1RhhZjrSsXLkwHwYDVR0jBBgwFoAUVMMP2vqLcRPUcTr1RhhZjrSsXLkwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAzJmGTobvCnMAa4HDcBF6
XazoIkEhHV+pNrQ6ffW1ebkCIFcF4ehFoJrjv8z6Lm5FOTuS0N/iiuEcK84l0UPy
HET6
-----END CERTIFICATE-----
"""
PRIVATE_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgbutDClNOgVaKK/HL
ZHTtjTH5e8KPushKSYgqhkfNZ56hRANCAAR+UnhgE2KZ7T5si9E6G0fC8m/ThhCg
9jTrMg1eXjQZ2HM/SRD+jZerfUlJmkPVKjO6CDAETSp7KDHPu8dleyk5
-----END PRIVATE KEY-----
"""


# What is read


def test_the_whole_example_is_read(tmp_path: Path) -> None:
    config = config_of(tmp_path, WHOLE, MAIN_KEY=SECRET)
    (main,) = config.fleet.backends
    assert (main.name, main.base_url, main.pass_client_key) == ("main", URL("https://api.example.com/v1"), False)
    assert main.api_key is not None
    assert main.api_key.get_secret_value() == SECRET
    assert (main.models, dict(main.rename)) == (("gpt-*", "text-embedding-*"), {"gpt-4o": "gpt-4o-2024-11-20"})
    assert (main.priority, main.weight, main.profile) == (1, 3, "openai")
    assert main.timeouts == Timeouts(connect_s=5, first_token_s=60, idle_s=30, total_s=600)
    assert (main.limits.concurrency, main.limits.requests_per_minute, main.limits.embedding_batch) == (64, 600, 256)
    assert main.tls.verify
    assert {name: value.get_secret_value() for name, value in main.headers.items()} == {"X-Team": "search"}
    assert dict(config.fleet.rules) == {
        "llama3": ModelRule(fallbacks=("llama3-small", "spare/llama3"), delivery="live"),
        "*": ModelRule(fallbacks=("spare/any",)),
    }
    assert config.warnings == ()


def test_a_backend_needs_a_name_and_an_address_only(tmp_path: Path) -> None:
    config = config_of(tmp_path, HEAD, CONNECT_TIMEOUT="1", REQUEST_TIMEOUT="2", IDLE_TIMEOUT="3", TOTAL_TIMEOUT="4")
    (main,) = config.fleet.backends
    assert (main.api_key, main.pass_client_key, main.models, main.profile) == (None, False, None, None)
    assert (main.priority, main.weight, main.tls.verify, config.fleet.rules) == (1, 1, True, {})
    assert main.timeouts == Timeouts(connect_s=1, first_token_s=2, idle_s=3, total_s=4)


def test_what_a_backend_does_not_say_is_taken_from_the_settings(tmp_path: Path) -> None:
    text = HEAD + "  timeouts: {idle_s: 0.5}\n- name: other\n  base_url: http://127.0.0.1:1\n  tls: {verify: yes}\n"
    main, other = config_of(tmp_path, text, DISABLE_SSL_VERIFICATION="true", FIRST_TOKEN_TIMEOUT="7").fleet.backends
    assert (main.timeouts.idle_s, main.timeouts.first_token_s, main.timeouts.connect_s) == (0.5, 7, 5)
    assert (main.tls.verify, other.tls.verify) == (False, True)


def test_rules_say_delivery_and_stickiness(tmp_path: Path) -> None:
    text = HEAD + "models:\n" + "".join(f"  {word}: {{delivery: {word}, sticky: true}}\n" for word in DELIVERIES)
    rules = config_of(tmp_path, text).fleet.rules
    assert {name: (rule.delivery, rule.sticky) for name, rule in rules.items()} == {
        word: (word, True) for word in DELIVERIES
    }


@pytest.mark.parametrize("name", PROFILE_NAMES)
def test_every_profile_may_be_named(tmp_path: Path, name: str) -> None:
    (main,) = config_of(tmp_path, f"{HEAD}  profile: {name}\n").fleet.backends
    assert main.profile == name


def test_refused_parameters_are_read_by_model(tmp_path: Path) -> None:
    text = HEAD + '  learned: {"*": [top_k], o3: [max_tokens, temperature]}\n'
    (main,) = config_of(tmp_path, text).fleet.backends
    assert dict(main.learned) == {"*": ("top_k",), "o3": ("max_tokens", "temperature")}


@pytest.mark.parametrize("indent", ["", "  ", "\t"])
def test_json_is_read_with_tabs_too(tmp_path: Path, indent: str) -> None:
    lines = [
        '"backends": [{"name":"main",',
        '"base_url":"http:\\/\\/127.0.0.1:1","weight":2,',
        '"models":["\\ud83d\\ude00"]}]',
    ]
    (main,) = config_of(tmp_path, "\ufeff{\n" + "".join(f"{indent}{line}\n" for line in lines) + "}\n").fleet.backends
    assert (main.base_url, main.weight, main.models) == (URL("http://127.0.0.1:1"), 2, ("\U0001f600",))


def test_a_problem_in_json_has_its_line(tmp_path: Path) -> None:
    text = '{\n\t"backends": [\n\t\t{"name": "a",\n\t\t"base_url": "http://a",\n\t\t"weight": 0}\n\t]\n}\n'
    (line,) = problems_of(tmp_path, text)
    assert line.startswith("backends.yaml line 5: backends[0].weight is out of range; expected a whole number")


# Variables


def test_variables_stand_in_any_text_and_a_doubled_dollar_is_one(tmp_path: Path) -> None:
    text = (
        "backends:\n- name: m-${A}\n  base_url: http://${HOST_OF}:81\n  api_key: $$${A}$x\n  weight: ${W}\n"
        '  rename: {a: "${A}/${A}"}\n  tls: {verify: "${V}"}\n  headers: {X-A: "${A}"}\n'
    )
    config = config_of(tmp_path, text, A="aa", HOST_OF="127.0.0.1", W="7", V="false")
    (backend,) = config.fleet.backends
    assert (backend.name, backend.base_url, backend.weight) == ("m-aa", URL("http://127.0.0.1:81"), 7)
    assert (dict(backend.rename), backend.tls.verify) == ({"a": "aa/aa"}, False)
    assert config.secrets() == ["$aa$x"]


def test_variables_come_from_dotenv_too(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "  api_key: ${MAIN_KEY}\n")
    (tmp_path / ".env").write_text(f"MAIN_KEY={SECRET}\nBACKENDS_FILE={path}\n")
    assert Config.load({}, tmp_path / ".env").secrets() == [SECRET]


@pytest.mark.parametrize("settings", [{}, {"NAME_OF_A_KEY": "  "}])
def test_a_variable_that_is_not_set_is_named_with_its_line(tmp_path: Path, settings: dict[str, str]) -> None:
    (line,) = problems_of(tmp_path, HEAD + "  priority: 2\n  api_key: ${NAME_OF_A_KEY}\n", **settings)
    assert line.startswith(
        "backends.yaml line 5: backends[0].api_key names the variable NAME_OF_A_KEY, which is not set"
    )


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${sk-do-not-show-me}", "x${ A }"])
def test_a_broken_variable_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    (line,) = problems_of(tmp_path, f'{HEAD}  api_key: "{text}"\n')
    assert line.startswith('backends.yaml line 4: backends[0].api_key has "${" without the name')
    assert SECRET not in line


# Keys


def test_a_key_is_read_from_a_file_beside_the_backends_file(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "main").write_text(f"{SECRET}\n")
    assert config_of(tmp_path, HEAD + "  api_key: {file: keys/main}\n").secrets() == [SECRET]
    assert config_of(tmp_path, f"{HEAD}  api_key: {{file: {tmp_path}/keys/main}}\n").secrets() == [SECRET]


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"\xff", b"a\x00"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    (line,) = problems_of(tmp_path, HEAD + "  api_key:\n    file: key\n")
    assert line.startswith("backends.yaml line 5: backends[0].api_key names a file that holds no key")


def test_passthrough_sends_the_clients_own_key(tmp_path: Path) -> None:
    (main,) = config_of(tmp_path, HEAD + "  api_key: passthrough\n").fleet.backends
    assert (main.api_key, main.pass_client_key) == (None, True)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
@pytest.mark.parametrize("text", [f"api_key: {SECRET}", f"headers: {{api-key: {SECRET}}}"])
def test_a_key_in_a_file_that_others_may_read_is_warned_of(tmp_path: Path, text: str, mode: int) -> None:
    path = write(tmp_path, f"{HEAD}  {text}\n", mode=mode)
    (warning,) = Config.from_mapping({"BACKENDS_FILE": str(path), "API_KEYS": "k"}).warnings
    assert "may be read by others" in warning
    assert "backends[0]." in warning
    assert SECRET not in warning
    path.chmod(0o600)
    assert Config.from_mapping({"BACKENDS_FILE": str(path), "API_KEYS": "k"}).warnings == ()


@pytest.mark.parametrize(
    "text", ["api_key: ${A}", "api_key: passthrough", "headers: {api-key: '${A}'}", "headers: {X-Team: b}"]
)
def test_a_file_without_a_key_in_it_may_be_read_by_others(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, f"{HEAD}  {text}\n", mode=0o644)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert Config.from_mapping({"BACKENDS_FILE": str(path), "A": SECRET}).warnings == ()


def test_no_secret_of_the_file_shows_anywhere(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET}-3")
    text = (
        f"{HEAD}  api_key: {SECRET}-1\n  headers: {{Cookie: '{SECRET}-2', X-Team: team-name}}\n"
        "- {name: b, base_url: 'http://8.8.8.8', api_key: {file: key}}\n"
        f"- {{name: c, base_url: 'http://127.0.0.1', headers: {{Authorization: 'Bearer {SECRET}-4'}}}}\n"
    )
    config = Config.from_mapping({"BACKENDS_FILE": str(write(tmp_path, text, mode=0o644)), "PROXY_HOST": "0.0.0.0"})
    assert len(config.warnings) == 3
    shown = (repr(config), str(config.fleet), repr(config.model_dump()), config.model_dump_json(), *config.warnings)
    assert SECRET not in "".join(shown)
    assert config.secrets() == [
        f"{SECRET}-1",
        f"{SECRET}-2",
        f"{SECRET}-3",
        f"Bearer {SECRET}-4",
        f"{SECRET}-4",
    ]


# TLS


def certificate(folder: Path) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_text(CERTIFICATE)
    key.write_text(PRIVATE_KEY)
    return cert, key


def test_certificates_are_found_beside_the_file(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    text = HEAD + "  tls: {ca: cert.pem, cert: cert.pem, key: key.pem, verify: false}\n"
    (main,) = config_of(tmp_path, text).fleet.backends
    assert (main.tls.ca, main.tls.cert, main.tls.key, main.tls.verify) == (cert, cert, key, False)
    (tmp_path / "both.pem").write_text(CERTIFICATE + PRIVATE_KEY)
    (main,) = config_of(tmp_path, HEAD + "  tls: {cert: both.pem}\n").fleet.backends
    assert (main.tls.cert, main.tls.key) == (tmp_path / "both.pem", None)


@pytest.mark.parametrize(
    ("tls", "place"),
    [("{ca: key.pem}", "ca"), ("{cert: cert.pem}", "cert"), ("{cert: key.pem, key: key.pem}", "cert")],
)
def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path: Path, tls: str, place: str) -> None:
    certificate(tmp_path)
    (line,) = problems_of(tmp_path, f"{HEAD}  tls: {tls}\n")
    assert line.startswith(f"backends.yaml line 4: backends[0].tls.{place} names a file that cannot be used")


def test_the_certificate_of_these_tests_is_one(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)


# Where it stands in the configuration


def test_the_file_wins_over_the_one_backend_of_the_environment_with_a_warning(tmp_path: Path) -> None:
    config = config_of(tmp_path, HEAD, OPENAI_API_BASE_URL="http://127.0.0.1:1/v1", OPENAI_API_KEY=SECRET)
    assert [str(backend.base_url) for backend in config.fleet.backends] == ["https://api.example.com/v1"]
    assert config.warnings == ("OPENAI_API_BASE_URL is not used: BACKENDS_FILE names the backends",)


def test_reading_again_sees_what_the_file_says_now(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MAIN_KEY=one\n")
    path = write(tmp_path, HEAD + "  api_key: ${MAIN_KEY}\n")
    config = Config.load({"BACKENDS_FILE": str(path)}, tmp_path / ".env")
    write(tmp_path, HEAD + "  api_key: ${MAIN_KEY}\n- name: second\n  base_url: http://127.0.0.1:2\n")
    (tmp_path / ".env").write_text("MAIN_KEY=two\n")
    again = config.reread()
    assert [backend.name for backend in again.fleet.backends] == ["main", "second"]
    assert (config.secrets(), again.secrets()) == (["one"], ["two"])
    write(tmp_path, "backends: [\n")
    with pytest.raises(ConfigError, match="line 2"):
        again.reread()
    write(tmp_path, HEAD + "  weight: 5\n")
    assert again.reread().fleet.backends[0].weight == 5


def test_the_reader_needs_no_configuration(tmp_path: Path) -> None:
    fleet, warnings = read_backends_file(write(tmp_path, HEAD), {}, Defaults(verify_tls=False))
    assert ([backend.name for backend in fleet.backends], warnings) == (["main"], [])
    assert not fleet.backends[0].tls.verify


def test_yaml_is_read_only_where_a_file_is_given(tmp_path: Path) -> None:
    code = (
        "import sys; from gateway.config import Config; Config.from_mapping({}); assert 'yaml' not in sys.modules;"
        f"Config.from_mapping({{'BACKENDS_FILE': {str(write(tmp_path, HEAD))!r}}}); assert 'yaml' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
