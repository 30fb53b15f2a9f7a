"""Names of models: what is refused, and how a 404 of show writes them."""

import pytest

from gateway.codecs.names import MAX_NAME_CHARS, check_name, check_source, shortest_with_tag
from gateway.errors import RequestError


@pytest.mark.parametrize(
    "name",
    [
        "llama3.2",
        "llama3.2:latest",
        "meta-llama/Llama-3.1-8B-Instruct",
        "vendor/model:free",
        "accounts/fireworks/models/x",
        "publisher/model@q4_k_m",
        "My Model (v2).gguf",
        "modèle",
        "x" * MAX_NAME_CHARS,
    ],
)
def test_whatever_a_backend_may_list_is_a_name(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("  ", id="blank"),
        pytest.param("a\nb", id="line end"),
        pytest.param("a\x00", id="zero byte"),
        pytest.param("a\x85", id="C1 control"),
        pytest.param("x" * (MAX_NAME_CHARS + 1), id="too long"),
    ],
)
def test_what_can_be_no_name_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match=r"^invalid model name$"):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("foo", "foo:latest"),
        ("foo:7b", "foo:7b"),
        ("library/foo", "foo:latest"),
        ("Library/foo:x", "foo:x"),
        ("registry.ollama.ai/library/foo", "foo:latest"),
        ("registry.ollama.ai/user/foo", "user/foo:latest"),
        ("user/foo", "user/foo:latest"),
        ("hf.co/user/foo:q4", "hf.co/user/foo:q4"),
        ("localhost:5000/user/foo", "localhost:5000/user/foo:latest"),
    ],
)
def test_the_shortest_name_has_a_tag_and_no_defaults(name: str, shown: str) -> None:
    assert shortest_with_tag(name) == shown


@pytest.mark.parametrize(
    "name",
    ["m:cloud", "m:7b-cloud", "M:Local", "m", "m:7b", "a/b-cloud:7b", "m-cloud:cloud", "m:local:x-cloud", "h:1/m"],
)
def test_a_name_may_say_once_where_its_model_runs(name: str) -> None:
    check_source(name)


@pytest.mark.parametrize(
    "name", ["m:local:cloud", "m:Cloud:LOCAL", "m:7b-cloud:local", "m:cloud:cloud", " m:local: Cloud "]
)
def test_a_name_that_says_it_twice_is_refused(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_source(name)
    assert caught.value.message == f'use either :local or :cloud, not both: "{name.strip()}"'
