"""Config: what is read from where, what is refused in which words, and what never shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from gateway.app import create_app
from gateway.config import PROMETHEUS_PATHS, SERVED_BELOW, SERVED_PATHS, Config, ConfigError, settings

EVERYWHERE = "0.0.0.0"  # noqa: S104 - the text of a setting, nothing is bound
ROOT = Path(__file__).resolve().parent.parent
SECRET = "sk-do-not-show-me"


def problems_of(mapping: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Config.from_mapping(mapping)
    return caught.value.lines


def problem_of(name: str, value: str) -> str:
    (line,) = problems_of({name: value})
    assert line.startswith(f"{name}: ")
    assert "; expected " in line
    assert line.isprintable()
    return line


def test_nothing_set_gives_the_documented_defaults() -> None:
    config = Config.from_mapping({})
    assert (config.listen.host, config.listen.port) == ("127.0.0.1", 11434)
    assert (config.listen.request_max_size_bytes, config.listen.body_timeout_s) == (10_485_760, 60.0)
    assert (config.access.api_keys, config.access.cors_origins, config.access.metrics_public) == ((), None, False)
    backend = config.backend
    assert (backend.base_url, backend.api_key, backend.verify_tls, backend.max_retries) == (None, None, True, 3)
    assert (backend.request_timeout_s, backend.connect_timeout_s, backend.total_timeout_s) == (60.0, 5.0, 600.0)
    assert (backend.max_connections, backend.keepalive_timeout_s, backend.dns_cache_ttl_s) == (1000, 15.0, 60)
    assert backend.health_check_timeout_s == 30.0
    models = config.models
    assert (models.mapping_file, dict(models.mapping), models.default_model, models.cache_ttl_s) == (None, {}, None, 60)
    assert (config.metrics.enabled, config.metrics.prometheus, config.metrics.path) == (True, True, "/v1/metrics")
    assert (config.log.level, config.log.debug, config.version_endpoint, config.warnings) == ("INFO", False, True, ())


def test_every_setting_arrives_where_it_belongs() -> None:
    config = Config.from_mapping({row.name: row.example for row in settings() if row.name != "MODEL_MAPPING_FILE"})
    assert config.backend.base_url == URL("https://api.openai.com/v1")
    assert config.secrets() == ["first-secret", "second-secret", "sk-your-key"]
    assert (config.backend.request_timeout_s, config.listen.body_timeout_s) == (120, 120)
    assert (config.backend.connect_timeout_s, config.backend.total_timeout_s, config.backend.max_retries) == (
        10,
        1800,
        0,
    )
    assert (config.backend.verify_tls, config.backend.max_connections) == (False, 200)
    assert (config.backend.keepalive_timeout_s, config.backend.dns_cache_ttl_s) == (60, 10)
    assert config.backend.health_check_timeout_s == 5
    assert (config.listen.host, config.listen.port, config.listen.request_max_size_bytes) == (
        EVERYWHERE,
        8080,
        52428800,
    )
    assert config.access.cors_origins == ("https://app.example", "http://localhost:*")
    assert config.access.metrics_public
    assert (config.models.default_model, config.models.cache_ttl_s) == ("gpt-4o-mini", 300)
    assert (config.metrics.enabled, config.metrics.prometheus, config.metrics.path) == (
        False,
        False,
        "/internal/metrics",
    )
    assert (config.log.level, config.log.effective_level, config.version_endpoint) == ("WARNING", "DEBUG", False)


def test_the_environment_counts_before_dotenv_and_empty_means_unset(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("PROXY_PORT=1111\nMAX_RETRIES=7\nDEFAULT_MODEL=\nSOMETHING_ELSE=x\nDEBUG\n")
    config = Config.load({"PROXY_PORT": "2222", "MAX_RETRIES": "  ", "DNS_CACHE_TTL": ""}, dotenv)
    assert (config.listen.port, config.backend.max_retries, config.backend.dns_cache_ttl_s) == (2222, 7, 60)
    assert config.models.default_model is None
    assert not config.log.debug


def test_a_missing_dotenv_sets_nothing(tmp_path: Path) -> None:
    assert Config.load({}, tmp_path / ".env") == Config.from_mapping({})


def test_dotenv_takes_quotes_comments_export_and_a_byte_order_mark_and_interpolates_nothing(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(
        "\ufeffPROXY_PORT=1111 # mine\nexport DEFAULT_MODEL='a b'\nOPENAI_API_KEY=sk-${HOME}\n", encoding="utf-8"
    )
    config = Config.load({"HOME": "/somewhere"}, dotenv)
    assert (config.listen.port, config.models.default_model) == (1111, "a b")
    assert config.secrets() == ["sk-${HOME}"]


@pytest.mark.parametrize(("content", "word"), [(b"PROXY_PORT=\xff\xfe\n", "UTF-8"), (None, "cannot be read")])
def test_an_unreadable_dotenv_is_one_line(tmp_path: Path, content: bytes | None, word: str) -> None:
    dotenv = tmp_path / ".env"
    if content is None:
        dotenv.mkdir()
    else:
        dotenv.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Config.load({}, dotenv)
    (line,) = caught.value.lines
    assert line.startswith(str(dotenv))
    assert word in line


def test_names_are_case_sensitive_and_field_names_are_no_settings() -> None:
    config = Config.from_mapping(
        {"proxy_port": "1", "port": "2", "host": "h", "mapping": "x", "warnings": "y", "listen": "z"}
    )
    assert config == Config.from_mapping({})


@pytest.mark.parametrize("word", ["true", "TRUE", "1", "yes", "On"])
def test_words_for_true(word: str) -> None:
    assert Config.from_mapping({"METRICS_PUBLIC": word}).access.metrics_public


@pytest.mark.parametrize("word", ["false", "False", "0", "no", "OFF"])
def test_words_for_false(word: str) -> None:
    assert not Config.from_mapping({"ENABLE_METRICS": word}).metrics.enabled


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("METRICS_PUBLIC", "maybe"),
        ("PROXY_PORT", "0"),
        ("PROXY_PORT", "65536"),
        ("PROXY_PORT", "-1"),
        ("PROXY_PORT", "8080.0"),
        ("PROXY_PORT", "1_000"),
        ("PROXY_PORT", "\u0661\u0662"),
        ("PROXY_PORT", "9" * 5000),
        ("REQUEST_TIMEOUT", "0"),
        ("REQUEST_TIMEOUT", "-3"),
        ("REQUEST_TIMEOUT", "nan"),
        ("REQUEST_TIMEOUT", "-inf"),
        ("REQUEST_TIMEOUT", "Infinity"),
        ("REQUEST_TIMEOUT", "1e999"),
        ("REQUEST_TIMEOUT", "60s"),
        ("REQUEST_TIMEOUT", "1_0"),
        ("CONNECT_TIMEOUT", "0.0"),
        ("TOTAL_TIMEOUT", "nan"),
        ("HEALTH_CHECK_TIMEOUT", "0"),
        ("KEEPALIVE_TIMEOUT", "0"),
        ("MODEL_CACHE_TTL", "-1"),
        ("DNS_CACHE_TTL", "1.5"),
        ("MAX_RETRIES", "-1"),
        ("MAX_RETRIES", "three"),
        ("MAX_CONNECTIONS", "0"),
        ("REQUEST_MAX_SIZE", "10MB"),
        ("REQUEST_MAX_SIZE", "0"),
        ("LOG_LEVEL", "verbose"),
        ("PROXY_HOST", "http://localhost"),
        ("PROXY_HOST", "0.0.0.0:11434"),
        ("PROXY_HOST", "a b"),
        ("PROXY_HOST", "*"),
        ("CORS_ORIGINS", "app.example"),
        ("CORS_ORIGINS", "https://app.example/path"),
        ("DEFAULT_MODEL", "a\x1bb"),
        ("DEFAULT_MODEL", "\udcff"),
        ("API_KEYS", " , ,"),
        ("OPENAI_API_KEY", "sk-\u201cquoted\u201d"),
        ("METRICS_PATH", "metrics"),
        ("METRICS_PATH", "/"),
        ("METRICS_PATH", "/a//b"),
        ("METRICS_PATH", "/a/../b"),
        ("METRICS_PATH", "/m?x"),
        ("METRICS_PATH", "/{m}"),
        ("MODEL_MAPPING_FILE", "a\0b"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(name: str, value: str) -> None:
    line = problem_of(name, value)
    (row,) = [row for row in settings() if row.name == name]
    assert line.endswith(row.right)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1", 1), ("0.25", 0.25), (".5", 0.5), ("1e3", 1000), (" 7 ", 7), ("9\r", 9)]
)
def test_seconds_are_plain_numbers(text: str, seconds: float) -> None:
    assert Config.from_mapping({"REQUEST_TIMEOUT": text}).backend.request_timeout_s == seconds


def test_a_cache_time_of_zero_is_allowed() -> None:
    assert Config.from_mapping({"MODEL_CACHE_TTL": "0"}).models.cache_ttl_s == 0


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000//", "http://[::1]:8000"),
        ("HTTPS://Host/a%20b/v1", "https://host/a%20b/v1"),
    ],
)
def test_a_base_url_loses_the_slash_at_its_end(text: str, url: str) -> None:
    found = Config.from_mapping({"OPENAI_API_BASE_URL": text}).backend.base_url
    assert found is not None
    assert str(found).rstrip("/") == url
    assert found.path.rstrip("/") == URL(url).path.rstrip("/")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("api.openai.com/v1", "http://"),
        ("localhost:8000/v1", "http://"),
        ("ftp://host/v1", "http://"),
        ("http:///v1", "host"),
        ("http://host:99999/v1", ""),
        ("http://host:0/v1", "port"),
        ("http://host/v1?key=x", "query"),
        ("http://host/v1#x", "fragment"),
        ("http://host/v 1", "blank"),
        ("https://host/v1/chat/completions", "endpoint"),
        ("https://host/v1/models/", "endpoint"),
    ],
)
def test_a_wrong_base_url_is_refused_with_the_reason(text: str, word: str) -> None:
    wrong = problem_of("OPENAI_API_BASE_URL", text).partition("; expected ")[0]
    assert word in wrong


@pytest.mark.parametrize(
    "text", [f"https://me:{SECRET}@host/v1", f"https://{SECRET}@host/v1", f"https://host/v1?key={SECRET}"]
)
def test_a_key_in_the_base_url_is_refused_and_not_shown(text: str) -> None:
    line = problem_of("OPENAI_API_BASE_URL", text)
    assert SECRET not in line
    assert "OPENAI_API_KEY" in line or "query" in line


def test_credentials_in_the_base_url_name_the_setting_for_them() -> None:
    assert "OPENAI_API_KEY" in problem_of("OPENAI_API_BASE_URL", "https://user:pass@host/v1")


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "API_KEYS"])
@pytest.mark.parametrize("value", [f"{SECRET}\nX-Evil: 1", f"{SECRET}\n", f"{SECRET}\r", f"\0{SECRET}"])
def test_a_key_with_a_control_character_is_refused_and_not_shown(name: str, value: str) -> None:
    line = problem_of(name, value)
    assert "control character" in line
    assert SECRET not in line


@pytest.mark.parametrize("name", [row.name for row in settings() if row.name != "DEFAULT_MODEL"])
def test_a_key_in_the_wrong_setting_is_not_shown(name: str) -> None:
    mapping = {name: SECRET, "PROXY_PORT": "x"} | ({} if name == "OPENAI_API_KEY" else {"OPENAI_API_KEY": SECRET})
    assert not [line for line in problems_of(mapping) if SECRET in line]


def test_no_secret_shows_in_a_repr_or_a_dump_of_the_config() -> None:
    config = Config.from_mapping({"OPENAI_API_KEY": SECRET, "API_KEYS": f"{SECRET}-1,{SECRET}-2"})
    assert SECRET not in repr(config) + str(config) + repr(config.model_dump()) + config.model_dump_json()
    assert config.secrets() == [f"{SECRET}-1", f"{SECRET}-2", SECRET]


def test_no_value_hangs_on_the_error() -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_mapping({"OPENAI_API_KEY": f"{SECRET}\n"})
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert SECRET not in repr(caught.value)


def test_all_wrong_settings_are_told_at_once_each_on_one_line() -> None:
    lines = problems_of(
        {"PROXY_PORT": "x", "REQUEST_TIMEOUT": "nan", "MODEL_MAPPING_FILE": "/no/such", "LOG_LEVEL": "loud"}
    )
    assert [line.partition(":")[0] for line in lines] == [
        "REQUEST_TIMEOUT",
        "PROXY_PORT",
        "MODEL_MAPPING_FILE",
        "LOG_LEVEL",
    ]


def test_comma_lists_lose_blanks_and_empty_items() -> None:
    config = Config.from_mapping({"API_KEYS": " one, two ,,", "CORS_ORIGINS": "HTTPS://App.example/, app://*,null"})
    assert config.secrets() == ["one", "two"]
    assert config.access.cors_origins == ("https://app.example", "app://*", "null")


@pytest.mark.parametrize(
    ("text", "host"), [("::1", "::1"), ("[::]", "::"), ("localhost", "localhost"), (EVERYWHERE, EVERYWHERE)]
)
def test_hosts(text: str, host: str) -> None:
    assert Config.from_mapping({"PROXY_HOST": text}).listen.host == host


def test_the_config_is_frozen() -> None:
    config = Config.from_mapping({})
    with pytest.raises(ValueError, match="frozen"):
        config.listen.port = 1  # type: ignore[misc]  # that it cannot be set is what is tested
    with pytest.raises(TypeError):
        config.models.mapping["a"] = "b"  # type: ignore[index]  # that it cannot be set is what is tested


@pytest.mark.parametrize(
    ("mapping", "level"),
    [({}, "INFO"), ({"LOG_LEVEL": "error"}, "ERROR"), ({"LOG_LEVEL": "error", "DEBUG": "1"}, "DEBUG")],
)
def test_debug_raises_the_log_level(mapping: dict[str, str], level: str) -> None:
    assert Config.from_mapping(mapping).log.effective_level == level


@pytest.mark.parametrize("path", [*SERVED_PATHS - {"/"}, "/api/chat", "/v1/models/x"])
def test_the_metrics_path_may_not_hide_a_route(path: str) -> None:
    assert "route of the gateway" in problem_of("METRICS_PATH", path)


@pytest.mark.parametrize("path", sorted(PROMETHEUS_PATHS))
def test_the_metrics_path_may_be_prometheus_own_only_without_it(path: str) -> None:
    assert "ENABLE_PROMETHEUS_METRICS" in problem_of("METRICS_PATH", path)
    config = Config.from_mapping({"METRICS_PATH": path, "ENABLE_PROMETHEUS_METRICS": "false"})
    assert config.metrics.path == path


async def test_the_paths_refused_for_metrics_are_the_routes_there_are() -> None:
    app = create_app(Config.from_mapping({"OPENAI_API_BASE_URL": "http://127.0.0.1:9/v1", "METRICS_PATH": "/own"}))
    runner = web.AppRunner(app)
    await runner.setup()
    served = {resource.canonical for resource in app.router.resources()} - {"/own"}
    await runner.cleanup()
    known = SERVED_PATHS | PROMETHEUS_PATHS
    assert {path for path in served if path not in known and not path.startswith((*SERVED_BELOW, "/{"))} == set()
    assert known - {"/api"} <= served


# The file that maps names


def mapping_problem(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return problem_of("MODEL_MAPPING_FILE", str(path))


def test_the_mapping_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text('\ufeff{"llama3": "gpt-4o", "Größe:latest": "org/model"}', encoding="utf-8")
    models = Config.load({"MODEL_MAPPING_FILE": str(path)}, tmp_path / ".env").models
    assert models.mapping_file == path
    assert dict(models.mapping) == {"llama3": "gpt-4o", "Größe:latest": "org/model"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{\n  "a": "b",\n}', ["line 3", "column"]),
        ("", ["line 1", "column 1"]),
        ('["a"]', ["no JSON object"]),
        ('{"a": "b", "c": 5}', ['"c"', "a number"]),
        ('{"a": {"b": "c"}}', ['"a"', "an object"]),
        ('{"a": null}', ['"a"', "null"]),
        ('{"a": true}', ['"a"', "a boolean"]),
        ('{"a": ["b"]}', ['"a"', "a list"]),
        ('{"a": " "}', ['"a"', "empty"]),
        ('{"": "b"}', ["without a name"]),
        ('{"a": "b", "a": "c"}', ['"a"', "twice"]),
        ('{"a\\n\\u001b": 5}', ['"a\\n\\u001b"']),
        ("[" * 100_000, ["nested"]),
        (b'{"a": "\xff"}', ["UTF-8"]),
    ],
)
def test_a_broken_mapping_file_names_the_place(tmp_path: Path, content: str | bytes, words: list[str]) -> None:
    line = mapping_problem(tmp_path / "names.json", content)
    assert not [word for word in words if word not in line]


def test_a_missing_mapping_file_and_a_directory_are_named(tmp_path: Path) -> None:
    assert "no file" in problem_of("MODEL_MAPPING_FILE", str(tmp_path / "none.json"))
    assert "cannot be read" in problem_of("MODEL_MAPPING_FILE", str(tmp_path))


def test_a_key_in_the_mapping_file_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text(f'{{"{SECRET}": 1}}')
    (line,) = problems_of({"MODEL_MAPPING_FILE": str(path), "OPENAI_API_KEY": SECRET})
    assert SECRET not in line


# What is said at the start


def warnings_of(**mapping: str) -> list[str]:
    return list(Config.from_mapping(mapping).warnings)


def test_the_port_that_kubernetes_injects_is_ignored_with_a_warning(tmp_path: Path) -> None:
    config = Config.from_mapping({"PROXY_PORT": "tcp://10.0.0.1:80"})
    assert config.listen.port == 11434
    assert "Kubernetes" in config.warnings[0]
    (tmp_path / ".env").write_text("PROXY_PORT=1234\n")
    assert Config.load({"PROXY_PORT": "tcp://10.0.0.1:80"}, tmp_path / ".env").listen.port == 1234


def test_unchecked_certificates_are_warned_of_loudly() -> None:
    (warning,) = warnings_of(DISABLE_SSL_VERIFICATION="true")
    assert "NOT" in warning
    assert warnings_of(DISABLE_SSL_VERIFICATION="false") == []


def test_an_open_door_in_front_of_a_key_is_warned_of() -> None:
    (warning,) = warnings_of(CORS_ORIGINS="*", OPENAI_API_KEY=SECRET)
    assert "CORS_ORIGINS" in warning
    (warning,) = warnings_of(PROXY_HOST=EVERYWHERE, OPENAI_API_KEY=SECRET)
    assert "PROXY_HOST" in warning
    assert warnings_of(CORS_ORIGINS="*", PROXY_HOST=EVERYWHERE, OPENAI_API_KEY=SECRET, API_KEYS="k") == []
    assert warnings_of(CORS_ORIGINS="*", PROXY_HOST=EVERYWHERE) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST."])
def test_listening_on_loopback_is_no_open_door(host: str) -> None:
    assert warnings_of(PROXY_HOST=host, OPENAI_API_KEY=SECRET) == []


@pytest.mark.parametrize("url", ["http://api.example.com/v1", "http://8.8.8.8/v1"])
def test_a_key_over_plain_http_to_elsewhere_is_warned_of(url: str) -> None:
    (warning,) = warnings_of(OPENAI_API_BASE_URL=url, OPENAI_API_KEY=SECRET)
    assert "unencrypted" in warning
    assert warnings_of(OPENAI_API_BASE_URL=url) == []
    assert warnings_of(OPENAI_API_BASE_URL=url.replace("http:", "https:"), OPENAI_API_KEY=SECRET) == []


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]", "localhost", "10.0.0.7", "vllm", "host.docker.internal"])
def test_a_key_over_plain_http_nearby_is_not_warned_of(host: str) -> None:
    assert warnings_of(OPENAI_API_BASE_URL=f"http://{host}/v1", OPENAI_API_KEY=SECRET) == []


def test_another_backend_gets_no_key() -> None:
    config = Config.from_mapping({"OPENAI_API_KEY": SECRET, "PROXY_PORT": "99"}).for_backend(
        URL("http://127.0.0.1:1/v1")
    )
    assert (config.backend.base_url, config.backend.api_key, config.listen.port) == (
        URL("http://127.0.0.1:1/v1"),
        None,
        99,
    )


# The documentation of settings


def test_every_setting_is_described_once() -> None:
    rows = settings()
    names = [row.name for row in rows]
    assert len(names) == len(set(names)) == 26
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


def test_importing_reads_no_setting(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PROXY_PORT=wrong\n")
    watch = "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)"
    code = (
        f"import sys; opened = []; {watch}; import gateway.config; assert not [p for p in opened if p.endswith('.env')]"
    )
    environ = {"PYTHONPATH": str(ROOT), "PROXY_PORT": "wrong", "MODEL_MAPPING_FILE": "/no/such"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
