"""A question, a list of models and a vector with the `openai` package (pip install openai)."""

import os

from openai import OpenAI

MODEL, EMBEDDING_MODEL = "demo", "demo-embed"


def main() -> None:
    """The package wants a key, even where the gateway wants none."""
    url = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1")
    with OpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY", "none")) as client:
        print(", ".join(model.id for model in client.models.list()))
        answer = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "What is 6*7?"}], max_tokens=200
        )
        print(answer.choices[0].message.content)
        vectors = client.embeddings.create(model=EMBEDDING_MODEL, input=["a text", "another"])
        print(f"{len(vectors.data)} vectors of {len(vectors.data[0].embedding)} numbers")


if __name__ == "__main__":
    main()
