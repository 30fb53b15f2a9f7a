"""A refused parameter is told from every other refusal, in the words of many servers."""

import json

import pytest

from gateway.codecs.backend_errors import error_from_status
from gateway.codecs.refusals import ESSENTIAL, Refusal, refused_parameter
from gateway.errors import ProxyException, RequestError, UpstreamConnectionError, UpstreamStatusError

SENT = (
    *(
        "model",
        "messages",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "seed",
        "user",
        "store",
    ),
    *("presence_penalty", "frequency_penalty", "max_tokens", "reasoning_effort", "chat_template_kwargs", "logprobs"),
    *("tools", "response_format", "stop", "n", "metadata", "best_of", "repeat_penalty"),
)


def openai(message: str, param: str | None = None, code: str | int | None = None, status: int = 400) -> ProxyException:
    """Return the error for a refusal in OpenAI's form."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return error_from_status(status, "application/json", json.dumps({"error": error}).encode())


def other(body: object, status: int = 400) -> ProxyException:
    """Return the error for a refusal in another form."""
    return error_from_status(status, "application/json", json.dumps(body).encode())


def forbidden(*place: str | int) -> dict[str, object]:
    """Return pydantic's fault for a member that is not known."""
    return {"type": "extra_forbidden", "loc": list(place), "msg": "Extra inputs are not permitted", "input": 5}


def vllm_text(*places: str) -> dict[str, object]:
    """Return vLLM's older form: pydantic's faults as Python writes them."""
    faults = [
        f"{{'type': 'extra_forbidden', 'loc': {place}, 'msg': 'Extra inputs', 'input': {{}}}}" for place in places
    ]
    return {
        "object": "error",
        "message": f"[{', '.join(faults)}]",
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    }


UNSUPPORTED = "Unsupported parameter: '{}' is not supported with this model."
PYDANTIC = "1 validation error for ChatCompletionRequest\n{}\n  Extra inputs are not permitted [type=extra_forbidden]"

REFUSED: dict[str, tuple[ProxyException, tuple[str, ...]]] = {
    "openai, unsupported": (
        openai(
            f"{UNSUPPORTED.format('max_tokens')} Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        ),
        ("max_tokens",),
    ),
    "openai, its text alone": (
        openai(f"{UNSUPPORTED.format('max_tokens')} Use 'max_completion_tokens'."),
        ("max_tokens",),
    ),
    "openai, its code alone": (openai("no", "top_p", "unsupported_parameter"), ("top_p",)),
    "openai, unrecognized": (openai("Unrecognized request argument supplied: top_k"), ("top_k",)),
    "openai, several": (openai("Unrecognized request arguments supplied: top_k, min_p"), ("top_k", "min_p")),
    "openai, unknown": (openai("Unknown parameter: 'min_p'.", "min_p", "unknown_parameter"), ("min_p",)),
    "openai, unknown, its text": (openai("Unknown parameter: 'min_p'."), ("min_p",)),
    "openai, older models": (
        openai("This model does not support the 'logprobs' parameter.", "logprobs"),
        ("logprobs",),
    ),
    "azure, with a link": (
        openai(
            "Unrecognized request argument supplied: stream_options. Please contact us at: https://example.com/x", ""
        ),
        ("stream_options",),
    ),
    "azure, a list of words": (
        other(
            {
                "error": {
                    "code": "BadRequest",
                    "message": "logprobs, best_of and echo parameters are not available on x.",
                }
            }
        ),
        ("logprobs", "best_of"),
    ),
    "azure, a deployment": (
        openai("The deployment doesn't support logprobs request parameter.", code="422"),
        ("logprobs",),
    ),
    "azure, a pointer": (
        other({"error": {"code": 400, "message": "Validation error at #/logprobs: Extra inputs are not permitted"}}),
        ("logprobs",),
    ),
    "vllm, older": (other(vllm_text("('body', 'stream_options')")), ("stream_options",)),
    "vllm, older, two": (other(vllm_text("('body', 'min_p')", "('body', 'top_k')")), ("min_p", "top_k")),
    "vllm, lines": (openai(PYDANTIC.format("repeat_penalty"), code=400), ("repeat_penalty",)),
    "mistral": (other({"object": "error", "message": {"detail": [forbidden("body", "min_p")]}}, 422), ("min_p",)),
    "mistral, two": (
        other({"detail": [forbidden("body", "min_p"), forbidden("body", "top_k")]}, 422),
        ("min_p", "top_k"),
    ),
    "mistral, a text": (
        other({"object": "error", "message": json.dumps({"detail": [forbidden("body", "frequency_penalty")]})}, 422),
        ("frequency_penalty",),
    ),
    "llama.cpp": (other({"error": {"code": 400, "message": "Unsupported param: best_of", "type": "x"}}), ("best_of",)),
    "litellm, a dictionary": (
        openai(
            "litellm.UnsupportedParamsError: x does not support parameters: {'frequency_penalty': 0.5, 'top_k': 5}, "
            "for model=m. To drop these, set `litellm.drop_params=True`"
        ),
        ("frequency_penalty", "top_k"),
    ),
    "litellm, a list": (
        openai("litellm.UnsupportedParamsError: openai does not support parameters: ['top_k', 'min_p'], for model=m"),
        ("top_k", "min_p"),
    ),
    "litellm, nested values": (
        openai(
            "ollama does not support parameters: {'metadata': {'user': ['seed', {'n': 1}]}, 'top_k': 1}, for model=m"
        ),
        ("metadata", "top_k"),
    ),
    "litellm, passed on": (
        openai(f"litellm.BadRequestError: OpenAIException - {UNSUPPORTED.format('top_p')} Received Model Group=m"),
        ("top_p",),
    ),
    "groq, a property": (openai("property 'min_p' is unsupported"), ("min_p",)),
    "groq, with a guess": (openai("property 'store' is unsupported, did you mean 'stop'?"), ("store",)),
    "groq, a model": (openai("`logprobs` is not supported with this model"), ("logprobs",)),
    "groq, effort": (openai("`reasoning_effort` is not supported with this model"), ("reasoning_effort",)),
    "google": (
        other([{"error": {"code": 400, "message": 'Invalid JSON payload. Unknown name "top_k": Cannot find field.'}}]),
        ("top_k",),
    ),
    "google, lines": (
        openai('Unknown name "top_k": Cannot find field.\nUnknown name "min_p": Cannot find field.'),
        ("top_k", "min_p"),
    ),
    "xai": (
        other({"code": "x", "error": "Argument not supported on this model: presencePenalty"}),
        ("presence_penalty",),
    ),
    "xai, newer": (openai("Model m does not support parameter presencePenalty."), ("presence_penalty",)),
    "fireworks": (openai("Extra inputs are not permitted, field: 'stream_options'"), ("stream_options",)),
    "fireworks, with the value": (openai("Extra inputs are not permitted, field: 'top_k', value: 5."), ("top_k",)),
    "databricks": (openai('Bad request: json: unknown field "stream_options"'), ("stream_options",)),
    "a json schema": (
        openai("Additional properties are not allowed ('min_p', 'top_k' were unexpected)"),
        ("min_p", "top_k"),
    ),
    "a python server": (openai("create() got an unexpected keyword argument 'min_p'"), ("min_p",)),
    "transformers": (other({"detail": "Unexpected fields in the request: {'min_p'}"}, 422), ("min_p",)),
    "transformers, a set": (
        other({"detail": "Unexpected fields in the request: {'top_k', 'min_p'}"}, 422),
        ("top_k", "min_p"),
    ),
    "a bare string": (other({"error": "top_k is not supported"}), ("top_k",)),
    "one that is essential": (openai("property 'tools' is unsupported"), ("tools",)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_refused_parameters_are_named(case: str) -> None:
    error, parameters = REFUSED[case]
    assert refused_parameter(error, SENT) == Refusal(parameters)


@pytest.mark.parametrize(
    ("error", "parameter"),
    [
        (
            openai(
                "Unsupported value: 'temperature' does not support 0.2 with this model. "
                "Only the default (1) value is supported.",
                "temperature",
                "unsupported_value",
            ),
            "temperature",
        ),
        (openai("Unsupported value: 'top_p' does not support 0.2. Only the default (1) value is supported."), "top_p"),
        (openai("invalid temperature: only 1 is allowed for this model"), "temperature"),
        (
            openai(
                "litellm.UnsupportedParamsError: m don't support temperature=0.84. Only temperature=1 is supported."
            ),
            "temperature",
        ),
    ],
)
def test_a_parameter_of_which_only_the_default_is_taken_counts_as_refused(
    error: ProxyException, parameter: str
) -> None:
    refusal = refused_parameter(error, SENT)
    assert refusal == Refusal((parameter,), unsupported_value=True)
    assert refusal.parameter == parameter


OTHERS: dict[str, ProxyException] = {
    "a value out of range": openai("'temperature' must be less than or equal to 2", "temperature", "invalid_value"),
    "a value that is too small": openai(
        "Invalid 'top_p': decimal below minimum value.", "top_p", "decimal_below_min_value"
    ),
    "a wrong type": openai("Invalid type for 'seed': expected an integer, but got a string.", "seed", "invalid_type"),
    "a value with alternatives": openai(
        "Unsupported value: 'reasoning_effort' does not support 'max'. Supported values are: 'low', 'high'.",
        "reasoning_effort",
        "unsupported_value",
    ),
    "a bound of another size": openai(
        "max_tokens is too large: 100000. This model supports at most 16384", "max_tokens"
    ),
    "a bound with only one value": openai("invalid max_tokens: only 4096 is allowed"),
    "a long context": openai(
        "This model's maximum context length is 8192 tokens.", "messages", "context_length_exceeded"
    ),
    "content": openai("Your request was rejected by our safety system. user", None, "content_policy_violation"),
    "an image": openai("Invalid image. The model m does not support image input.", "messages", "invalid_image"),
    "an image's format": openai("Unsupported image format: 'metadata'"),
    "a schema": openai(
        "Invalid schema for response_format 'user': 'seed' is not allowed in required", "response_format"
    ),
    "a form of schema": openai("'response_format.type' must be 'json_schema' or 'text'"),
    "a missing parameter": openai("Missing required parameter: 'messages'.", "messages", "missing_required_parameter"),
    "a condition": openai("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"),
    "a conflict": openai("`temperature` and `top_p` cannot both be specified for this model."),
    "only beside something else": openai("'temperature' is not supported when thinking is enabled"),
    "only with a stream": openai("`seed` is not supported with streaming"),
    "an unknown model": openai("The model `seed` does not exist", None, "model_not_found"),
    "a person": openai("This user is not allowed to access the model."),
    "a role": openai("Unrecognized role: 'user'", "messages[0].role"),
    "a part of a message": openai("Unknown parameter: 'messages[0].name'.", "messages[0].name", "unknown_parameter"),
    "a part of an image": openai("Unsupported parameter", "messages[0].content[1].image_url", "unsupported_parameter"),
    "a part of a message, in the text": openai("Unknown field 'metadata' in messages[0]"),
    "a part of a tool": other({"detail": [forbidden("body", "tools", 0, "function", "strict")]}, 422),
    "a part, older vllm": other(vllm_text("('body', 'messages', 2, 'typed-dict', 'metadata')")),
    "a part beside a parameter": other(vllm_text("('body', 'min_p')", "('body', 'messages', 2, 'typed-dict', 'user')")),
    "a part, lines": openai(PYDANTIC.format("tools.0.function.strict")),
    "a part, another model": openai("1 validation error for UserMessage\nmetadata\n  Extra inputs are not permitted"),
    "a part, groq": openai(
        "'messages.0' : for 'role:user' these must hold[('messages.0' : property 'user' is unsupported)]"
    ),
    "a part of an option": openai("Unknown parameter: 'stream_options.x'.", "stream_options.x", "unknown_parameter"),
    "another fault of pydantic": other(
        {"detail": [{"type": "missing", "loc": ["body", "seed"], "msg": "Field required"}]}, 422
    ),
    "what was not sent": openai("Unknown parameter: 'verbosity'.", "verbosity", "unknown_parameter"),
    "a hint alone": openai("Use 'max_tokens' instead."),
    "a key": openai("Incorrect API key provided: sk-seed", None, "invalid_api_key", 401),
    "a part, in a set": other({"detail": "Unexpected fields in messages[0]: {'user'}"}, 422),
    "a value whose key is no name": openai("m does not support parameters: {'x-y': 'seed'}"),
    "a list that ends at once": openai("m does not support parameters: {}"),
    "a list that does not end": openai("m does not support parameters: {{{{[[[((("),
    "nothing": openai(""),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_refusal_is_left_alone(case: str) -> None:
    assert refused_parameter(OTHERS[case], SENT) is None


@pytest.mark.parametrize("status", [401, 403, 404, 413, 429, 500, 502, 503])
def test_only_a_refused_request_can_refuse_a_parameter(status: int) -> None:
    assert refused_parameter(openai("Unknown parameter: 'min_p'.", "min_p", "unknown_parameter", status), SENT) is None


@pytest.mark.parametrize(
    "error",
    [
        RequestError("Unknown parameter: 'min_p'."),
        UpstreamConnectionError("property 'min_p' is unsupported", phase="cut"),
    ],
)
def test_only_a_backend_can_refuse_a_parameter(error: ProxyException) -> None:
    assert refused_parameter(error, SENT) is None


def test_a_hostile_text_is_read_in_a_moment() -> None:
    for text in ("unsupported parameter " * 200, "a, " * 1500, "('" * 2000, "unknown field: " + "a and " * 600):
        refused_parameter(UpstreamStatusError(400, text), SENT)


def test_what_changes_the_meaning_of_a_request_is_essential() -> None:
    assert {
        "model",
        "messages",
        "tools",
        "tool_choice",
        "response_format",
        "stop",
        "logprobs",
        "n",
        "stream",
    } <= ESSENTIAL
    assert not ESSENTIAL & {"temperature", "max_tokens", "top_k", "stream_options", "reasoning_effort", "user", "seed"}
