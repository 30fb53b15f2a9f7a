"""The demo models and what each of them can do."""

from dataclasses import dataclass
from typing import Any

from gateway.demo.problems import DemoError

CONTEXT_TOKENS = 8192
"""The longest prompt, in the tokens of `gateway.demo.tokens`."""

_CREATED_S = 1_767_225_600


@dataclass(frozen=True, slots=True)
class DemoModel:
    """A model's id and capabilities, named as Ollama names them."""

    id: str
    capabilities: tuple[str, ...]

    def entry(self) -> dict[str, Any]:
        """The entry in the list of models."""
        return {
            "id": self.id,
            "object": "model",
            "created": _CREATED_S,
            "owned_by": "demo",
            "max_model_len": CONTEXT_TOKENS,
            "capabilities": list(self.capabilities),
        }


MODELS = (
    DemoModel("demo", ("completion", "tools", "insert")),
    DemoModel("demo-thinking", ("completion", "tools", "insert", "thinking")),
    DemoModel("demo-vision", ("completion", "tools", "insert", "vision")),
    DemoModel("demo-embed", ("embedding",)),
)

_PURPOSES = {"completion": "chat or completions", "embedding": "embeddings", "vision": "images"}


def find_model(model_id: str) -> DemoModel:
    """The model of that id; 404 when there is none."""
    for model in MODELS:
        if model.id == model_id:
            return model
    raise DemoError(f"The model '{model_id}' does not exist.", param="model", code="model_not_found", status=404)


def require(model: DemoModel, capability: str, *, param: str = "model") -> None:
    """Refuses, with 400, what the model cannot do."""
    if capability not in model.capabilities:
        able = next(other.id for other in MODELS if capability in other.capabilities)
        raise DemoError(
            f"The model '{model.id}' does not support {_PURPOSES[capability]}; '{able}' does.",
            param=param,
            code="unsupported_model",
        )


def check_context(tokens: int, *, param: str) -> None:
    """Refuses, with 400, a prompt longer than the models can read."""
    if tokens > CONTEXT_TOKENS:
        raise DemoError(
            f"The maximum context length is {CONTEXT_TOKENS} tokens, and this prompt has {tokens}.",
            param=param,
            code="context_length_exceeded",
        )
