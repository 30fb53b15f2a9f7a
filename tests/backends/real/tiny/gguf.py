"""The model as a GGUF file, which llama.cpp reads."""

import struct
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from tests.backends.real.tiny import network
from tests.backends.real.tiny.network import Matrix, Network

VERSION = 3
ALIGNMENT = 32
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
"""The format's numbers for types of values."""
_NAMES = {
    "model.embed_tokens": "token_embd",
    "lm_head": "output",
    "model.norm": "output_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}

type Value = int | float | bool | str | Sequence[str] | Sequence[int]


def write_gguf(path: Path, net: Network, *, name: str, template: str) -> None:
    """Write the model to a file."""
    facts = _facts(net, name, template)
    tensors = [(_tensor_name(key), matrix) for key, matrix in net.tensors()]
    out = BytesIO()
    out.write(struct.pack("<4sIQQ", b"GGUF", VERSION, len(tensors), len(facts)))
    for key, value in facts.items():
        out.write(_string(key) + _value(value))
    offset = 0
    for key, matrix in tensors:
        out.write(_string(key) + _shape(matrix) + struct.pack("<IQ", 0, offset))
        offset += _padded(4 * matrix.rows * matrix.columns)
    for block in (b"", *(matrix.bytes() for _, matrix in tensors)):
        out.write(block)
        out.write(bytes(_padded(out.tell()) - out.tell()))
    path.write_bytes(out.getvalue())


def _facts(net: Network, name: str, template: str) -> dict[str, Value]:
    words = net.vocabulary
    return {
        "general.architecture": "qwen2",
        "general.name": name,
        "qwen2.context_length": network.CONTEXT,
        "qwen2.embedding_length": net.width,
        "qwen2.block_count": 1,
        "qwen2.feed_forward_length": network.FEED_FORWARD,
        "qwen2.attention.head_count": net.heads,
        "qwen2.attention.head_count_kv": net.heads,
        "qwen2.attention.key_length": network.HEAD,
        "qwen2.attention.value_length": network.HEAD,
        "qwen2.attention.layer_norm_rms_epsilon": network.EPSILON,
        "qwen2.rope.freq_base": network.TURNING,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": words.texts,
        "tokenizer.ggml.token_type": [int(kind) for kind in words.kinds],
        "tokenizer.ggml.merges": [" ".join(network.MERGE)],
        "tokenizer.ggml.eos_token_id": words.numbers[network.TURN_CLOSES],
        "tokenizer.ggml.padding_token_id": words.numbers[network.END],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": template,
    }


def _tensor_name(key: str) -> str:
    module, _, part = key.rpartition(".")
    layer = "model.layers.0."
    prefix = "blk.0." if module.startswith(layer) else ""
    return f"{prefix}{_NAMES[module.removeprefix(layer)]}.{part}"


def _shape(matrix: Matrix) -> bytes:
    sizes = matrix.shape[::-1]
    return struct.pack(f"<I{len(sizes)}Q", len(sizes), *sizes)


def _value(value: Value) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", U32, value)
    if isinstance(value, float):
        return struct.pack("<If", F32, value)
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _string(value)
    return _array(value)


def _array(items: Sequence[str] | Sequence[int]) -> bytes:
    kind = STRING if isinstance(items[0], str) else I32
    data = b"".join(_string(item) if isinstance(item, str) else struct.pack("<i", item) for item in items)
    return struct.pack("<IIQ", ARRAY, kind, len(items)) + data


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
