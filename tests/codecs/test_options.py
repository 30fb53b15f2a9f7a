"""Ollama's options: one case for each row of the table, and the checks of `format`, `think` and logprobs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.contract import Profile
from gateway.codecs.options import (
    SIBLINGS,
    TABLE,
    check_format,
    check_logprobs,
    check_think,
    encode_options,
    read_options,
    without,
)
from gateway.errors import OptionError, RequestError

PLAIN = Profile("plain")
EVERYTHING = Profile("everything", parameters=frozenset(name for option in TABLE for name in option.parameters))


def _sent(options: dict[str, Any], profile: Profile = PLAIN, dropped: frozenset[str] = frozenset()) -> dict[str, Any]:
    return encode_options(read_options(options), profile, dropped)


@pytest.mark.parametrize(
    ("option", "parameters"),
    [
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"top_p": 0.9}, {"top_p": 0.9}),
        ({"num_predict": 128}, {"max_tokens": 128}),
        ({"num_predict": 12.7}, {"max_tokens": 12}),
        ({"num_predict": 0}, {}),
        ({"num_predict": -1}, {}),
        ({"num_predict": -2}, {}),
        ({"stop": ["\n", "END"]}, {"stop": ["\n", "END"]}),
        ({"stop": []}, {}),
        ({"seed": 42}, {"seed": 42}),
        ({"seed": 0}, {"seed": 0}),
        ({"seed": -1}, {}),
        ({"presence_penalty": 1.5}, {"presence_penalty": 1.5}),
        ({"frequency_penalty": -1}, {"frequency_penalty": -1.0}),
    ],
    ids=str,
)
def test_openais_own_parameters_go_to_every_backend(option: dict[str, Any], parameters: dict[str, Any]) -> None:
    assert _sent(option) == parameters
    assert _sent(option, EVERYTHING) == parameters


@pytest.mark.parametrize(
    ("option", "parameter", "value"),
    [
        ({"top_k": 40}, "top_k", 40),
        ({"min_p": 0.05}, "min_p", 0.05),
        ({"repeat_penalty": 1.1}, "repeat_penalty", 1.1),
        ({"repeat_penalty": 1.1}, "repetition_penalty", 1.1),
        ({"repeat_last_n": 64}, "repeat_last_n", 64),
        ({"repeat_last_n": 0}, "repeat_last_n", 0),
        ({"typical_p": 0.7}, "typical_p", 0.7),
        ({"mirostat": 2}, "mirostat", 2),
        ({"mirostat_tau": 5}, "mirostat_tau", 5.0),
        ({"mirostat_eta": 0.1}, "mirostat_eta", 0.1),
        ({"num_keep": 4}, "n_keep", 4),
    ],
    ids=str,
)
def test_other_parameters_go_only_where_they_are_known(option: dict[str, Any], parameter: str, value: Any) -> None:
    assert _sent(option) == {}
    assert _sent(option, Profile("knows", parameters=frozenset({parameter}))) == {parameter: value}


@pytest.mark.parametrize(
    "option",
    [
        {"num_ctx": 8192},
        {"num_batch": 512},
        {"num_gpu": 1},
        {"main_gpu": 0},
        {"num_thread": 8},
        {"use_mmap": True},
        {"draft_num_predict": 4},
        {"repeat_last_n": -1},
        {"tfs_z": 1.0},
        {"penalize_newline": True},
        {"numa": "yes"},
        {"nonsense": object()},
    ],
    ids=str,
)
def test_settings_of_a_server_and_unknown_options_are_never_sent(option: dict[str, Any]) -> None:
    assert _sent(option, EVERYTHING) == {}


def test_nothing_asked_for_is_nothing_sent() -> None:
    assert _sent({}, EVERYTHING) == {}
    assert read_options(None) == {}


def test_nulls_are_unset() -> None:
    assert read_options({option.name: None for option in TABLE}) == {}


def test_the_first_name_a_backend_knows_is_used_once() -> None:
    assert _sent({"repeat_penalty": 1.2}, EVERYTHING) == {"repeat_penalty": 1.2}


def test_the_bound_has_the_name_the_backend_wants() -> None:
    profile = Profile("newer", max_tokens="max_completion_tokens")
    assert _sent({"num_predict": 5}, profile) == {"max_completion_tokens": 5}


def test_a_parameter_the_backend_refused_is_left_out() -> None:
    assert _sent({"temperature": 0.1, "seed": 3}, PLAIN, frozenset({"temperature"})) == {"seed": 3}


def test_a_refused_bound_is_tried_under_its_other_name() -> None:
    assert _sent({"num_predict": 5}, PLAIN, frozenset({"max_tokens"})) == {"max_completion_tokens": 5}
    assert _sent({"num_predict": 5}, PLAIN, frozenset({"max_tokens", "max_completion_tokens"})) == {}


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ({"temperature": "hot"}, 'option "temperature" must be of type float32'),
        ({"temperature": True}, 'option "temperature" must be of type float32'),
        ({"temperature": 10**400}, 'option "temperature" must be of type float32'),
        ({"top_p": float("inf")}, 'option "top_p" must be of type float32'),
        ({"top_k": "40"}, 'option "top_k" must be of type integer'),
        ({"seed": False}, 'option "seed" must be of type integer'),
        ({"num_ctx": float("nan")}, 'option "num_ctx" must be of type integer'),
        ({"use_mmap": 1}, 'option "use_mmap" must be of type boolean'),
        ({"stop": "END"}, 'option "stop" must be of type array'),
        ({"stop": ["a", 1]}, 'option "stop" must be of an array of strings'),
        ({"stop": [None]}, 'option "stop" must be of an array of strings'),
    ],
    ids=str,
)
def test_a_wrong_type_is_ollamas_error_500(option: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_options(option)
    assert caught.value.message == text
    assert caught.value.status == 500


def test_an_option_that_ollama_dropped_is_ignored_whatever_it_holds() -> None:
    assert read_options({"mirostat": "on", "mirostat_tau": []}) == {}


def test_options_that_are_no_object_are_refused() -> None:
    with pytest.raises(RequestError):
        read_options([])


def test_an_integer_beyond_64_bits_becomes_the_nearest() -> None:
    assert read_options({"seed": 10**30, "num_predict": -1e300}) == {"seed": 2**63 - 1, "num_predict": -(2**63)}


@pytest.mark.parametrize(
    ("raw", "response_format"),
    [
        pytest.param(None, None, id="null"),
        pytest.param("", None, id="empty string"),
        pytest.param({}, None, id="empty object"),
        pytest.param("json", {"type": "json_object"}, id="json"),
        pytest.param(
            {"type": "object"},
            {"type": "json_schema", "json_schema": {"name": "schema", "schema": {"type": "object"}}},
            id="schema",
        ),
    ],
)
def test_format_becomes_response_format(raw: Any, response_format: dict[str, Any] | None) -> None:
    assert check_format(raw) == response_format


@pytest.mark.parametrize(
    ("raw", "quoted"),
    [
        pytest.param("yaml", r'"\"yaml\""', id="another word"),
        pytest.param("JSON", r'"\"JSON\""', id="upper case"),
        pytest.param(5, '"5"', id="number"),
        pytest.param(True, '"true"', id="bool"),
        pytest.param(["a"], r'"[\"a\"]"', id="list"),
        pytest.param("\x00\u200b", r'"\"\\u0000' + "\\u200b" + r'\""', id="unprintable"),
    ],
)
def test_any_other_format_is_ollamas_error_500(raw: Any, quoted: str) -> None:
    with pytest.raises(OptionError) as caught:
        check_format(raw)
    assert caught.value.message == f'invalid format: {quoted}; expected "json" or a valid JSON Schema object'
    assert caught.value.status == 500


@pytest.mark.parametrize("raw", [None, True, False, "low", "medium", "high", "max"])
def test_think_is_a_bool_or_a_level(raw: Any) -> None:
    assert check_think(raw) is raw


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("x", 'invalid think value: "x" (must be "high", "medium", "low", "max", true, or false)'),
        ("", 'invalid think value: "" (must be "high", "medium", "low", "max", true, or false)'),
        (1, 'think must be a boolean or string ("high", "medium", "low", "max", true, or false)'),
        ({}, 'think must be a boolean or string ("high", "medium", "low", "max", true, or false)'),
    ],
    ids=repr,
)
def test_a_bad_think_is_refused_in_ollamas_words(raw: Any, text: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_think(raw)
    assert (caught.value.status, caught.value.message) == (400, text)


@pytest.mark.parametrize("number", [0, 20])
def test_up_to_twenty_logprobs_may_be_asked_for(number: int) -> None:
    check_logprobs(number)


@pytest.mark.parametrize("number", [-1, 21])
def test_other_numbers_of_logprobs_are_refused(number: int) -> None:
    with pytest.raises(RequestError, match=r"^top_logprobs must be between 0 and 20$"):
        check_logprobs(number)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def test_a_sibling_means_the_same_in_both_directions() -> None:
    assert all(SIBLINGS[sibling] == name for name, sibling in SIBLINGS.items())


@pytest.mark.parametrize(
    ("dropped", "kept"),
    [
        (set(), {"max_tokens": 5, "repeat_penalty": 1.1, "top_k": 4}),
        ({"top_k"}, {"max_tokens": 5, "repeat_penalty": 1.1}),
        ({"max_tokens"}, {"max_completion_tokens": 5, "repeat_penalty": 1.1, "top_k": 4}),
        ({"max_tokens", "max_completion_tokens"}, {"repeat_penalty": 1.1, "top_k": 4}),
        ({"repeat_penalty"}, {"max_tokens": 5, "repetition_penalty": 1.1, "top_k": 4}),
    ],
)
def test_a_dropped_member_of_a_request_goes_on_under_its_siblings_name(
    dropped: set[str], kept: dict[str, float]
) -> None:
    profile = Profile("p", parameters=frozenset({"repetition_penalty"}))
    assert without({"max_tokens": 5, "repeat_penalty": 1.1, "top_k": 4}, dropped, profile) == kept


def test_a_sibling_that_the_backend_does_not_know_or_the_client_sends_takes_nothing_over() -> None:
    fields = {"max_tokens": 5, "max_completion_tokens": 6, "repeat_penalty": 1.1}
    assert without(fields, {"max_tokens", "repeat_penalty"}, Profile("p")) == {"max_completion_tokens": 6}


def test_a_refused_bound_is_sent_under_its_other_name() -> None:
    profile = Profile("p", max_tokens="max_completion_tokens")
    for dropped, sent in (
        (set(), {"max_completion_tokens": 5}),
        ({"max_completion_tokens"}, {"max_tokens": 5}),
        ({"max_tokens", "max_completion_tokens"}, {}),
    ):
        assert encode_options({"num_predict": 5}, profile, frozenset(dropped)) == sent


@given(st.dictionaries(st.sampled_from([option.name for option in TABLE]), VALUES))
def test_any_options_give_writable_parameters_or_an_option_error(options: dict[str, Any]) -> None:
    try:
        parameters = _sent(options, EVERYTHING)
    except OptionError:
        return
    json.dumps(parameters, allow_nan=False)
