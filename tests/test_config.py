"""Config: what is read from where, what is refused in which words, and what never shows."""

import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from gateway.app import create_app
from gateway.backend_settings import Fleet
from gateway.config import PROMETHEUS_PATHS, SERVED_BELOW, SERVED_PATHS, Config, ConfigError, settings
from tests.refusals import SECRET, problem_of, problems_of

EVERYWHERE = "0.0.0.0"
ROOT = Path(__file__).resolve().parent.parent


def test_nothing_set_gives_the_documented_defaults() -> None:
    config = Config.from_mapping({})
    assert (config.listen.host, config.listen.port) == ("127.0.0.1", 11434)
    assert (config.listen.request_max_size_bytes, config.listen.body_timeout_s) == (10_485_760, 60.0)
    assert (config.access.api_keys, config.access.cors_origins, config.access.metrics_public) == ((), None, False)
    assert (config.access.keys_file, config.access.redis_url, config.access.wants_key) == (None, None, False)
    assert (config.access.rate_limit_rpm, config.access.rate_limit_tpm) == (0, 0)
    listen = config.listen
    assert (listen.tls_cert_file, listen.tls_key_file, listen.tls, listen.trusted_proxies) == (None, None, False, ())
    assert (listen.workers, listen.max_concurrent, listen.max_queue) == (1, 0, 512)
    assert (listen.write_timeout_s, listen.shutdown_grace_s) == (60, 30)
    backend = config.backend
    assert (backend.base_url, backend.api_key, backend.verify_tls, backend.max_retries) == (None, None, True, 3)
    assert (backend.request_timeout_s, backend.connect_timeout_s, backend.total_timeout_s) == (60.0, 5.0, 600.0)
    assert (backend.first_token_timeout_s, backend.idle_timeout_s, backend.plain_requests) == (None, None, "auto")
    assert (backend.backends_file, config.fleet, config.access.admin_key) == (None, Fleet(), None)
    assert (config.cache.url, config.cache.ttl_s, config.cache.max_bytes) == (None, 3600, 67_108_864)
    assert (backend.max_connections, backend.keepalive_timeout_s, backend.dns_cache_ttl_s) == (1000, 15.0, 60)
    assert backend.health_check_timeout_s == 30.0
    assert (backend.delivery, backend.heartbeat_interval_s) == ("live", 15.0)
    assert (config.access.ollama_origins, config.models.management) == (None, "static")
    models = config.models
    assert (models.mapping_file, dict(models.mapping), models.default_model, models.cache_ttl_s) == (None, {}, None, 60)
    assert (config.metrics.enabled, config.metrics.prometheus, config.metrics.path) == (True, True, "/v1/metrics")
    assert (config.log.level, config.log.debug, config.version_endpoint, config.warnings) == ("INFO", False, True, ())


def test_every_setting_arrives_where_it_belongs() -> None:
    files = {"MODEL_MAPPING_FILE", "BACKENDS_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE"}
    config = Config.from_mapping({row.name: row.example for row in settings() if row.name not in files})
    assert config.backend.base_url == URL("https://api.openai.com/v1")
    assert config.secrets() == ["first-secret", "second-secret", "another-secret", "sk-your-key"]
    assert (config.backend.first_token_timeout_s, config.backend.idle_timeout_s) == (300, 30)
    assert config.backend.plain_requests == "direct"
    assert (config.backend.delivery, config.backend.heartbeat_interval_s) == ("whole", 30)
    listen = config.listen
    assert (listen.max_concurrent, listen.max_queue) == (64, 0)
    assert (listen.write_timeout_s, listen.shutdown_grace_s) == (15, 120)
    assert [str(network) for network in listen.trusted_proxies] == ["10.0.0.7/32", "10.1.0.0/16"]
    assert str(config.access.keys_file) == "/etc/ollama-openai-proxy/keys.json"
    assert (config.access.rate_limit_rpm, config.access.rate_limit_tpm) == (60, 100_000)
    assert config.access.redis_url is not None
    assert config.access.redis_url.get_secret_value() == "redis://127.0.0.1:6379/1"
    assert config.cache.url is not None
    assert config.cache.url.get_secret_value() == "redis://127.0.0.1:6379/0"
    assert (config.cache.ttl_s, config.cache.max_bytes) == (600, 268_435_456)
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
    assert config.access.ollama_origins == ("chrome-extension://*",)
    assert config.models.management == "strict"
    assert config.access.metrics_public
    assert (config.models.default_model, config.models.cache_ttl_s) == ("gpt-4o-mini", 300)
    assert (config.metrics.enabled, config.metrics.prometheus, config.metrics.path) == (
        False,
        False,
        "/internal/metrics",
    )
    assert (config.log.level, config.log.effective_level, config.version_endpoint) == ("WARNING", "DEBUG", False)


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
        ("CORS_ORIGINS", "*.example"),
        ("OLLAMA_ORIGINS", "app.example"),
        ("OLLAMA_ORIGINS", "chrome-extension://a b"),
        ("MODEL_MANAGEMENT", "lenient"),
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
        ("BACKENDS_FILE", "a\0b"),
        ("FIRST_TOKEN_TIMEOUT", "0"),
        ("IDLE_TIMEOUT", "never"),
        ("PLAIN_REQUESTS", "sometimes"),
        ("ADMIN_KEY", "k\u00e9y"),
        ("CACHE_TTL", "0"),
        ("CACHE_MAX_BYTES", "64MB"),
        ("DELIVERY", "soon"),
        ("HEARTBEAT_INTERVAL", "-1"),
        ("WORKERS", "0"),
        ("WORKERS", "257"),
        ("WORKERS", "automatic"),
        ("MAX_CONCURRENT_REQUESTS", "-1"),
        ("MAX_QUEUE", "many"),
        ("WRITE_TIMEOUT", "0"),
        ("SHUTDOWN_GRACE", "-1"),
        ("SHUTDOWN_GRACE", "inf"),
        ("KEYS_FILE", "a\0b"),
        ("RATE_LIMIT_RPM", "0.5"),
        ("RATE_LIMIT_TPM", "-1"),
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


def test_ollamas_origins_may_be_patterns_without_a_scheme() -> None:
    config = Config.from_mapping({"OLLAMA_ORIGINS": "*.Example.org, http://192.168.*:8080,http*://app/, *"})
    assert config.access.ollama_origins == ("*.example.org", "http://192.168.*:8080", "http*://app", "*")


@pytest.mark.parametrize("word", ["static", "STRICT"])
def test_management_is_a_word_in_any_case(word: str) -> None:
    assert Config.from_mapping({"MODEL_MANAGEMENT": word}).models.management == word.lower()


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


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "API_KEYS", "ADMIN_KEY", "CACHE_URL", "REDIS_URL"])
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
    config = Config.from_mapping(
        {
            "OPENAI_API_BASE_URL": "http://127.0.0.1:1/v1",
            "OPENAI_API_KEY": SECRET,
            "API_KEYS": f"{SECRET}-1,{SECRET}-2",
            "ADMIN_KEY": f"{SECRET}-3",
            "CACHE_URL": f"rediss://user:{SECRET}%404@cache.example:6380/2",
            "REDIS_URL": f"redis://:{SECRET}-5@127.0.0.1",
        }
    )
    assert SECRET not in repr(config) + str(config) + repr(config.model_dump()) + config.model_dump_json()
    numbered = [f"{SECRET}-{number}" for number in (1, 2, 3)]
    assert config.secrets() == [*numbered, SECRET, f"{SECRET}%404", f"{SECRET}@4", f"{SECRET}-5"]


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


@pytest.mark.parametrize("word", ["auto", "DIRECT", "streamed"])
def test_how_plain_answers_are_asked_for_is_a_word_in_any_case(word: str) -> None:
    assert Config.from_mapping({"PLAIN_REQUESTS": word}).backend.plain_requests == word.lower()


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
