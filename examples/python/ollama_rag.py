"""Answers from documents: embed them, find the one that fits a question, ask with it (pip install ollama)."""

import math
from collections.abc import Sequence

import ollama

MODEL, EMBEDDING_MODEL = "demo", "demo-embed"
DOCUMENTS = [
    "The gateway listens on port 11434 unless PROXY_PORT says otherwise.",
    "Keys of clients stand in API_KEYS, separated by commas.",
    "A backend may be silent for REQUEST_TIMEOUT seconds.",
]


def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
    """One vector for each text, in one request."""
    return ollama.embed(EMBEDDING_MODEL, texts).embeddings


def closeness(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of the angle between two vectors: 1 where they point the same way."""
    return sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


def main() -> None:
    """Find, then ask."""
    question = "Which port does the gateway listen on?"
    index = list(zip(DOCUMENTS, embed(DOCUMENTS), strict=True))
    [wanted] = embed([question])
    best = max(index, key=lambda entry: closeness(entry[1], wanted))[0]
    print(f"Found: {best}")
    prompt = f"Answer from this alone.\n\n{best}"
    answer = ollama.chat(MODEL, [{"role": "system", "content": prompt}, {"role": "user", "content": question}])
    print(answer.message.content)


if __name__ == "__main__":
    main()
