"""LlamaIndex: an answer, a stream and a chat (pip install llama-index-llms-ollama)."""

import os

from llama_index.core.llms import ChatMessage
from llama_index.llms.ollama import Ollama

MODEL = "demo"


def main() -> None:
    """One after the other."""
    url = os.environ.get("OLLAMA_HOST", "http://127.0.0.1:11434")
    model = Ollama(model=MODEL, base_url=url, request_timeout=60)
    print(model.complete("What is 6*7?"))
    for part in model.stream_chat([ChatMessage(role="user", content="hello")]):
        print(part.delta or "", end="", flush=True)
    print()


if __name__ == "__main__":
    main()
