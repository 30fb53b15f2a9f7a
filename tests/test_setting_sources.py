"""Where settings come from: the environment, `.env`, and the file that maps names."""

from pathlib import Path

import pytest

from gateway.config import Config, ConfigError
from tests.refusals import SECRET, problem_of, problems_of


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


def test_the_port_that_kubernetes_injects_is_ignored_with_a_warning(tmp_path: Path) -> None:
    config = Config.from_mapping({"PROXY_PORT": "tcp://10.0.0.1:80"})
    assert config.listen.port == 11434
    assert "Kubernetes" in config.warnings[0]
    (tmp_path / ".env").write_text("PROXY_PORT=1234\n")
    assert Config.load({"PROXY_PORT": "tcp://10.0.0.1:80"}, tmp_path / ".env").listen.port == 1234


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
        ('{\n  "a" "b"\n}', ["line 2", "column"]),
        ("", ["line 1", "column 1"]),
        ('["a"]', ["no JSON object"]),
        ('{"a": "b", "c": 5}', ['"c"', "a number"]),
        ('{"a": {"b": "c"}}', ['"a"', 'no "model"']),
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


def test_a_virtual_model_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text('{"a": {"model": "b", "system": "s", "options": {"stop": "x"}}, "b*": "c"}', encoding="utf-8")
    mapping = Config.from_mapping({"MODEL_MAPPING_FILE": str(path)}).models.mapping
    assert mapping == {"a": {"model": "b", "system": "s", "options": {"stop": "x"}}, "b*": "c"}


def test_a_missing_mapping_file_and_a_directory_are_named(tmp_path: Path) -> None:
    assert "no file" in problem_of("MODEL_MAPPING_FILE", str(tmp_path / "none.json"))
    assert "cannot be read" in problem_of("MODEL_MAPPING_FILE", str(tmp_path))


def test_a_key_in_the_mapping_file_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text(f'{{"{SECRET}": 1}}')
    (line,) = problems_of({"MODEL_MAPPING_FILE": str(path), "OPENAI_API_KEY": SECRET})
    assert SECRET not in line


def test_reading_again_sees_dotenv_and_the_mapping_file_as_they_are_now(tmp_path: Path) -> None:
    dotenv, names = tmp_path / ".env", tmp_path / "names.json"
    dotenv.write_text("MAX_RETRIES=1\n")
    names.write_text('{"a": "b"}')
    environ = {"MODEL_MAPPING_FILE": str(names), "PROXY_PORT": "1111"}
    config = Config.load(environ, dotenv)
    environ["PROXY_PORT"] = "2222"
    dotenv.write_text("MAX_RETRIES=2\n")
    names.write_text('{"a": "c"}')
    again = config.reread()
    assert (config.backend.max_retries, dict(config.models.mapping)) == (1, {"a": "b"})
    assert (again.backend.max_retries, dict(again.models.mapping), again.listen.port) == (2, {"a": "c"}, 1111)
