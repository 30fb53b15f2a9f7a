"""A conversation of two turns with the `ollama` package (pip install ollama)."""

import ollama

MODEL = "demo"


def main() -> None:
    """Ask, then ask again with what was said before."""
    messages = [
        ollama.Message(role="system", content="You are brief."),
        ollama.Message(role="user", content="What is 6*7?"),
    ]
    first = ollama.chat(MODEL, messages)
    print(first.message.content)
    messages += [first.message, ollama.Message(role="user", content="And what is 6*8?")]
    second = ollama.chat(MODEL, messages)
    print(second.message.content)
    print(f"{second.prompt_eval_count} tokens read, {second.eval_count} written")


if __name__ == "__main__":
    main()
