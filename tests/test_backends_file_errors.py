"""What is refused of a backends file: with its line and its place, and without its values."""

from pathlib import Path

import pytest

from gateway.config import Config, ConfigError
from tests.backends_files import HEAD, problems_of
from tests.refusals import SECRET

WRONG: dict[str, tuple[str, int, str]] = {
    "an unknown key": (HEAD + "  wieght: 3\n", 4, 'backends[0] has "wieght", which is unknown'),
    "an unknown key at the top": (HEAD + "backend: []\n", 4, 'the file has "backend", which is unknown'),
    "an unknown clock": (HEAD + "  timeouts:\n    total: 3\n", 5, 'backends[0].timeouts has "total", which is unknown'),
    "an unknown rule": (HEAD + "models:\n  a: {fallback: b}\n", 5, 'models["a"] has "fallback", which is unknown'),
    "a key that stands there twice": (HEAD + "  name: other\n", 4, 'backends[0] has "name" twice'),
    "a rename that stands there twice": (
        HEAD + "  rename:\n    gpt-4o: b\n    gpt-4o: c\n",
        6,
        'backends[0].rename has "gpt-4o" twice',
    ),
    "two names that clients cannot tell apart": (
        HEAD + "  rename:\n    llama3: b\n    LLama3:latest: c\n",
        6,
        'backends[0].rename["LLama3:latest"] has the name of line 5',
    ),
    "two rules that clients cannot tell apart": (
        HEAD + "models:\n  llama3: {}\n  llama3:latest: {}\n",
        6,
        'models["llama3:latest"] has the name of line 5',
    ),
    "an entry without a name": (HEAD + '  rename: {"": b}\n', 4, "backends[0].rename has an entry without a name"),
    "a mapping for a name": (HEAD + "  rename:\n    {a: b}: c\n", 5, "backends[0].rename has an entry without a name"),
    "a list at the top": ("- name: a\n", 1, "the file is a list, not a mapping"),
    "a text at the top": ("backends\n", 1, "the file is a text, not a mapping"),
    "no backends": ("models: {}\n", 1, 'the file has no "backends"'),
    "an empty list of backends": ("models: {}\nbackends: []\n", 2, "backends is empty"),
    "a mapping of backends": ("backends:\n  main: {}\n", 2, "backends is a mapping, not a list"),
    "nothing for backends": ("backends:\n", 1, "backends is null, not a list"),
    "a backend that is a text": ("backends:\n- main\n", 2, "backends[0] is a text, not a mapping"),
    "no name": ("backends:\n- base_url: http://a\n", 2, 'backends[0] has no "name"'),
    "no address": ("backends:\n- name: a\n", 2, 'backends[0] has no "base_url"'),
    "a name with a slash": ("backends:\n- name: a/b\n  base_url: http://a\n", 2, 'backends[0].name holds a "/"'),
    "a blank name": ('backends:\n- name: " "\n  base_url: http://a\n', 2, "backends[0].name is empty"),
    "a name with a blank": (
        'backends:\n- name: "a "\n  base_url: http://a\n',
        2,
        "backends[0].name has a blank around",
    ),
    "a number for a name": ("backends:\n- name: 5\n  base_url: http://a\n", 2, "backends[0].name is a number, not a t"),
    "a word for true": ("backends:\n- name: on\n  base_url: http://a\n", 2, "backends[0].name is true or false, not a"),
    "a line break in a name": (
        'backends:\n- name: "a\\nb"\n  base_url: http://a\n',
        2,
        "backends[0].name holds a control character",
    ),
    "a name of two": (
        HEAD + "- name: MAIN\n  base_url: http://b\n",
        4,
        "backends[1].name is the same as backends[0].n",
    ),
    "an address without a scheme": ("backends:\n- name: a\n  base_url: a/v1\n", 3, "backends[0].base_url does not st"),
    "an address of one endpoint": (
        "backends:\n- name: a\n  base_url: http://a/v1/models\n",
        3,
        "backends[0].base_url names one endpoint",
    ),
    "a list for a key": (HEAD + "  api_key: [a]\n", 4, "backends[0].api_key is a list, not a mapping"),
    "nothing for a key": (HEAD + "  api_key:\n", 4, "backends[0].api_key is null"),
    "a key of letters": (HEAD + "  api_key: ä\n", 4, "backends[0].api_key holds a character outside ASCII"),
    "two forms of a key": (
        HEAD + "  api_key:\n    file: x\n    env: y\n",
        6,
        'backends[0].api_key has "env", which is',
    ),
    "a key and its header": (
        HEAD + "  api_key: a\n  headers: {AUTHORIZATION: b}\n",
        5,
        "backends[0].headers has Authorization beside api_key",
    ),
    "a key file that is not there": (
        HEAD + "  api_key: {file: none}\n",
        4,
        "backends[0].api_key names a file that cannot be read (No such file",
    ),
    "no models at all": (HEAD + "  models: []\n", 4, "backends[0].models is empty"),
    "a text for models": (HEAD + "  models: gpt-4o\n", 4, "backends[0].models is a text, not a list"),
    "a model that is a number": (
        HEAD + "  models:\n  - a\n  - 4\n",
        6,
        "backends[0].models[1] is a number, not a text",
    ),
    "a list of renames": (HEAD + "  rename: [a]\n", 4, "backends[0].rename is a list, not a mapping"),
    "a rename to a pattern": (HEAD + "  rename: {a: b*}\n", 4, 'backends[0].rename["a"] has a "*"'),
    "a rename of a pattern": (HEAD + "  rename: {a*: b}\n", 4, 'backends[0].rename["a*"] has a "*" in its name'),
    "a priority below zero": (HEAD + "  priority: -1\n", 4, "backends[0].priority is out of range"),
    "no weight": (HEAD + "  weight: 0\n", 4, "backends[0].weight is out of range"),
    "a part of a weight": (HEAD + "  weight: 1.5\n", 4, "backends[0].weight is not a whole number"),
    "a weight in quotes": (HEAD + '  weight: "3"\n', 4, "backends[0].weight is a text in quotes"),
    "a list of weights": (HEAD + "  weight: [3]\n", 4, "backends[0].weight is a list"),
    "an unknown profile": (HEAD + "  profile: tgi\n", 4, "backends[0].profile is no profile"),
    "no time": (HEAD + "  timeouts:\n    connect_s: 0\n", 5, "backends[0].timeouts.connect_s is zero"),
    "time without an end": (HEAD + "  timeouts: {idle_s: .inf}\n", 4, "backends[0].timeouts.idle_s is not a number"),
    "time with a unit": (HEAD + "  timeouts: {total_s: 5s}\n", 4, "backends[0].timeouts.total_s is not a number"),
    "one number for all clocks": (HEAD + "  timeouts: 5\n", 4, "backends[0].timeouts is a number, not a mapping"),
    "a limit of nothing": (HEAD + "  limits: {concurrency: 0}\n", 4, "backends[0].limits.concurrency is out of range"),
    "an unknown limit": (HEAD + "  limits: {tokens: 1}\n", 4, 'backends[0].limits has "tokens", which is unknown'),
    "a certificate that is not there": (
        HEAD + "  tls: {ca: none.pem}\n",
        4,
        "backends[0].tls.ca names a file that cannot be read",
    ),
    "a key without its certificate": (HEAD + "  tls: {key: a}\n", 4, "backends[0].tls.key stands without cert"),
    "a word that is neither": (
        HEAD + "  tls: {verify: maybe}\n",
        4,
        "backends[0].tls.verify is neither true nor false",
    ),
    "a header that the gateway sets": (
        HEAD + "  headers:\n    HOST: a\n",
        5,
        'backends[0].headers["HOST"] is a header',
    ),
    "a header of the connection": (
        HEAD + "  headers: {Transfer-Encoding: a}\n",
        4,
        'backends[0].headers["Transfer-Encoding"] is a header that the gateway decides',
    ),
    "a name that is no header": (
        HEAD + "  headers: {a b: c}\n",
        4,
        'backends[0].headers["a b"] is no name of a header',
    ),
    "a header twice": (
        HEAD + "  headers:\n    X-A: b\n    x-a: c\n",
        6,
        'backends[0].headers["x-a"] is a header that st',
    ),
    "a header of two lines": (
        HEAD + '  headers: {X-A: "b\\r\\nX-B: c"}\n',
        4,
        'backends[0].headers["X-A"] holds a control character',
    ),
    "a header without a value": (HEAD + '  headers: {X-A: ""}\n', 4, 'backends[0].headers["X-A"] is empty'),
    "a text of learned parameters": (HEAD + "  learned: {a: top_k}\n", 4, 'backends[0].learned["a"] is a text, not a'),
    "fallbacks that are no list": (HEAD + "models:\n  a: {fallbacks: b}\n", 5, 'models["a"].fallbacks is a text, not'),
    "a fallback that is empty": (HEAD + 'models:\n  a: {fallbacks: [""]}\n', 5, 'models["a"].fallbacks[0] is empty'),
    "a fallback that is a pattern": (
        HEAD + "models:\n  a:\n    fallbacks:\n    - main/*\n    - other/*\n",
        8,
        'models["a"].fallbacks[1] has a "*"',
    ),
    "an unknown delivery": (HEAD + "models:\n  a: {delivery: fast}\n", 5, 'models["a"].delivery is no way to deliver'),
    "a text for sticky": (HEAD + "models:\n  a: {sticky: often}\n", 5, 'models["a"].sticky is neither true nor false'),
    "a rule that is a list": (HEAD + "models:\n  a: [b]\n", 5, 'models["a"] is a list, not a mapping'),
    "rules that are a list": (HEAD + "models: [a]\n", 4, "models is a list, not a mapping"),
}


@pytest.mark.parametrize(("text", "line", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_line_and_place(tmp_path: Path, text: str, line: int, words: str) -> None:
    (tmp_path / "x").write_text("a key")
    (told,) = problems_of(tmp_path, text)
    assert told.startswith(f"backends.yaml line {line}: {words}")


def test_everything_that_is_wrong_in_the_file_is_told_at_once(tmp_path: Path) -> None:
    lines = problems_of(tmp_path, HEAD + "  weight: 0\n  priority: x\nmodels: {a: {sticky: 3}}\n")
    assert [line.partition(":")[0] for line in lines] == [f"backends.yaml line {line}" for line in (4, 5, 6)]


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}  weight: {SECRET}\n  profile: {SECRET}\n  timeouts: {{idle_s: {SECRET}}}\n  tls: {{ca: {SECRET}}}\n",
        f"{HEAD}  api_key: {{file: {SECRET}}}\n",
        f"{HEAD}  api_key: {{key: {SECRET}}}\n",
        f"{HEAD}  api_key: {{{SECRET}-1: x}}\n",
        f"{HEAD}  api_key {SECRET}\n",
        f"{HEAD}  api_key: *{SECRET}\n",
        f"{HEAD}  api_key: !{SECRET} x\n",
        f"{HEAD}  api_key: '{SECRET}\n",
        f'{HEAD}  api_key: "{SECRET}\\n"\n',
        f"{HEAD}  api_key: [{SECRET}]\n",
        f"backends:\n- name: a\n  base_url: https://me:{SECRET}@host/v1\n",
        f"backends:\n- name: a\n  base_url: https://host/v1?key={SECRET}\n",
        f"{HEAD}  headers: {{Authorization: '{SECRET}ä'}}\n",
        f"{HEAD}models: {{a: {{delivery: {SECRET}}}}}\n",
    ],
)
def test_no_message_quotes_a_value(tmp_path: Path, text: str) -> None:
    lines = problems_of(tmp_path, text)
    assert all(line.startswith("backends.yaml line ") for line in lines)
    assert [line for line in lines if SECRET in line] == []


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none", "there is no file"), (tmp_path, "cannot be read")):
        with pytest.raises(ConfigError) as caught:
            Config.from_mapping({"BACKENDS_FILE": str(path)})
        (line,) = caught.value.lines
        assert line.startswith("BACKENDS_FILE: ")
        assert words in line


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (line,) = problems_of(tmp_path, "#" * (1024 * 1024 + 1))
    assert line.startswith("BACKENDS_FILE: ")
    assert "larger than 1 MiB" in line


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    (line,) = problems_of(tmp_path, b"backends:\n- name: \xff\n")
    assert line.startswith("backends.yaml line 2: is not UTF-8")
