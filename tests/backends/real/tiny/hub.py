"""The model as a folder of files in a Hugging Face cache, from which `transformers` lists and loads it."""

import json
import struct
from pathlib import Path
from typing import Any

from tests.backends.real.tiny import network
from tests.backends.real.tiny.network import Kind, Network

REVISION = "0" * 39 + "1"
"""A commit's name must look like one."""


def write_to_hub_cache(cache: Path, net: Network, *, name: str, template: str) -> None:
    """Write the model as the only revision of `name`, which has an owner and a slash."""
    folder = cache / f"models--{name.replace('/', '--')}"
    files = folder / "snapshots" / REVISION
    for place in (files, folder / "refs", folder / "blobs"):
        place.mkdir(parents=True, exist_ok=True)
    words = net.vocabulary
    written: dict[str, Any] = {
        "config.json": _config(net),
        "generation_config.json": {"eos_token_id": words.numbers[network.TURN_CLOSES], "do_sample": False},
        "tokenizer.json": _tokenizer(net),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": network.TURN_CLOSES,
            "pad_token": network.END,
            "model_max_length": network.CONTEXT,
            "clean_up_tokenization_spaces": False,
            "chat_template": template,
        },
    }
    for file, content in written.items():
        (files / file).write_text(json.dumps(content), "utf-8")
    (files / "model.safetensors").write_bytes(_tensors(net))
    # Last: a revision that is not complete has no name.
    (folder / "refs" / "main").write_text(REVISION)


def _config(net: Network) -> dict[str, Any]:
    words = net.vocabulary
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "dtype": "float32",
        "hidden_size": net.width,
        "num_hidden_layers": 1,
        "num_attention_heads": net.heads,
        "num_key_value_heads": net.heads,
        "intermediate_size": network.FEED_FORWARD,
        "hidden_act": "silu",
        "max_position_embeddings": network.CONTEXT,
        "rms_norm_eps": network.EPSILON,
        "rope_parameters": {"rope_type": "default", "rope_theta": network.TURNING},
        "tie_word_embeddings": False,
        "vocab_size": len(words.texts),
        "eos_token_id": words.numbers[network.TURN_CLOSES],
        "pad_token_id": words.numbers[network.END],
    }


def _tokenizer(net: Network) -> dict[str, Any]:
    words = net.vocabulary
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    numbered = list(zip(words.texts, words.kinds, strict=True))
    added = [
        {"id": number, "content": text, "special": kind is Kind.CONTROL, **plain}
        for number, (text, kind) in enumerate(numbered)
        if kind is not Kind.TEXT
    ]
    bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": bytewise,
        "decoder": bytewise,
        "model": {"type": "BPE", "vocab": words.numbers, "merges": [list(network.MERGE)]},
    }


def _tensors(net: Network) -> bytes:
    """A header in JSON behind its length, then the numbers."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    blocks: list[bytes] = []
    offset = 0
    for name, matrix in net.tensors():
        block = matrix.bytes()
        header[name] = {"dtype": "F32", "shape": matrix.shape, "data_offsets": [offset, offset + len(block)]}
        offset += len(block)
        blocks.append(block)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + b"".join(blocks)
