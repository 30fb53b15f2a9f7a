"""Calls the gateway whose URL is the second argument, with the package `generated` in the folder of the first.

It runs with the interpreter of an environment that has what the package wants.
"""

import json
import sys
from importlib import import_module
from typing import Any

sys.path.insert(0, sys.argv[1])
models: Any = import_module("generated.models")
client: Any = import_module("generated").Client(base_url=sys.argv[2])
keyed: Any = import_module("generated").AuthenticatedClient(base_url=sys.argv[2], token="admin-secret-1")


def api(name: str) -> Any:
    """The module of one operation."""
    return import_module(f"generated.api.{name}")


question = models.Message(role="user", content="What is 6*7?")
chat = api("ollama_answers.chat").sync(
    client=client, body=models.ChatRequest(model="demo", messages=[question], stream=False)
)
missing = api("ollama_answers.chat").sync_detailed(
    client=client, body=models.ChatRequest(model="nobody", messages=[question], stream=False)
)
completion = api("open_ai.create_chat_completion").sync(
    client=client,
    body=models.ChatCompletionRequest(model="demo", messages=[models.ChatMessage(role="user", content="What is 6*7?")]),
)
vectors = api("ollama_answers.embed").sync(
    client=client, body=models.EmbedRequest(model="demo-embed", input_=["a", "b"])
)
tags = api("ollama_models.list_models").sync(client=client)
reloaded = api("administration.reload").sync(client=keyed)
json.dump(
    {
        "answer": chat.message.content,
        "reason": chat.done_reason.value,
        "missing": [missing.status_code, missing.parsed.error],
        "completion": completion.choices[0].message.content,
        "vectors": len(vectors.embeddings),
        "models": [model.name for model in tags.models],
        "reloaded": reloaded.status,
    },
    sys.stdout,
)
