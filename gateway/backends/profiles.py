"""Profiles: one row a kind of backend. What a row does not name is not sent: OpenAI refuses unknown keys with 400.

Each row says where it comes from. What could not be verified has the value that asks the least of a server.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from yarl import URL

from gateway.codecs.contract import Profile


class Hints(NamedTuple):
    """What gives a kind of server away. The port never does: anything listens anywhere.

    `hosts`: its names in URLs, with a dot in front those below a domain. `owners`: what its list says in `owned_by`.
    `headers`: headers of its answers and how their values begin. `root`: what its root page says. `created_s`: the
    `created` that all models of its list have.
    """

    hosts: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    root: tuple[bytes, ...] = ()
    created_s: int | None = None


class Row(NamedTuple):
    """One kind of backend: what it takes, and what gives it away."""

    profile: Profile
    hints: Hints = Hints()


_OPENAI = Row(
    # From its API reference. Efforts differ by model and an unknown one is refused: none is sent unless asked for.
    Profile("openai", max_tokens="max_completion_tokens", base64_embeddings=True, thinking_levels=True),
    Hints(hosts=("api.openai.com",)),
)

_AZURE = Row(
    # From Microsoft's reference of the v1 API (`/openai/v1`), which takes what OpenAI takes; the key goes alone.
    Profile(
        "azure",
        max_tokens="max_completion_tokens",
        base64_embeddings=True,
        thinking_levels=True,
        key_header="api-key",
    ),
    Hints(
        hosts=(".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"),
        headers=(("apim-request-id", ""), ("azureml-model-session", "")),
    ),
)

_VLLM = Row(
    # From its source (the chat completion protocol). Unknown keys are ignored. Templates disagree on the name of the
    # switch (Qwen: enable_thinking; DeepSeek, Granite: thinking) and ignore the other. "max" is DeepSeek's alone.
    Profile(
        "vllm",
        parameters=frozenset({"top_k", "min_p", "repetition_penalty"}),
        base64_embeddings=True,
        thinking_off="chat_template_kwargs",
        thinking_switches=("enable_thinking", "thinking"),
        thinking_levels=True,
        thinking_field="reasoning",
        health="/health",
    ),
    Hints(owners=("vllm",)),
)

_LLAMACPP = Row(
    # Measured on build 11669. Unknown keys are ignored.
    Profile(
        "llamacpp",
        evidence="measured",
        parameters=frozenset(
            {
                *("top_k", "min_p", "typical_p", "repeat_penalty", "repeat_last_n"),
                *("n_keep", "mirostat", "mirostat_tau", "mirostat_eta"),
            }
        ),
        base64_embeddings=True,
        thinking_off="chat_template_kwargs",
        thinking_field="reasoning_content",
        metadata="/props",
        health="/health",
    ),
    Hints(
        owners=("llamacpp", "llama.cpp"),
        headers=(("Server", "llama.cpp"),),
        root=(b"<title>llama.cpp", b"<title>llama-ui"),
    ),
)

_OLLAMA = Row(
    # From its source (openai/openai.go). Its /v1 has no other sampling parameters: unknown keys are ignored. What
    # thinks does so by default.
    Profile(
        "ollama",
        base64_embeddings=True,
        thinking_off="reasoning_effort",
        thinking_levels=True,
        thinking_highest="max",
        thinking_field="reasoning",
        metadata="/api/tags",
        health="/",
    ),
    Hints(owners=("library",), root=(b"Ollama is running",)),
)

_OPENROUTER = Row(
    # From its documentation. Usage comes unasked too. Base64 vectors are not verified.
    Profile(
        "openrouter",
        parameters=frozenset({"top_k", "min_p", "repetition_penalty"}),
        thinking_off="reasoning",
        thinking_levels=True,
        thinking_highest="xhigh",
        thinking_field="reasoning",
    ),
    Hints(hosts=("openrouter.ai", ".openrouter.ai")),
)

_LITELLM = Row(
    # Measured on 1.106.2 before llama.cpp, the rest from its source. Other parameters go on to whoever serves the
    # model, and OpenAI behind it refuses them. An effort is put into that server's words; "none" not by all of them, so
    # nothing switches thinking off.
    Profile(
        "litellm",
        evidence="measured",
        thinking_on="medium",
        thinking_levels=True,
        thinking_field="reasoning_content",
        metadata="/model/info",
        health="/health/liveliness",
    ),
    Hints(
        headers=(("x-litellm-version", ""), ("x-litellm-call-id", ""), ("x-litellm-model-id", "")),
        root=(b"<title>LiteLLM", b"LiteLLM: RUNNING"),
        created_s=1_677_610_602,
    ),
)

_LMSTUDIO = Row(
    # From its documentation; efforts, and that `json_object` is refused and `encoding_format` ignored, from its bug
    # tracker. Nothing is said of `stream_options` beyond that they are taken.
    Profile(
        "lmstudio",
        parameters=frozenset({"top_k", "repeat_penalty"}),
        formats=frozenset({"json_schema"}),
        thinking_off="reasoning_effort",
        thinking_on="medium",
        thinking_levels=True,
        thinking_field="reasoning_content",
        metadata="/api/v0/models",
    ),
    Hints(owners=("organization_owner",), root=(b"Unexpected endpoint or method",)),
)

_MISTRAL = Row(
    # From its API reference; unknown keys are refused with 422. Usage comes unasked. Of efforts all its adjustable
    # models take two, "high" and "none". It bounds the tokens of a request, not its texts: hence small batches.
    Profile(
        "mistral",
        parameters=frozenset({"top_k", "repetition_penalty"}),
        seed="random_seed",
        stream_usage=False,
        embedding_batch=64,
        thinking_off="reasoning_effort",
        thinking_on="high",
        thinking_field="content",
    ),
    Hints(hosts=("api.mistral.ai", "codestral.mistral.ai")),
)

_TRANSFORMERS = Row(
    # Measured on `transformers serve` 5.23. Unknown keys are refused with 422, `response_format` and
    # `stream_options` are ignored, usage comes unasked.
    Profile(
        "transformers",
        evidence="measured",
        formats=frozenset(),
        stream_usage=False,
        thinking_off="chat_template_kwargs",
        thinking_field="reasoning_content",
        health="/health",
    ),
    # Nothing tells it from other servers: it wants to be named in the configuration.
)

_GENERIC = Row(
    # A server of which nothing more is known: OpenAI's own keys only (from its API reference).
    Profile("generic"),
)

_DEMO = Row(
    # The embedded demo backend.
    Profile(
        "demo",
        evidence="measured",
        parameters=frozenset({"top_k", "min_p"}),
        base64_embeddings=True,
        thinking_off="chat_template_kwargs",
        thinking_levels=True,
        thinking_field="reasoning_content",
    ),
    Hints(owners=("demo",)),
)

ROWS = (
    *(_OPENAI, _AZURE, _VLLM, _LLAMACPP, _OLLAMA, _OPENROUTER),
    *(_LITELLM, _LMSTUDIO, _MISTRAL, _TRANSFORMERS, _GENERIC, _DEMO),
)
PROFILES: Mapping[str, Profile] = MappingProxyType({row.profile.name: row.profile for row in ROWS})
"""The rows by the name that a configuration gives them."""

OPENAI, OPENROUTER, VLLM = _OPENAI.profile, _OPENROUTER.profile, _VLLM.profile
LLAMACPP, GENERIC, DEMO = _LLAMACPP.profile, _GENERIC.profile, _DEMO.profile

_BY_HOST = {host: row.profile for row in ROWS for host in row.hints.hosts if not host.startswith(".")}
_BY_DOMAIN = tuple((host, row.profile) for row in ROWS for host in row.hints.hosts if host.startswith("."))
_BY_OWNER = {owner: row.profile for row in ROWS for owner in row.hints.owners}


def profile_for(
    base_url: URL, owned_by: str | None = None, *, name: str | None = None, found: Profile | None = None
) -> Profile:
    """Return the profile of a model at `base_url`.

    It is the configured one (`name`), else that of the host, else what was `found` about the whole server, else what
    the `owned_by` of the model tells. Raises KeyError for a name that no row has.
    """
    if name is not None:
        return PROFILES[name]
    return profile_of_host(base_url) or found or profile_of_owner(owned_by) or GENERIC


def profile_of_host(base_url: URL) -> Profile | None:
    """Return the profile that a URL alone tells, None for most."""
    host = (base_url.host or "").rstrip(".")
    known = _BY_HOST.get(host)
    if known is not None:
        return known
    return next((profile for domain, profile in _BY_DOMAIN if host.endswith(domain)), None)


def profile_of_owner(owned_by: str | None) -> Profile | None:
    """Return the profile that `owned_by` of a list tells, None for most: proxies repeat the names of others."""
    return _BY_OWNER.get((owned_by or "").lower())
