"""The real servers by name: what each is started with, on which models.

`python -m tests.backends.real NAME` runs one for a person to try.
"""

import json
import platform
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.backends.real import debian, installs
from tests.backends.real.installs import UnavailableError, appearing
from tests.backends.real.programs import serving
from tests.backends.real.tiny.gguf import write_gguf
from tests.backends.real.tiny.hub import write_to_hub_cache
from tests.backends.real.tiny.network import CONTEXT, Network
from tests.backends.real.tiny.templates import chat_template
from tests.e2e.environments import CACHE, node_with, why_no_node
from tests.e2e.processes import free_port

AIMOCK = {"@copilotkit/aimock": "1.43.0"}
TORCH = "2.13.0"
FAULTS = Path(__file__).with_name("faults.json")
LITELLM_KEY = "sk-litellm"
MODELS = {"tiny": False, "tiny-think": True}
"""The models by name, and whether they think."""
OWNER = "tests"
"""Who owns them where models have owners."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: the base URL of its OpenAI API, the key it wants, and its profile where it must be named."""

    base_url: str
    api_key: str = ""
    profile: str = ""

    def settings(self, name: str) -> dict[str, str]:
        """It as an entry of a backends file."""
        known = {"name": name, "base_url": self.base_url, "api_key": self.api_key, "profile": self.profile}
        return {key: value for key, value in known.items() if value}


def models_folder() -> Path:
    """The folder with the models' GGUF files, made when they are not there or not of these sources."""
    folder = CACHE / f"tiny-models-{_checksum():08x}"
    if not folder.exists():
        with appearing(folder) as making:
            for name, thinking in MODELS.items():
                template = chat_template(thinking=thinking)
                write_gguf(making / f"{name}.gguf", Network(thinking=thinking), name=name, template=template)
    return folder


def _checksum() -> int:
    sources = sorted(Path(__file__).with_name("tiny").iterdir())
    return zlib.crc32(b"".join(path.read_bytes() for path in sources if path.is_file()))


@contextmanager
def llama(*arguments: str) -> Iterator[Server]:
    """llama-server with these arguments. Raises UnavailableError where it cannot be had."""
    command = debian.llama_server()
    port = str(free_port())
    # More threads than one only wait for each other: the model is too small.
    fixed = ["--host", "127.0.0.1", "--port", port, "--offline", "--threads", "1"]
    root = f"http://127.0.0.1:{port}"
    with serving([*command.words, *fixed, *arguments], f"{root}/health", command.settings):
        yield Server(f"{root}/v1")


@contextmanager
def llama_chat(model: str = "tiny") -> Iterator[Server]:
    """One model for chats, with room for four conversations at once."""
    arguments = ["--jinja", "--parallel", "4", "--ctx-size", str(4 * CONTEXT)]
    with llama("--model", str(models_folder() / f"{model}.gguf"), "--alias", model, *arguments) as server:
        yield server


@contextmanager
def llama_embed() -> Iterator[Server]:
    """One model for embeddings, named `tiny-embed`."""
    arguments = ["--embeddings", "--pooling", "mean", "--parallel", "1", "--ctx-size", "2048"]
    with llama("--model", str(models_folder() / "tiny.gguf"), "--alias", "tiny-embed", *arguments) as server:
        yield server


@contextmanager
def llama_router() -> Iterator[Server]:
    """All models by name, each loaded when it is first asked."""
    with llama("--models-dir", str(models_folder())) as server:
        yield server


@contextmanager
def faults() -> Iterator[Server]:
    """A server of faults and oddities, chosen by the model's name (`faults.json`)."""
    if reason := why_no_node():
        raise UnavailableError(reason)
    program = node_with(AIMOCK) / ".bin" / "llmock"
    port = str(free_port())
    root = f"http://127.0.0.1:{port}"
    fixtures = ["--fixtures", str(FAULTS)]
    with serving([str(program), "--host", "127.0.0.1", "--port", port, *fixtures], f"{root}/ready", {}):
        yield Server(f"{root}/v1")


@contextmanager
def litellm() -> Iterator[Server]:
    """LiteLLM's proxy in front of three llama-servers."""
    python = installs.environment_with("litellm")
    with ExitStack() as stack:
        behind = {name: stack.enter_context(llama_chat(name)) for name in MODELS}
        behind["tiny-embed"] = stack.enter_context(llama_embed())
        folder = Path(stack.enter_context(TemporaryDirectory()))
        config = folder / "config.yaml"
        config.write_text(json.dumps(_litellm_config(behind)), "utf-8")
        port = str(free_port())
        root = f"http://127.0.0.1:{port}"
        command = [str(python.with_name("litellm")), "--config", str(config), "--host", "127.0.0.1", "--port", port]
        # Its list of prices would come from the network.
        settings = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        stack.enter_context(serving(command, f"{root}/health/readiness", settings))
        yield Server(f"{root}/v1", LITELLM_KEY)


def _litellm_config(behind: dict[str, Server]) -> dict[str, object]:
    facts = {"tiny": {"max_input_tokens": CONTEXT}, "tiny-embed": {"mode": "embedding"}}
    listed = [
        {
            "model_name": name,
            "litellm_params": {"model": f"openai/{name}", "api_base": server.base_url, "api_key": "none"},
            "model_info": facts.get(name, {}),
        }
        for name, server in behind.items()
    ]
    # What the gateway retries need not be retried before it.
    once = {"num_retries": 0}
    return {"model_list": listed, "router_settings": once, "general_settings": {"master_key": LITELLM_KEY}}


@contextmanager
def transformers() -> Iterator[Server]:
    """`transformers serve` on the processor, with the models in a cache of its own."""
    torch = f"torch=={TORCH}" if platform.system() == "Darwin" else f"torch=={TORCH}+cpu"
    interpreter = installs.first_python_with(torch)
    if interpreter is None:
        raise UnavailableError(
            f"pip's indexes have no {torch}, which is the build without gigabytes for graphics cards"
        )
    python = installs.environment_with("transformers", python=interpreter, beside=[torch])
    hub = CACHE / f"tiny-hub-{_checksum():08x}"
    if not hub.exists():
        with appearing(hub) as making:
            for name, thinking in MODELS.items():
                template = chat_template(thinking=thinking)
                write_to_hub_cache(making, Network(thinking=thinking), name=f"{OWNER}/{name}", template=template)
    port = str(free_port())
    root = f"http://127.0.0.1:{port}"
    command = [str(python.with_name("transformers")), "serve", "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
    with serving(command, f"{root}/health", {"HF_HUB_CACHE": str(hub), "HF_HUB_OFFLINE": "1"}):
        yield Server(f"{root}/v1", profile="transformers")


SERVERS: dict[str, Callable[[], AbstractContextManager[Server]]] = {
    "llama-chat": llama_chat,
    "llama-think": partial(llama_chat, "tiny-think"),
    "llama-embed": llama_embed,
    "llama-router": llama_router,
    "faults": faults,
    "litellm": litellm,
    "transformers": transformers,
}
