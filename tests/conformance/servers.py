"""The processes the cases ask, each started when the first case wants it."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.conformance.case import Server
from tests.conformance.recorder import Recorder
from tests.e2e import processes

MAPPING = {
    "mapped": "generic",
    "virtual": {
        "model": "llamacpp",
        "system": "You are a ship's cook.",
        "options": {"temperature": 0.25, "seed": 7, "stop": ["END"]},
        "messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "The cook."}],
        "template": "{{ .Prompt }}",
        "capabilities": ["completion", "tools"],
        "context_length": 2048,
        "description": "Cooks.",
    },
}
"""The models of the gateway called "virtual"."""

LISTED_ORIGINS = "https://listed.example,https://*.wild.example"


class Servers:
    """Gateways by name, all of them with `settings` beside their own, and the recorder behind two of them."""

    def __init__(self, folder: Path, stack: ExitStack, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._folder = folder
        self._stack = stack
        self._urls: dict[Server, str] = {}
        self._demo: str | None = None
        self.recorder = stack.enter_context(Recorder().serving())

    def url(self, server: Server) -> str:
        """The address of a gateway."""
        if server not in self._urls:
            self._urls[server] = self._start(server)
        return self._urls[server]

    def _start(self, server: Server) -> str:
        folder = self._folder / server
        folder.mkdir(exist_ok=True)
        backend = self._demo_url() if server in ("demo", "strict") else self.recorder.url
        arguments, settings = self._setting(server, folder)
        settings = {"OPENAI_API_BASE_URL": backend, "MAX_RETRIES": "0", **settings, **self._settings}
        program = processes.gateway(folder, *arguments, **settings)
        return self._stack.enter_context(program).url.replace("0.0.0.0", "127.0.0.1")

    def _setting(self, server: Server, folder: Path) -> tuple[list[str], dict[str, str]]:
        if server == "strict":
            return [], {"MODEL_MANAGEMENT": "strict", "OLLAMA_ORIGINS": LISTED_ORIGINS}
        if server == "virtual":
            mapping = folder / "mapping.json"
            mapping.write_text(json.dumps(MAPPING), "utf-8")
            return [], {"MODEL_MAPPING_FILE": str(mapping)}
        # Bound to more than loopback, and open to every origin: what sections 11's other half is about.
        return (["--host", "0.0.0.0"], {"OLLAMA_ORIGINS": "*"}) if server == "recorder" else ([], {})

    def _demo_url(self) -> str:
        if self._demo is None:
            self._demo = self._stack.enter_context(processes.demo_backend(self._folder)).url
        return self._demo
