"""Reading bodies: which bytes are a request, and Ollama's words for those that are not."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs.go_json import MAX_DEPTH, MAX_OBJECTS
from gateway.codecs.go_texts import go_quote, syntax_error_text
from gateway.codecs.requests import embed_inputs, read_openai_request, read_request
from gateway.errors import ProxyException, RequestError, UnsupportedMediaError
from gateway.schemas.ollama import (
    ChatRequest,
    CopyRequest,
    CreateRequest,
    EmbeddingsRequest,
    GenerateRequest,
    OllamaSchema,
    ShowRequest,
)
from gateway.schemas.openai import (
    MAX_MESSAGES,
    ChatCompletionRequest,
    CompletionRequest,
    EmbeddingRequest,
    OpenAISchema,
)


def _error(body: bytes, schema: type[OllamaSchema] = ChatRequest) -> str:
    with pytest.raises(RequestError) as caught:
        read_request(schema, body)
    assert caught.value.status == 400
    return caught.value.message


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b"", "missing request body", id="empty"),
        pytest.param(b" \r\n\t", "missing request body", id="space alone"),
        pytest.param(b"\xef\xbb\xbf", "missing request body", id="a byte order mark alone"),
        pytest.param(b"x", "invalid character 'x' looking for beginning of value", id="a letter"),
        pytest.param(b"model=m", "invalid character 'm' looking for beginning of value", id="a form"),
        pytest.param(b"'a'", r"invalid character '\'' looking for beginning of value", id="a single quote"),
        pytest.param(b"\x00", r"invalid character '\x00' looking for beginning of value", id="a zero byte"),
        pytest.param(b"{", "unexpected EOF", id="an open object"),
        pytest.param(b'{"model"', "unexpected EOF", id="a key alone"),
        pytest.param(b'{"model":', "unexpected EOF", id="a key and a colon"),
        pytest.param(b'{"model":"m', "unexpected EOF", id="an open string"),
        pytest.param(b'{"model":"m\\', "unexpected EOF", id="an open escape"),
        pytest.param(b'{"model":"\\u12', "unexpected EOF", id="an open unicode escape"),
        pytest.param(b'{"model":"m"', "unexpected EOF", id="no closing brace"),
        pytest.param(b'{"model":"m",', "unexpected EOF", id="a comma at the end"),
        pytest.param(b'{"messages":[', "unexpected EOF", id="an open list"),
        pytest.param(b'{"stream":tru', "unexpected EOF", id="an open literal"),
        pytest.param(b'{"stream":-', "unexpected EOF", id="a sign alone"),
        pytest.param(b'{"stream":1.', "unexpected EOF", id="a point at the end"),
        pytest.param(b'{"stream":1e', "unexpected EOF", id="an exponent at the end"),
        pytest.param(b"{a:1}", "invalid character 'a' looking for beginning of object key string", id="a bare key"),
        pytest.param(
            b'{"a":1, }', "invalid character '}' looking for beginning of object key string", id="a comma too many"
        ),
        pytest.param(b'{"a":[1,]}', "invalid character ']' looking for beginning of value", id="in a list too"),
        pytest.param(b'{"a" 1}', "invalid character '1' after object key", id="no colon"),
        pytest.param(b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair", id="no comma"),
        pytest.param(b'{"a":1]', "invalid character ']' after object key:value pair", id="the wrong bracket"),
        pytest.param(b'{"a":[1 2]}', "invalid character '2' after array element", id="no comma in a list"),
        pytest.param(b'{"a":[{"b":"]"} 2]}', "invalid character '2' after array element", id="after an object in it"),
        pytest.param(b'{"a":[{}] 2}', "invalid character '2' after object key:value pair", id="after a list in it"),
        pytest.param(b'{"a":01}', "invalid character '1' after object key:value pair", id="a leading zero"),
        pytest.param(b'{"a":"b\nc"}', r"invalid character '\n' in string literal", id="a line end in a string"),
        pytest.param(b'{"a":"\\x"}', "invalid character 'x' in string escape code", id="an unknown escape"),
        pytest.param(
            b'{"a":"\\u12G4"}', "invalid character 'G' in \\u hexadecimal character escape", id="a bad unicode escape"
        ),
        pytest.param(b'{"a":trxe}', "invalid character 'x' in literal true (expecting 'u')", id="a broken true"),
        pytest.param(b'{"a":falsy}', "invalid character 'y' in literal false (expecting 'e')", id="a broken false"),
        pytest.param(b'{"a":nil}', "invalid character 'i' in literal null (expecting 'u')", id="a broken null"),
        pytest.param(b'{"a":-x}', "invalid character 'x' in numeric literal", id="a sign and a letter"),
        pytest.param(b'{"a":1.x}', "invalid character 'x' after decimal point in numeric literal", id="a bare point"),
        pytest.param(b'{"a":1ex}', "invalid character 'x' in exponent of numeric literal", id="a bare exponent"),
        pytest.param(b'{"a":1e+}', "invalid character '}' in exponent of numeric literal", id="a signed exponent"),
        pytest.param(b'{"a":NaN}', "invalid character 'N' looking for beginning of value", id="NaN"),
        pytest.param(b'{"a":Infinity}', "invalid character 'I' looking for beginning of value", id="Infinity"),
        pytest.param(b'{"a":-Infinity}', "invalid character 'I' in numeric literal", id="minus Infinity"),
        pytest.param(
            b'{"a":1e999}', "json: cannot unmarshal number 1e999 into Go value of type float64", id="beyond a float"
        ),
    ],
)
def test_broken_json_is_refused_in_gos_words(body: bytes, text: str) -> None:
    assert _error(body) == text


@pytest.mark.parametrize(
    ("text", "found", "at", "said"),
    [
        ('{"a":1, }', "object", 6, "invalid character '}' looking for beginning of object key string"),
        ("[1, ]", "array", 2, "invalid character ']' looking for beginning of value"),
    ],
)
def test_newer_interpreters_point_at_the_comma_itself(text: str, found: str, at: int, said: str) -> None:
    error = json.JSONDecodeError(f"Illegal trailing comma before end of {found}", text, at)
    assert syntax_error_text(text, error) == said


@pytest.mark.parametrize(
    ("schema", "body", "text"),
    [
        pytest.param(
            ChatRequest, [], "json: cannot unmarshal array into Go value of type api.ChatRequest", id="no object"
        ),
        pytest.param(
            EmbeddingsRequest,
            "x",
            "json: cannot unmarshal string into Go value of type api.EmbeddingRequest",
            id="text",
        ),
        pytest.param(
            ChatRequest,
            {"model": 5},
            "json: cannot unmarshal number into Go struct field ChatRequest.model of type string",
            id="a number as string",
        ),
        pytest.param(
            ChatRequest,
            {"stream": "true"},
            "json: cannot unmarshal string into Go struct field ChatRequest.stream of type bool",
            id="a string as bool",
        ),
        pytest.param(
            ChatRequest,
            {"top_logprobs": 1.5},
            "json: cannot unmarshal number 1.5 into Go struct field ChatRequest.top_logprobs of type int",
            id="a fraction as int",
        ),
        pytest.param(
            ChatRequest,
            {"top_logprobs": 2**63},
            f"json: cannot unmarshal number {2**63} into Go struct field ChatRequest.top_logprobs of type int",
            id="an int beyond 64 bits",
        ),
        pytest.param(
            ChatRequest,
            {"messages": "hi"},
            "json: cannot unmarshal string into Go struct field ChatRequest.messages of type []api.Message",
            id="messages",
        ),
        pytest.param(
            ChatRequest,
            {"messages": [{}, "hi"]},
            "json: cannot unmarshal string into Go struct field ChatRequest.messages of type api.Message",
            id="a message",
        ),
        pytest.param(
            ChatRequest,
            {"messages": [{"content": [{"type": "text", "text": "hi"}]}]},
            "json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string",
            id="OpenAI's content parts",
        ),
        pytest.param(
            ChatRequest,
            {"messages": [{"images": [5]}]},
            "json: cannot unmarshal number into Go struct field ChatRequest.messages.images of type api.ImageData",
            id="an image",
        ),
        pytest.param(
            ChatRequest,
            {"messages": [{"tool_calls": [{"function": {"arguments": "{}"}}]}]},
            "json: cannot unmarshal string into Go struct field ChatRequest.messages.tool_calls.function.arguments "
            "of type api.ToolCallFunctionArguments",
            id="arguments as text",
        ),
        pytest.param(
            ChatRequest,
            {"tools": {}},
            "json: cannot unmarshal object into Go struct field ChatRequest.tools of type api.Tools",
            id="tools",
        ),
        pytest.param(
            ChatRequest,
            {"tools": [True]},
            "json: cannot unmarshal bool into Go struct field ChatRequest.tools of type api.Tool",
            id="a tool",
        ),
        pytest.param(
            ChatRequest,
            {"tools": [{"function": {"parameters": []}}]},
            "json: cannot unmarshal array into Go struct field ChatRequest.tools.function.parameters "
            "of type api.ToolFunctionParameters",
            id="a tool's parameters",
        ),
        pytest.param(
            ChatRequest,
            {"options": []},
            "json: cannot unmarshal array into Go struct field ChatRequest.options of type map[string]interface {}",
            id="options",
        ),
        pytest.param(
            GenerateRequest,
            {"context": [1, "2"]},
            "json: cannot unmarshal string into Go struct field GenerateRequest.context of type int",
            id="a token of a context",
        ),
        pytest.param(
            CreateRequest,
            {"files": {"model": 1}},
            "json: cannot unmarshal number into Go struct field CreateRequest.files of type string",
            id="a digest",
        ),
    ],
)
def test_a_wrong_type_is_refused_in_gos_words(schema: type[OllamaSchema], body: Any, text: str) -> None:
    assert _error(json.dumps(body).encode(), schema) == text


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain é \U0001f600", '"plain é \U0001f600"'),
        ('"\\', r'"\"\\"'),
        ("\n\x01\x7f\u00a0", r'"\n\x01\x7f\u00a0"'),
        ("\U000e0001", r'"\U000e0001"'),
        ("x" * 1000, '"' + "x" * 400 + '…"'),
    ],
    ids=["printable", "quotes", "controls", "beyond 16 bits", "endless"],
)
def test_texts_are_quoted_as_go_quotes_them(text: str, quoted: str) -> None:
    assert go_quote(text) == quoted


def test_the_first_wrong_field_of_the_body_is_named() -> None:
    assert ".stream " in _error(b'{"stream":1,"model":2}')
    assert ".model " in _error(b'{"model":2,"stream":1}')


def test_the_name_in_the_error_can_be_given() -> None:
    with pytest.raises(RequestError, match=r"field Other\.source of type string"):
        read_request(CopyRequest, b'{"source":1}', go_name="Other")


@pytest.mark.parametrize(
    ("body", "model"),
    [
        pytest.param(b'{"model":"m"}', "m", id="the usual body"),
        pytest.param(b'\xef\xbb\xbf{"model":"m"}', "m", id="a byte order mark"),
        pytest.param(b' \n{"model":"m"}\n', "m", id="space around"),
        pytest.param(b'{"model":"m"} trailing', "m", id="text behind the first value"),
        pytest.param(b'{"model":"m"}{"model":"n"}', "m", id="a second value"),
        pytest.param(b'{"MODEL":"m"}', "m", id="a key in another case"),
        pytest.param('{"Mode\u017f":"m","model":"n"}'.encode(), "n", id="a key that only looks like it"),
        pytest.param(b'{"model":"m","model":"n"}', "n", id="the last of two"),
        pytest.param(b'{"model":"m","Model":"n"}', "n", id="the last of two cases"),
        pytest.param(b'{"Model":"n","model":"m"}', "m", id="the last of two cases, turned"),
        pytest.param(b"null", "", id="null is an empty object"),
        pytest.param(b'{"model":null}', "", id="null is unset"),
        pytest.param(b'{"model":"a\xffb"}', "a\ufffdb", id="invalid UTF-8"),
        pytest.param(b'{"model":"a\\ud800b"}', "a\ufffdb", id="a lone high surrogate"),
        pytest.param(b'{"model":"a\\uDC00b"}', "a\ufffdb", id="a lone low surrogate"),
        pytest.param(b'{"model":"\\ud83d\\ude00\\ud800"}', "\U0001f600\ufffd", id="a pair and a lone one"),
        pytest.param(b'{"model":"\\\\ud800 \\ud800"}', "\\ud800 \ufffd", id="an escaped backslash"),
        pytest.param(b'{"model":"\\\\ud83d\\ude00"}', "\\ud83d\ufffd", id="an escaped backslash before a lone one"),
        pytest.param(b'{"model":"\\\\\\ud800"}', "\\\ufffd", id="a backslash and a lone one"),
        pytest.param(b'{"model":"m","x":123456789012345678901234567890}', "m", id="a long integer"),
        pytest.param(b'{"model":"m","x":' + b"1" * 400 + b"}", "m", id="a very long integer"),
    ],
)
def test_a_body_is_read_as_go_reads_it(body: bytes, model: str) -> None:
    assert read_request(ShowRequest, body).model == model


def test_letters_that_fold_to_ascii_name_the_same_key() -> None:
    assert read_request(ChatRequest, '{"me\u017f\u017fage\u017f":[{"role":"user"}]}'.encode()).messages
    assert not read_request(ChatRequest, '{"me\u00dfages":[{"role":"user"}]}'.encode()).messages


def test_keys_are_read_in_any_case_at_every_level() -> None:
    body = {
        "Messages": [{"Role": "Assistant", "TOOL_CALLS": [{"Function": {"Name": "f", "Arguments": {"Key": 1}}}]}],
        "Tools": [{"Type": "function", "Function": {"Name": "g", "Parameters": {"Type": "object"}}}],
        "Options": {"Temperature": 1},
    }
    request = read_request(ChatRequest, json.dumps(body).encode())
    assert request.messages[0].tool_calls[0].function.arguments == {"Key": 1}
    assert request.tools[0].function.name == "g"
    assert request.tools[0].function.parameters == {"Type": "object"}
    assert request.options == {"Temperature": 1}


BODIES = [
    pytest.param({}, id="empty"),
    pytest.param(
        {
            "model": "m",
            "messages": [{"role": "user", "content": "h\u00e9 \U0001f600", "images": ["AAAA"]}],
            "stream": False,
            "options": {"temperature": 0.5, "seed": 2**40, "stop": None},
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": [1, {"b": None}]}}}],
            "format": {"type": "object"},
            "think": "low",
            "keep_alive": -1,
        },
        id="full",
    ),
]


@pytest.mark.parametrize("body", BODIES)
def test_both_paths_give_one_request(body: dict[str, Any]) -> None:
    fast = json.dumps(body).encode()
    assert read_request(ChatRequest, fast + b" tail") == read_request(ChatRequest, fast)


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("utf-8", "utf-8"),
        ("UTF-8", "utf-8"),
        ('"utf-16"', "utf-16"),
        ("iso-8859-1", "latin-1"),
        ("Shift_JIS", "shift_jis"),
    ],
)
def test_the_charset_of_the_content_type_is_honoured(charset: str, encoding: str) -> None:
    name = "モデル" if encoding not in ("latin-1",) else "modèle"
    body = json.dumps({"model": name}, ensure_ascii=False).encode(encoding)
    assert read_request(ShowRequest, body, charset=charset).model == name


@pytest.mark.parametrize("charset", ["utf-7", "idna", "punycode", "hex", "nonsense", "\x00"])
def test_an_unknown_charset_is_415(charset: str) -> None:
    with pytest.raises(UnsupportedMediaError):
        read_request(ShowRequest, b"{}", charset=charset)


def _nested(levels: int) -> bytes:
    """Return an object whose JSON has so many levels of nesting."""
    return b'{"format":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize("tail", [b"", b" tail"], ids=["fast", "tolerant"])
def test_nesting_is_bounded_exactly(tail: bytes) -> None:
    read_request(ChatRequest, _nested(MAX_DEPTH) + tail)
    assert _error(_nested(MAX_DEPTH + 1) + tail).startswith("exceeded max depth")


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"a":' * 200_000, _nested(200_000)], ids=["lists", "objects", "closed"]
)
def test_endless_nesting_is_a_clear_400(body: bytes) -> None:
    assert _error(body) == f"exceeded max depth: the JSON is nested deeper than {MAX_DEPTH} levels"


def test_endless_nesting_in_another_charset_is_the_same_400() -> None:
    with pytest.raises(RequestError, match="nested deeper"):
        read_request(ChatRequest, b"[" * 200_000, charset="latin1")


def test_many_brackets_that_are_not_nested_are_fine() -> None:
    body = json.dumps({"messages": [{"content": "[{" * 300, "tool_calls": []}] * 400}).encode()
    assert len(read_request(ChatRequest, body).messages) == 400


def test_millions_of_empty_messages_are_refused_before_they_are_looked_at() -> None:
    body = b'{"messages":[' + b"{}," * MAX_OBJECTS + b"{}]}"
    assert _error(body) == f"more than {MAX_OBJECTS} messages, tools and tool calls"


def test_the_bound_counts_all_messages_together() -> None:
    calls = b'{"tool_calls":[' + b"{}," * (MAX_OBJECTS // 2) + b"{}]}"
    assert _error(b'{"messages":[' + calls + b"," + calls + b"]}").startswith("more than")


def test_a_number_of_endless_digits_is_refused() -> None:
    assert "too many digits" in _error(b'{"x":' + b"1" * 5000 + b"}")


@pytest.mark.parametrize(
    ("raw", "inputs"),
    [
        pytest.param(None, [], id="null"),
        pytest.param("", [], id="empty string"),
        pytest.param([], [], id="empty list"),
        pytest.param("a", ["a"], id="one"),
        pytest.param(["a", "b"], ["a", "b"], id="many"),
        pytest.param([""], [""], id="one that is empty"),
    ],
)
def test_inputs_to_embed_are_texts(raw: Any, inputs: list[str]) -> None:
    assert embed_inputs(raw) == inputs


@pytest.mark.parametrize("raw", [1, 0, False, {}, ["a", 1], [["a"]], [None]], ids=repr)
def test_other_inputs_are_refused_in_ollamas_words(raw: Any) -> None:
    with pytest.raises(RequestError, match=r"^invalid input type$"):
        embed_inputs(raw)


@pytest.mark.parametrize(
    ("schema", "body", "text", "param"),
    [
        pytest.param(ChatCompletionRequest, b"", "EOF", None, id="empty body"),
        pytest.param(ChatCompletionRequest, b" ", "EOF", None, id="blank body"),
        pytest.param(ChatCompletionRequest, b"{", "unexpected EOF", None, id="broken JSON"),
        pytest.param(ChatCompletionRequest, b"[]", "the body must be a JSON object", None, id="no object"),
        pytest.param(ChatCompletionRequest, b"0", "the body must be a JSON object", None, id="a falsy value"),
        pytest.param(ChatCompletionRequest, b"null", "messages: a list is required", "messages", id="null"),
        pytest.param(ChatCompletionRequest, b"{}", "messages: a list is required", "messages", id="no messages"),
        pytest.param(
            ChatCompletionRequest, b'{"messages":{}}', "messages: a list is required", "messages", id="no list"
        ),
        pytest.param(
            ChatCompletionRequest, b'{"messages":[]}', "[] is too short - 'messages'", "messages", id="empty messages"
        ),
        pytest.param(
            ChatCompletionRequest,
            b'{"messages":[1]}',
            "messages[0]: an object is required",
            "messages[0]",
            id="message",
        ),
        pytest.param(
            ChatCompletionRequest,
            b'{"messages":[{"role":"user"},{}]}',
            "messages[1].role: a string is required",
            "messages[1].role",
            id="role",
        ),
        pytest.param(
            ChatCompletionRequest,
            b'{"messages":[{"role":"user","content":1}]}',
            "messages[0].content: a string or a list of parts is required",
            "messages[0].content",
            id="content",
        ),
        pytest.param(
            ChatCompletionRequest,
            b'{"messages":[{"role":"user"}],"stream":"yes"}',
            "stream: a boolean is required",
            "stream",
            id="stream",
        ),
        pytest.param(
            ChatCompletionRequest,
            b'{"messages":[{"role":"user"}],"n":1.5}',
            "n: an integer is required",
            "n",
            id="n",
        ),
        pytest.param(
            ChatCompletionRequest,
            b'{"messages":[{"role":"user"}],"temperature":"hot"}',
            "temperature: a number is required",
            "temperature",
            id="temperature",
        ),
        pytest.param(
            ChatCompletionRequest,
            b'{"messages":[{"role":"user"}],"tools":["f"]}',
            "tools[0]: an object is required",
            "tools[0]",
            id="tool",
        ),
        pytest.param(
            ChatCompletionRequest,
            b'{"messages":[{"role":"user"}],"stream_options":{"include_usage":1}}',
            "stream_options.include_usage: a boolean is required",
            "stream_options.include_usage",
            id="stream_options",
        ),
        pytest.param(
            CompletionRequest, b'{"prompt":1}', "prompt: a string or a list is required", "prompt", id="prompt"
        ),
        pytest.param(EmbeddingRequest, b'{"model":"m"}', "input: a string or a list is required", "input", id="input"),
        pytest.param(EmbeddingRequest, b'{"model":1,"input":""}', "model: a string is required", "model", id="model"),
    ],
)
def test_a_wrong_openai_request_names_its_parameter(
    schema: type[OpenAISchema], body: bytes, text: str, param: str | None
) -> None:
    with pytest.raises(RequestError) as caught:
        read_openai_request(schema, body)
    assert (caught.value.status, caught.value.message, caught.value.param) == (400, text, param)


def test_openais_keys_are_case_sensitive() -> None:
    with pytest.raises(RequestError):
        read_openai_request(ChatCompletionRequest, b'{"Messages":[{"role":"user"}]}')


def test_a_million_openai_messages_are_refused() -> None:
    body = b'{"messages":[' + b'{"role":""},' * MAX_MESSAGES + b'{"role":""}]}'
    with pytest.raises(RequestError, match=r"^messages: at most"):
        read_openai_request(ChatCompletionRequest, body)


def test_an_openai_request_with_broken_text_is_read() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"\\ud800\xff"}]}'
    assert read_openai_request(ChatCompletionRequest, body).model_name == "m"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(["model", "Model", "messages", "tools", "options", "stream", "context", "images", "input", "x"])
MESSAGES = st.dictionaries(
    st.sampled_from(["role", "content", "images", "tool_calls", "Role", "y"]), VALUES, max_size=4
)
BODIES_OF_ANY_TYPE = st.dictionaries(KEYS, VALUES | st.lists(MESSAGES, max_size=3), max_size=5).map(
    lambda body: json.dumps(body).encode()
)
BROKEN_JSON = st.text(alphabet='{}[]",:\\u0dDcC8tfn-+.eE1 aN\n', max_size=30).map(str.encode)
SCHEMAS = [ChatRequest, GenerateRequest, EmbeddingsRequest, CreateRequest, ShowRequest]


@settings(deadline=None)
@given(body=st.binary(max_size=60) | BROKEN_JSON | BODIES_OF_ANY_TYPE, schema=st.sampled_from(SCHEMAS))
def test_any_bytes_are_a_request_or_a_clear_error(body: bytes, schema: type[OllamaSchema]) -> None:
    try:
        text = json.dumps(read_request(schema, body).model_dump(), allow_nan=False)
    except ProxyException as error:
        text = error.message
    assert text.encode()


@settings(deadline=None)
@given(body=st.binary(max_size=60) | BROKEN_JSON | BODIES_OF_ANY_TYPE)
def test_any_bytes_are_an_openai_request_or_a_clear_error(body: bytes) -> None:
    for schema in (ChatCompletionRequest, CompletionRequest, EmbeddingRequest):
        try:
            text = repr(read_openai_request(schema, body))
        except ProxyException as error:
            text = error.message
        assert text


@settings(deadline=None)
@given(body=BODIES_OF_ANY_TYPE)
def test_a_body_with_bytes_behind_it_reads_the_same(body: bytes) -> None:
    def outcome(data: bytes) -> Any:
        try:
            return read_request(ChatRequest, data)
        except RequestError as error:
            return error.message

    assert repr(outcome(body)) == repr(outcome(body + b"\x00"))
