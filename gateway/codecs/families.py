"""Well-known families of models: what a name alone tells where a backend says nothing.

Context lengths stand here only where the name settles them: models that their makers host, and open ones trained with
less than clients assume. What a server gives the other open models is its own setting.
"""

import re
from typing import NamedTuple


class Family(NamedTuple):
    """How names of a family begin, what its architecture is called, and its context in tokens if that is settled."""

    pattern: re.Pattern[str]
    name: str
    context_length: int | None = None


def _family(pattern: str, name: str, context_length: int | None = None) -> Family:
    return Family(re.compile(pattern), name, context_length)


FAMILIES = (
    # Hosted: from their makers' documentation.
    _family(r"gpt-oss", "gptoss", 131_072),
    _family(r"gpt-5(?!.*chat)", "gpt5", 400_000),
    _family(r"gpt-5", "gpt5", 128_000),
    _family(r"gpt-4\.1", "gpt4", 1_047_576),
    _family(r"gpt-4(?:o|-turbo|\.5|.*preview)", "gpt4", 128_000),
    _family(r"gpt-4-32k", "gpt4", 32_768),
    _family(r"gpt-4", "gpt4", 8192),
    _family(r"gpt-3\.5", "gpt3", 16_385),
    _family(r"o1-(?:mini|preview)", "o1", 128_000),
    _family(r"o1(?!\d)", "o1", 200_000),
    _family(r"o3(?!\d)", "o3", 200_000),
    _family(r"o4(?!\d)", "o4", 200_000),
    _family(r"claude", "claude", 200_000),
    _family(r"gemini-embedding", "gemini", 2048),
    _family(r"gemini", "gemini", 1_048_576),
    _family(r"grok-[34]", "grok", 131_072),
    _family(r"grok", "grok"),
    _family(r"text-embedding-(?:3|ada)", "embedding", 8191),
    # Open: from their model cards.
    _family(r"(?:meta-)?llama-?4", "llama4"),
    _family(r"(?:meta-)?llama-?3[.-]?[123](?!\d|b)", "llama"),
    _family(r"(?:meta-)?llama-?3", "llama", 8192),
    _family(r"(?:meta-)?llama-?2", "llama", 4096),
    _family(r"(?:tiny|code)?llama", "llama"),
    _family(r"embeddinggemma", "gemma3", 2048),
    _family(r"gemma-?4", "gemma4"),
    _family(r"gemma-?3", "gemma3"),
    _family(r"gemma-?2", "gemma2", 8192),
    _family(r"gemma", "gemma", 8192),
    _family(r"qwen-?3.*-vl", "qwen3vl"),
    _family(r"qwen-?3", "qwen3"),
    _family(r"qwen-?2\.?5?.*-vl", "qwen2vl"),
    _family(r"qwen|qwq", "qwen2"),
    _family(r"deepseek", "deepseek2"),
    _family(r"mixtral|(?:open-)?mistral|ministral|magistral|devstral|codestral|pixtral", "mistral"),
    _family(r"phi-?4", "phi4"),
    _family(r"phi-?3", "phi3"),
    _family(r"phi-?2", "phi2", 2048),
    _family(r"command-(?:a|r|light)|c4ai-command", "command-r"),
    _family(r"granite", "granite"),
    _family(r"glm-?4", "glm4"),
    _family(r"kimi", "kimi"),
    _family(r"falcon", "falcon"),
    _family(r"smollm", "llama"),
    _family(r"nomic-embed-text", "nomic-bert", 2048),
    _family(
        r"mxbai-embed|all-minilm|bge-(?:small|base|large)|e5-(?:small|base|large)|gte-(?:small|base|large)", "bert", 512
    ),
    _family(r"bge-m3", "bert", 8192),
)
"""The table, the first match counts. A name is matched from its beginning, in lower case and without its namespace."""


def find_family(name: str) -> Family | None:
    """Return the family of a model called `name` (lower case, without its namespace)."""
    return next((family for family in FAMILIES if family.pattern.match(name)), None)
