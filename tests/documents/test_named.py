"""Documents name every option, route, metric and setting there is, and none that there is not."""

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

from gateway.cli import parser
from gateway.config import settings
from gateway.exchange import ROUTES, Exchange
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.tables import tables
from tests.conftest import StartGateway
from tests.documents.files import ROOT, blocks, documents, named, quoted

COMMAND = re.compile(r"^(?:\w+=\S* )*(?:exec )?(?:\S*python3? -m gateway|ollama-openai-proxy)(?: |$)(.*)$")
SHELLS = ("sh", "shell", "bash")
REDIRECTIONS = re.compile(r"[<>|&;]")
PLACEHOLDERS = frozenset({"ACTION", "COMMAND", "NAME"})
"""What stands for any word in the text of a document."""

ELSEWHERE = {
    "/api/v0/models": "LM Studio's",
    "/health/liveliness": "LiteLLM's",
    "/v1/responses": "OpenAI's, not served",
    "/v1/messages": "Anthropic's, not served",
    "/v1/audio/transcriptions": "OpenAI's, not served",
}
"""Routes that documents name and this gateway does not have."""
FOREIGN_NAMES = re.compile(
    r"OTEL_\w+|OLLAMA_\w+|OPENAI_BASE_URL|HTTP_PROXY|SSL_CERT_FILE|LISTEN_FDS|HF_TOKEN|DOCKERHUB_\w+|SOAK_\w+"
    r"|DEBIAN_MIRROR|PIP_\w+|\w+_IMAGE|LLAMACPP_\w+|VLLM_MODEL|TLS_CERTIFICATES|WEBUI_\w+|OPENAI_API_URL|SSL_CERTS_PATH"
    r"|REDIS_PASSWORD|FRONT_NETWORK|(?:TLS|GRAFANA)_PUBLISH"
)
"""Variables that other programs, the compose files, the workflows or older proxies read, or whoever releases sets."""

FOREIGN_OPTIONS = {
    **dict.fromkeys(["--add-host", "--env-file", "--scale", "--stop-timeout", "--volume"], "docker's"),
    **dict.fromkeys(["--only", "--rounds", "--seconds", "--target"], "of the benchmarks"),
    **dict.fromkeys(["--profile", "--set", "--url", "--ways"], "of the faults; --set also helm's"),
    **dict.fromkeys(["--set-file", "--values"], "helm's"),
    "--ctx-size": "llama.cpp's",
    "--default-non-nullable": "openapi-typescript's",
    "--max-client-batch-size": "Text Embeddings Inference's",
    "--max-model-len": "vLLM's",
    "--reasoning-parser": "vLLM's",
}
"""Options that documents name and other programs have."""


def options(of: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the long options of a parser and of its commands, each once for each."""
    for action in of._actions:
        yield from (name for name in action.option_strings if name.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from options(inner)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield the place and the arguments of each command of ours that a document shows."""
    for document in documents():
        lines = [(named(document), text) for text in quoted(document)]
        for block in blocks(document):
            if block.language in SHELLS:
                joined = block.text.replace("\\\n", " ")
                inside = re.findall(r"\$\((.*?)\)", joined)
                lines += [(block.place, line.strip()) for line in [*joined.splitlines(), *inside]]
        for place, line in lines:
            if found := COMMAND.match(line):
                arguments = shlex.split(found[1].replace("[", "").replace("]", ""), comments=True)
                end = next((at for at, word in enumerate(arguments) if REDIRECTIONS.match(word)), len(arguments))
                yield place, arguments[:end]


SHOWN = list(commands())


def test_every_option_is_documented() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in documents())
    known = set(options(parser())) - {"--help"}
    assert {"--demo", "--log-level", "--all-models", "--expires", "--yaml"} <= known
    assert [name for name in sorted(known) if not re.search(rf"(?<![\w-]){name}(?![\w-])", text)] == []


def test_every_option_that_is_named_is_one_of_ours_or_of_a_program_that_is_known() -> None:
    known = set(options(parser())) | FOREIGN_OPTIONS.keys()
    unknown = [
        f"{named(document)}: {found[0]}"
        for document in documents()
        for words in quoted(document)
        if (found := re.match(r"--[a-z][\w-]*", words)) and found[0] not in known
    ]
    assert unknown == []


@pytest.mark.parametrize(("place", "arguments"), SHOWN, ids=[f"{place} {' '.join(words)}" for place, words in SHOWN])
def test_a_command_that_is_shown_is_one_that_can_be_given(place: str, arguments: list[str]) -> None:
    if "..." in arguments or PLACEHOLDERS & set(arguments[:1]):
        arguments = []
    if arguments == ["key"]:  # without its action it is a name for the command, not something to type
        arguments = ["key", "list"]
    try:
        parser().parse_args(arguments)
    except SystemExit:
        pytest.fail(f"{place}: {' '.join(arguments)}")


async def test_every_route_that_is_named_is_served(start: StartGateway) -> None:
    gateway = await start(ADMIN_KEY="admin-secret-1")
    served = [re.sub(r":[^}]+\}", "}", info.label) for info in gateway.app[ROUTES].values()]
    pattern = re.compile("|".join(re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(label)) for label in served))
    route = re.compile(
        r"(?:[A-Z]+(?:, [A-Z]+)* )?(/(?:api|v1|admin|ui|docs|redoc|health|ready|metrics|openapi)\b[\w./{}-]*)"
    )
    unknown: list[str] = []
    for document in documents():
        for words in quoted(document):
            found = route.fullmatch(words)
            if found is None or pattern.fullmatch(found[1]) or found[1] in ELSEWHERE:
                continue
            # What several begin with, such as `/api`, is no route and yet a name.
            if not any(label.startswith(found[1].rstrip("/") + "/") for label in served):
                unknown.append(f"{named(document)}: {found[1]}")
    assert unknown == []


def test_every_metric_that_is_named_exists() -> None:
    metrics = Metrics("1.2.3")
    metrics.request_started("/r")
    metrics.request_finished(Exchange("1", "GET", route="/r"), 200, 1)
    ends = {"counter": ["_total"], "info": ["_info"], "histogram": ["", "_bucket", "_sum", "_count"]}
    known = {family.name + end for family in tables(metrics) for end in ends.get(family.kind, [""])}
    assert len(known) > 28
    for document in documents():
        shown = set(re.findall(r"\bgateway_[a-z_]*[a-z]\b", document.read_text(encoding="utf-8")))
        assert shown <= known, named(document)


def test_every_setting_that_is_named_exists() -> None:
    known = {row.name for row in settings()}
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "gateway").rglob("*.py"))
    constants = set(re.findall(r"^([A-Z][A-Z0-9_]+)(?::.*)? = ", source, re.MULTILINE))
    form = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]")
    unknown: list[str] = []
    for document in documents():
        names = {words.partition("=")[0] for words in quoted(document)} - known - constants
        unknown += [
            f"{named(document)}: {name}" for name in names if form.fullmatch(name) and not FOREIGN_NAMES.fullmatch(name)
        ]
    assert unknown == []
