"""A streamed answer of a model that thinks first (pip install ollama)."""

import ollama

MODEL = "demo-thinking"


def main() -> None:
    """Print thoughts and answer as they come."""
    answering = False
    for part in ollama.chat(MODEL, [{"role": "user", "content": "hello"}], think=True, stream=True):
        if part.message.content and not answering:
            answering = True
            print("\n---")
        print(part.message.thinking or part.message.content or "", end="", flush=True)
    print()


if __name__ == "__main__":
    main()
