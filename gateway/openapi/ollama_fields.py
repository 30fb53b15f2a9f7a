"""What the fields of Ollama's requests mean, for the document: the schema modules stay as quick to load as they are."""

from collections.abc import Mapping
from typing import Any

from gateway.codecs.go_json import MAX_OBJECTS
from gateway.openapi.fields import Fields, Said
from gateway.schemas import ollama

_DURATION = {"anyOf": [{"type": "string"}, {"type": "number"}]}
_FORMAT = {"anyOf": [{"type": "string", "enum": ["json"]}, {"type": "object", "additionalProperties": True}]}
_THINK = {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["low", "medium", "high", "max"]}]}
_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_OPTIONS = {"$ref": "#/components/schemas/Options"}
_IMAGES = "Images (sound too) as base64, or as base64 data URLs."
_UNUSED = "Taken and not used: models are not made here."
_STREAMED: Mapping[str, Any] = {"type": "boolean", "default": True}

FIELDS: Fields = {
    ollama.ToolCallFunction: {
        "index": Said("Which of several calls of one message this is, from 0."),
        "name": Said("Name of the function."),
        "arguments": Said("Arguments: an object, never a text."),
    },
    ollama.ToolCall: {
        "id": Said("Id of the call. One that is missing is invented, the same in every round."),
        "function": Said("What is called."),
    },
    ollama.Message: {
        "role": Said(
            "Who speaks: system, user, assistant or tool, in any case. Other roles are for the backend to judge.",
            examples=("user",),
        ),
        "content": Said("The text."),
        "thinking": Said("What the model thought before. Backends leave it out of the prompt."),
        "images": Said(_IMAGES),
        "tool_calls": Said("The calls that the assistant asked for in this message."),
        "tool_name": Said("Of a message of role tool: the function whose result this is."),
        "tool_call_id": Said("Of a message of role tool: the id of the call, where it had one."),
    },
    ollama.ToolFunction: {
        "name": Said("Name by which the model calls it."),
        "description": Said("What it does, for the model."),
        "parameters": Said(
            "JSON schema of the arguments, passed on whole. Unset: it is left to the backend.", {"type": "object"}
        ),
    },
    ollama.Tool: {
        "type": Said("Kind of tool.", examples=("function",)),
        "function": Said("The function."),
    },
    ollama.OllamaRequest: {
        "model": Said(
            "Name of the model, in any case, with or without `:latest`. Empty: DEFAULT_MODEL, where one is set.",
            examples=("demo",),
        ),
    },
    ollama.NamedRequest: {"name": Said("Older form of `model`.")},
    ollama.InferenceRequest: {
        "options": Said("How the model answers. Names that are not known are ignored.", _OPTIONS),
        "keep_alive": Said(
            "How long the model stays loaded: seconds, or a text such as `5m`. It is checked and then has no effect, "
            "since the backend decides; 0 without a prompt is answered as unloaded. Unset: the backend's own.",
            _DURATION,
            examples=("5m", 300),
        ),
    },
    ollama.GenerationRequest: {
        "stream": Said("Whether the answer comes in lines while it is made.", _STREAMED),
        "format": Said(
            "`json`, or the JSON schema that the answer is to fit. Unset: any text.", _FORMAT, examples=("json",)
        ),
        "think": Said("Whether the model is to think first, or how much. Unset: as it does by itself.", _THINK),
        "truncate": Said("Taken and not used: only the backend can tell what fits.", {"type": "boolean"}),
        "shift": Said("Taken and not used: the context belongs to the backend's runner.", {"type": "boolean"}),
        "logprobs": Said("Whether each token comes with its log probability."),
        "top_logprobs": Said(
            "How many alternatives each token comes with; above 0 only with `logprobs`.", {"minimum": 0, "maximum": 20}
        ),
        "debug_render_only": Said("Taken and not used: the template is applied behind the backend's API."),
    },
    ollama.ChatRequest: {
        "messages": Said("The conversation so far. None: the model is loaded.", {"maxItems": MAX_OBJECTS}),
        "tools": Said("What the model may call. It asks for the calls, the client makes them."),
    },
    ollama.GenerateRequest: {
        "prompt": Said("What the model is to answer. Empty: the model is loaded."),
        "suffix": Said("What follows the answer: the model writes what stands in between."),
        "system": Said("System message, instead of the model's own."),
        "template": Said("Taken and not used: backends apply their own."),
        "context": Said("`context` of an earlier answer, to go on from there. Another server's is ignored."),
        "raw": Said("Whether the prompt goes out as it is, without a template."),
        "images": Said(_IMAGES),
    },
    ollama.EmbedRequest: {
        "input": Said("A text, or several. None: the model is loaded.", _TEXTS),
        "prompt": Said("Taken where `input` is missing.", _TEXTS),
        "truncate": Said(
            "Whether a text that is too long is cut. false: it is an error.", {"type": "boolean", "default": True}
        ),
        "dimensions": Said(
            "Length of the vectors, which are cut and brought to length 1 again where the backend cannot. 0: all.",
            {"minimum": 0},
        ),
    },
    ollama.EmbeddingsRequest: {
        "prompt": Said(
            "The text. A list is answered with `embeddings` as well. Where it is missing, `input` is taken.", _TEXTS
        ),
        "input": Said("Taken where `prompt` is missing.", _TEXTS),
    },
    ollama.ShowRequest: {
        "verbose": Said("Taken and not used: there is nothing more to show."),
        "system": Said("Taken and not used, as with Ollama."),
        "template": Said("Taken and not used, as with Ollama."),
        "options": Said("Taken and not used.", {"type": "object"}),
    },
    ollama.PullRequest: {
        "stream": Said("Whether every step is told, in lines.", _STREAMED),
        "insecure": Said("Taken and not used: nothing is moved."),
        "username": Said("Taken and not used: nothing is moved."),
        "password": Said("Taken and not used, and never logged."),
    },
    ollama.CopyRequest: {
        "source": Said("Name of a model that there is."),
        "destination": Said("The other name for it."),
    },
    ollama.CreateRequest: {
        "from_": Said("Model to start from; one of `from` and `files` is wanted."),
        "files": Said("Digests of uploaded blobs by the names of files; one of `from` and `files` is wanted."),
        "license": Said(_UNUSED, _TEXTS),
        "stream": Said(_UNUSED, {"type": "boolean"}),
        **{
            name: Said(_UNUSED)
            for name in (
                *("adapters", "draft_files", "template", "system", "parameters", "messages", "quantize"),
                *("quantization", "draft_quantize", "renderer", "parser", "requires", "remote_host", "info"),
            )
        },
    },
}
"""By the class that has the field; what is said of a base holds for those made of it."""

OPTIONS: Mapping[str, str] = {
    "temperature": "How far the choice of a token may stray: 0 takes the likeliest.",
    "top_p": "Share of the likeliest tokens that are chosen from.",
    "num_predict": "Most tokens of the answer. Below 1: as many as the backend gives.",
    "stop": "Texts that end the answer.",
    "seed": "Makes answers repeatable, where the backend can. Below 0: unset.",
    "presence_penalty": "Makes tokens that were there once less likely.",
    "frequency_penalty": "Makes tokens less likely, the more often they were there.",
    "top_k": "How many of the likeliest tokens are chosen from.",
    "min_p": "Least probability of a token, as a share of the likeliest one's.",
    "repeat_penalty": "How much repetitions are made less likely: 1 is not at all.",
    "repeat_last_n": "How many of the last tokens count as repeated. Below 0: unset.",
    "typical_p": "Share of the most typical tokens that are chosen from.",
    "mirostat": "Version of Mirostat sampling, 0 for none.",
    "mirostat_tau": "Surprise that Mirostat aims at.",
    "mirostat_eta": "How fast Mirostat learns.",
    "num_keep": "How many tokens of the prompt stay when the context is full.",
    "num_ctx": "Length of the context",
    "num_batch": "Tokens worked on at once",
    "num_gpu": "Layers on the graphics card",
    "main_gpu": "Which graphics card is the main one",
    "num_thread": "Threads of the runner",
    "use_mmap": "Whether the model's file is mapped",
    "draft_num_predict": "Tokens that a draft model guesses",
}
"""What each option means; of those that set up a runner, what they would mean."""
