"""A streamed answer, and what it cost, with the `openai` package (pip install openai)."""

import os

from openai import OpenAI

MODEL = "demo"


def main() -> None:
    """Print the answer as it comes; the last chunk has no choice and the usage."""
    url = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1")
    with OpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY", "none")) as client:
        stream = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "What is 6*7?"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        for chunk in stream:
            for choice in chunk.choices:
                print(choice.delta.content or "", end="", flush=True)
            if chunk.usage:
                print(f"\n{chunk.usage.prompt_tokens} tokens read, {chunk.usage.completion_tokens} written")


if __name__ == "__main__":
    main()
