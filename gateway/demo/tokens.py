"""Tokens of the demo models, their log probabilities, and the usage that counts them.

A token is a word of up to 16 characters with the white space before it; a longer word is several tokens, and each
Chinese, Japanese or Korean character is one. Joined, the tokens of a text are that text again.

* `prompt_tokens`: the tokens of the text of every message (or of the prompt). Images and tools are free.
* `completion_tokens`: the pieces streamed, each of which is one token, reasoning and tool calls included.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

_WIDE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"\s*(?:[{_WIDE}]|[^\s{_WIDE}]{{1,16}})|\s+")
_OTHER_WORDS = (
    " the", " a", " and", " of", " to", " in", " is", " it", " that", " for", " you",
    " was", " with", " on", " as", " are", " this", " be", " at", " or", " not", " but",
)  # fmt: skip


def split(text: str) -> list[str]:
    """The tokens of a text."""
    return _TOKEN.findall(text)


def count(texts: Iterable[str]) -> int:
    """How many tokens the texts have together."""
    return sum(len(split(text)) for text in texts)


def usage(prompt_tokens: int, completion_tokens: int, reasoning_tokens: int = 0) -> dict[str, Any]:
    """OpenAI's usage object; the total is the sum."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens},
    }


def alternatives(token: str, number: int) -> list[tuple[str, float]]:
    """The `number` most likely tokens and their log probabilities; the token itself is first.

    Made up, but the same every time, and the probabilities add up to less than one.
    """
    seed = crc32(token.encode())
    chosen = 0.5 + (seed % 4900) / 10_000
    others = [word for word in _OTHER_WORDS if word != token]
    start = seed % len(others)
    likely = [(token, math.log(chosen))]
    for rank, word in enumerate((others[start:] + others[:start])[: max(number - 1, 0)], start=1):
        likely.append((word, math.log((1 - chosen) / 2**rank)))
    return likely


def chat_logprobs(tokens: Sequence[str], number: int) -> dict[str, Any]:
    """The `logprobs` of a chat choice, with `number` alternatives for each token."""
    return {"content": [_chat_logprob(token, number) for token in tokens], "refusal": None}


def _chat_logprob(token: str, number: int) -> dict[str, Any]:
    likely = [
        {"token": word, "logprob": logprob, "bytes": list(word.encode())}
        for word, logprob in alternatives(token, number)
    ]
    return {**likely[0], "top_logprobs": likely[:number]}


def text_logprobs(tokens: Sequence[str], number: int, offset: int) -> dict[str, Any]:
    """The `logprobs` of a completions choice; `offset` is where the first token begins, in characters."""
    likely = [alternatives(token, number) for token in tokens]
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token)
    return {
        "tokens": list(tokens),
        "token_logprobs": [row[0][1] for row in likely],
        "top_logprobs": [dict(row[:number]) for row in likely] if number else None,
        "text_offset": offsets,
    }
