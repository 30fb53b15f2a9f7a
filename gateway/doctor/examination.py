"""One model, examined: which questions are asked, in which order, and which are not worth asking."""

from collections.abc import Awaitable, Callable

from gateway.codecs.models import ModelInfo
from gateway.doctor.assumptions import add_assumptions
from gateway.doctor.chat_probes import (
    ask_json,
    ask_logprobs,
    ask_parallel_tools,
    ask_plain,
    ask_schema,
    ask_stream,
    ask_tools,
    ask_usage,
    ask_vision,
)
from gateway.doctor.embedding_probes import EmbeddingProbes
from gateway.doctor.parameter_probes import ask_nobodys_parameter, ask_parameters
from gateway.doctor.patient import Patient
from gateway.doctor.results import (
    CHAT_CHECKS,
    Answer,
    ModelReport,
    Result,
    not_asked,
    told_by,
    unknown,
    yes,
)
from gateway.doctor.thinking_probes import ask_not_to_think, ask_thinking
from gateway.errors import ProxyException
from gateway.telemetry.masking import mask

type Probe = Callable[[Patient], Awaitable[Result]]
type Watcher = Callable[[str], None]
"""Is told the name of each check before it is made."""

_PROBES: dict[str, Probe] = {
    "streaming": ask_stream,
    "stream_options": ask_usage,
    "thinking": ask_thinking,
    "thinking_off": ask_not_to_think,
    "tools": ask_tools,
    "parallel_tools": ask_parallel_tools,
    "json_schema": ask_schema,
    "json_mode": ask_json,
    "vision": ask_vision,
    "logprobs": ask_logprobs,
    "parameters": ask_parameters,
    "unknown_parameters": ask_nobodys_parameter,
}
_NEEDS = {"thinking_off": ("thinking", "it does not think"), "parallel_tools": ("tools", "no tools")}
"""Checks that are pointless unless another one went well."""


async def examine(patient: Patient, info: ModelInfo, watch: Watcher) -> ModelReport:
    """Ask everything that is worth asking. A probe that fails is a finding; the others are made all the same."""
    report = ModelReport(info, mask(info.id, patient.secrets))
    await _ask(report, "plain", ask_plain, patient, watch)
    await _examine_embeddings(report, patient, watch)
    if report.checks["plain"].is_fine:
        for name, probe in _PROBES.items():
            needed, reason = _NEEDS.get(name, ("plain", ""))
            if report.checks[needed].is_fine:
                await _ask(report, name, probe, patient, watch)
            else:
                report.checks[name] = not_asked(reason)
    else:
        report.checks |= {name: not_asked("no chat") for name in CHAT_CHECKS}
    length = info.context_length
    report.checks["context_length"] = yes(value=length) if length else unknown("nothing says it")
    report.learned = tuple(sorted(patient.refused))
    add_assumptions(report, patient.profile)
    return report


async def _examine_embeddings(report: ModelReport, patient: Patient, watch: Watcher) -> None:
    probes = EmbeddingProbes()
    await _ask(report, "embeddings", probes.ask, patient, watch)
    for name, probe in {"embeddings_base64": probes.ask_base64, "embeddings_batch": probes.ask_batch}.items():
        if report.checks["embeddings"].is_fine:
            await _ask(report, name, probe, patient, watch)
        else:
            report.checks[name] = not_asked("no embeddings")


async def _ask(report: ModelReport, name: str, probe: Probe, patient: Patient, watch: Watcher) -> None:
    watch(name)
    try:
        report.checks[name] = await probe(patient)
    except ProxyException as error:
        report.checks[name] = told_by(error)
    except Exception as error:  # noqa: BLE001 - told as a failed check with its type; raised, one odd answer would lose the results of all other checks
        report.checks[name] = Result(Answer.FAILED, f"an answer that was not foreseen ({type(error).__name__})")
