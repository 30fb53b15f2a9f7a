"""Profiles: one row a kind of backend. What a row does not name is not sent: OpenAI refuses unknown keys with 400."""

from yarl import URL

from gateway.codecs.contract import Profile

_SAMPLING = frozenset({"top_k", "min_p"})

GENERIC = Profile("generic")
"""An OpenAI-compatible server of which nothing more is known: OpenAI's own keys only (from its API reference)."""

OPENAI = Profile("openai", max_tokens="max_completion_tokens", base64_embeddings=True, thinking_levels=True)
"""api.openai.com (from its API reference)."""

OPENROUTER = Profile(
    "openrouter", parameters=_SAMPLING | {"repetition_penalty"}, thinking_levels=True, thinking_off="reasoning_effort"
)
"""openrouter.ai (from its documentation)."""

VLLM = Profile(
    "vllm",
    parameters=_SAMPLING | {"repetition_penalty"},
    base64_embeddings=True,
    thinking_levels=True,
    thinking_off="chat_template_kwargs",
)
"""vLLM (from its source: the chat completion protocol)."""

LLAMACPP = Profile(
    "llamacpp",
    parameters=_SAMPLING
    | {"repeat_penalty", "repeat_last_n", "typical_p", "n_keep", "mirostat", "mirostat_tau", "mirostat_eta"},
    base64_embeddings=True,
    thinking_off="chat_template_kwargs",
)
"""llama.cpp's llama-server (from its source: the server's schema)."""

DEMO = Profile(
    "demo", parameters=_SAMPLING, base64_embeddings=True, thinking_levels=True, thinking_off="chat_template_kwargs"
)
"""The embedded demo backend (measured)."""

_BY_HOST = {"api.openai.com": OPENAI, "openrouter.ai": OPENROUTER}
_BY_OWNER = {"vllm": VLLM, "llamacpp": LLAMACPP, "llama.cpp": LLAMACPP, "demo": DEMO}


def profile_for(base_url: URL, owned_by: str | None = None) -> Profile:
    """Return the profile of a model at `base_url`: by its host, else by the `owned_by` its list shows."""
    return _BY_HOST.get(base_url.host or "") or _BY_OWNER.get((owned_by or "").lower()) or GENERIC
