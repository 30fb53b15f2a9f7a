"""How each kind of backend is asked for JSON."""

from typing import Any

import pytest

from gateway.backends.profiles import GENERIC, PROFILES
from gateway.codecs.format_requests import encode_format
from gateway.codecs.options import check_format
from gateway.errors import RequestError

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}}


@pytest.mark.parametrize("wanted", [None, "json", SCHEMA])
def test_a_backend_that_takes_all_forms_gets_openais(wanted: Any) -> None:
    assert encode_format(check_format(wanted), GENERIC) == check_format(wanted)


def test_a_backend_that_only_knows_schemas_is_asked_for_any_object() -> None:
    sent = encode_format(check_format("json"), PROFILES["lmstudio"])
    assert sent == {"type": "json_schema", "json_schema": {"name": "object", "schema": {"type": "object"}}}
    assert encode_format(check_format(SCHEMA), PROFILES["lmstudio"]) == check_format(SCHEMA)


@pytest.mark.parametrize("wanted", ["json", SCHEMA])
def test_a_backend_that_would_ignore_a_format_is_not_asked_to_answer_in_words(wanted: Any) -> None:
    with pytest.raises(RequestError, match="transformers") as raised:
        encode_format(check_format(wanted), PROFILES["transformers"])
    assert raised.value.param == "format"
    assert encode_format(None, PROFILES["transformers"]) is None
