"""Which parameters a model takes: those its profile names, those it does not, and one that nobody has."""

from typing import Any

from gateway.codecs.options import encode_options
from gateway.doctor.patient import GREETING, Patient
from gateway.doctor.results import Result, no, partly, yes
from gateway.errors import ProxyException

NOBODYS = "x_gateway_check"
"""A parameter that no server knows."""
OPTIONS: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "seed": 7,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "top_k": 20,
    "min_p": 0.05,
    "repeat_penalty": 1.1,
    "repeat_last_n": 32,
    "typical_p": 0.95,
    "num_keep": 0,
}
"""Ollama's options with values that are nobody's default: some models take a parameter only with that."""
BEYOND: dict[str, Any] = {
    "top_k": 20,
    "min_p": 0.05,
    "repeat_penalty": 1.1,
    "repetition_penalty": 1.1,
    "repeat_last_n": 32,
    "typical_p": 0.95,
}
"""What a server may take that its profile does not name."""


async def ask_parameters(patient: Patient) -> Result:
    """Send all options that the profile lets through, at once; what is refused by name is learned and left out."""
    before = set(patient.refused)
    fields = encode_options(OPTIONS, patient.profile, frozenset(before))
    await patient.chat(fields, essential=False)
    refused = sorted(patient.refused - before)
    return partly(f"refuses {', '.join(refused)}") if refused else yes()


async def ask_nobodys_parameter(patient: Patient) -> Result:
    """Send a parameter that does not exist; a server that refuses it is then asked which ones it does know."""
    before = set(patient.refused)
    await patient.chat({NOBODYS: 1}, content=GREETING, essential=False)
    if NOBODYS not in patient.refused:
        return yes("ignored", word="ignored")
    patient.refused = before
    known = await _known_beyond(patient)
    return no(f"beyond its profile it takes {', '.join(known)}" if known else "", word="refused")


async def _known_beyond(patient: Patient) -> list[str]:
    """Return the parameters that a strict server takes though its profile does not name them."""
    before = set(patient.refused)
    fields = {name: value for name, value in BEYOND.items() if name not in patient.profile.parameters | before}
    if not fields:
        return []
    try:
        await patient.chat(fields, essential=False)
    except ProxyException:
        return []
    else:
        return [name for name in fields if name not in patient.refused]
    finally:
        patient.refused = before
